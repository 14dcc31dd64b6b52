//! What the program writes about itself, as text and as JSON, at its most
//! talkative: nobody's secrets, nobody's names; and every answer is found in it.

use crate::support::events::Event;
use crate::support::program::Program;
use crate::support::wire::{Answer, Request};
use crate::support::{Browser, Client, Letter};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const MAIL_WAIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const PASSWORD: &str = "birdsong-password-0001";
const WRONG_PASSWORD: &str = "birdsong-password-0002";
const NEW_PASSWORD: &str = "birdsong-password-0003";
/// Stands in every name, address, telephone number and path here.
const BIRD: &str = "birdsong";

/// Somebody who drives the service, and writes down what must stay unsaid.
struct Visit<'p> {
    program: &'p Program,
    secrets: Vec<String>,
    answers: Vec<Answer>,
}

impl Visit<'_> {
    fn visitor(&self) -> Client {
        Client::new(self.program.address, None)
    }

    fn keep(&mut self, secret: &str) -> String {
        self.secrets.push(secret.to_owned());
        secret.to_owned()
    }

    /// Sends it as `client`; answers what came, whatever it is.
    fn send(&mut self, client: &Client, request: Request) -> Answer {
        let answer = client.send(request);
        self.answers.push(answer.clone());
        answer
    }

    fn post(&mut self, client: &Client, target: &str, body: &Value) -> Answer {
        self.send(client, Request::new("POST", target).json(body))
    }

    fn log_in(&mut self, email: &str, password: &str) -> Answer {
        let visitor = self.visitor();
        self.post(&visitor, "/api/login", &json!({"email": email, "password": password}))
    }

    /// The secret of the mail to that address, once it is sent.
    fn letter_to(&self, email: &str) -> (String, String) {
        let begun = Instant::now();
        loop {
            let letters = Letter::read_all(&self.program.data.join("outbox"));
            if let Some(letter) = letters.iter().find(|letter| letter.to == email) {
                return letter.link();
            }
            assert!(begun.elapsed() < MAIL_WAIT, "no mail to {email}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn drive(&mut self) {
        let operator = self.program.deployment();
        self.keep(operator.token());
        let people = json!({"email": "ann@birdsong.example", "name": "Birdsong Ann", "password": PASSWORD,
            "administrator": true, "liaison": true});
        let ann_is = self.post(&operator, "/api/ledger/users", &people).expect(201).json()["id"].clone();
        let asked = json!({"name": "Birdsong shop", "scopes": ["invites"]});
        let shop = self.post(&operator, "/api/ledger/applications", &asked).expect(201).json();
        self.keep(shop["token"].as_str().unwrap());
        let employee = json!({"email": "eve@birdsong.example", "legal_name": "Eve Birdsong", "phone": "birdsong-555"});
        self.post(&operator, "/api/ledger/employees", &employee).expect(201);
        let ann = self.sessions();
        self.invitations(&operator, &ann, ann_is.as_str().unwrap());
        self.nonsense(&operator, &ann);
    }

    fn sessions(&mut self) -> Client {
        self.log_in("ann@birdsong.example", WRONG_PASSWORD).expect(401);
        let opened = self.log_in("ann@birdsong.example", PASSWORD).expect(200);
        let browser = Browser::of(self.program.address, "default", &opened);
        self.keep(browser.session());
        self.keep(browser.csrf());
        let wrong = json!({"email": "ann@birdsong.example", "password": WRONG_PASSWORD});
        self.answers.push(self.visitor().sensitive("users/login", &wrong).expect(400));
        let good = json!({"email": "ann@birdsong.example", "password": PASSWORD});
        let session = self.visitor().sensitive("users/login", &good).expect(200).json();
        self.keep(session["data"]["session"]["token"].as_str().unwrap());
        Client::new(self.program.address, Some(browser.session()))
    }

    fn invitations(&mut self, operator: &Client, ann: &Client, ann_is: &str) {
        let asked = json!({"name": "Birdsong Roofing"});
        let organization = self.post(operator, "/api/ledger/organizations", &asked).expect(201).json()["id"].clone();
        let organization = organization.as_str().unwrap().parse().unwrap();
        let place = format!("/api/ledger/organizations/{organization}/members/{ann_is}");
        self.send(operator, Request::new("PUT", &place).json(&json!({"role": "admin"}))).expect(200);
        let made = ann.invite_document(organization, "bob@birdsong.example", "member").expect(201).json();
        let code = self.keep(made["data"]["attributes"]["code"].as_str().unwrap());
        let id = made["data"]["id"].as_str().unwrap();
        let wrong = format!("{}{}", &code[1..], &code[..1]);
        self.answers.push(ann.accept_document(organization, id, &wrong).expect(400));
        self.secrets.push(wrong);
        let (link, secret) = self.letter_to("bob@birdsong.example");
        self.keep(&secret);
        let visitor = self.visitor();
        self.post(&visitor, &format!("{link}/view"), &json!({"code": secret})).expect(200);
        self.post(&visitor, &format!("{link}/view"), &json!({"code": "birdsong"})).expect(400);
        let asked = json!({"code": secret, "name": "Bob Birdsong", "password": NEW_PASSWORD});
        let registered = self.post(&visitor, &format!("{link}/register"), &asked).expect(200);
        self.keep(Browser::of(self.program.address, "default", &registered).session());
        let asked = json!({"EmailAddresses": ["kim@birdsong.example"], "Message": "birdsong message"});
        self.post(ann, "/api/users/invitations", &asked).expect(200);
    }

    /// What is refused, in every dialect, with something of somebody's in it.
    fn nonsense(&mut self, operator: &Client, ann: &Client) {
        let token = ann.token().to_owned();
        let half = |target: &str| Request::new("POST", target).body("application/json", r#"{"email": "birdsong"#);
        for target in ["/api/v1/employees/create", "/api/users/invitations", "/api/ledger/users", "/api/login"] {
            self.send(ann, half(target)).expect(400);
        }
        let asked = json!({"email": "ann@birdsong.example", "password": PASSWORD});
        self.post(operator, "/api/ledger/users", &asked).expect(409);
        let asked = json!({"email": "no birdsong", "password": "birdsong"});
        self.post(operator, "/api/ledger/users", &asked).expect(400);
        for target in ["/api/v1/birdsong", "/api/v2/birdsong", "/api/users/birdsong", "/api/ledger/birdsong"] {
            let status = if target.starts_with("/api/v1") { 500 } else { 404 };
            self.send(ann, Request::new("GET", target)).expect(status);
        }
        self.send(operator, Request::new("GET", "/api/ledger/users/birdsong?tenant=birdsong")).expect(404);
        let visitor = self.visitor();
        let asked = Request::new("GET", "/api/ledger/users?email=birdsong").bearer("il_ses_birdsong");
        self.send(&visitor, asked.header("X-Request-Id", "birdsong").header("User-Agent", "birdsong")).expect(401);
        let body = format!("token={token}&email=ann@birdsong.example");
        let form = Request::new("POST", "/api/v1/employees/create").body("application/x-www-form-urlencoded", body);
        self.send(&visitor, form).expect(400);
    }
}

fn found_in<'a>(text: &str, wanted: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let text = text.to_lowercase();
    wanted.into_iter().filter(|secret| text.contains(&secret.to_lowercase())).cloned().collect()
}

/// Drives a service that writes so, ends it, and answers its words and the ids of what it answered.
fn words_of(format: &str) -> (String, BTreeSet<String>) {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["--log-format", format, "--log-level", "trace"];
    let mut program = Program::start(folder.path(), &settings);
    let secrets = [PASSWORD, WRONG_PASSWORD, NEW_PASSWORD].map(str::to_owned).to_vec();
    let mut visit = Visit { program: &program, secrets, answers: vec![] };
    visit.drive();
    let Visit { secrets, answers, .. } = visit;
    for answer in answers.iter().filter(|answer| answer.status >= 400) {
        assert_eq!(found_in(&answer.text(), &secrets), Vec::<String>::new(), "{}", answer.text());
        assert!(!answer.text().to_lowercase().contains("birdsong.example"), "{}", answer.text());
    }
    let export = |personal: bool| {
        let target = format!("/api/ledger/log/export?every_tenant=true&personal={personal}");
        program.deployment().get(&target).expect(200).text()
    };
    let (sealed, clear) = (export(false), export(true));
    assert_eq!(found_in(&clear, &secrets), Vec::<String>::new(), "secrets in events");
    assert!(clear.contains("bob@birdsong.example"), "the search can find: {clear}");
    for event in Event::lines(&sealed) {
        let payload = event.payload.to_string().to_lowercase();
        let names = ["Organization", "Application"].iter().any(|kind| event.stream.starts_with(&kind.to_lowercase()));
        assert!(names || !payload.contains(BIRD), "{} tells who: {payload}", event.name());
    }
    program.ask_to_end();
    assert_eq!(program.ended().code(), Some(0));
    let words = program.words();
    assert_eq!(found_in(&words, &secrets), Vec::<String>::new(), "secrets in log lines");
    let telling: Vec<&str> = words.lines().filter(|line| line.to_lowercase().contains(BIRD)).collect();
    assert_eq!(telling, Vec::<&str>::new(), "lines that tell who or what");
    (words, answers.iter().map(|answer| answer.header("x-request-id").unwrap().to_owned()).collect())
}

#[test]
fn readable_lines_name_requests_and_nobody() {
    let (words, ids) = words_of("text");
    let missing: Vec<&String> = ids.iter().filter(|id| !words.contains(id.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new(), "requests that left no line");
    assert!(ids.len() > 20, "{}", ids.len());
}

#[test]
fn lines_as_json_are_json_and_name_requests_and_nobody() {
    let (words, ids) = words_of("json");
    let lines: Vec<Value> =
        words.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect();
    for line in &lines {
        for member in ["timestamp", "level", "message", "target"] {
            assert!(line[member].is_string(), "no {member}: {line}");
        }
    }
    let answered = lines.iter().filter(|line| line["message"] == "answered");
    let told: BTreeSet<String> = answered.map(|line| line["request_id"].as_str().unwrap().to_owned()).collect();
    let missing: Vec<&String> = ids.difference(&told).collect();
    assert_eq!(missing, Vec::<&String>::new(), "requests without a line that says how they were answered");
}
