//! SMTP against a server of another language.

use crate::house::{House, rows, secret_of};
use delivery::{MailState, TransportOptions};
use domain::invitation::{Event, Invitation};
use domain::mail::Reason;
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// The server of `tests/smtp_server.py`; ends with this value.
struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
    folder: TempDir,
}

impl Server {
    fn start(mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smtp_server.py");
        let mut command = Command::new(python());
        command.arg(script).arg(mode);
        if mode.contains("tls") {
            certify(folder.path());
            command.args([folder.path().join("cert.pem"), folder.path().join("key.pem")]);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3; run tests/install");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("the SMTP server of the tests did not start; run tests/install").unwrap();
        let port = first.strip_prefix("ready ").unwrap_or_else(|| panic!("{first}")).parse().unwrap();
        Self { child, lines, port, folder }
    }

    fn url(&self, scheme: &str, user: &str, options: &str) -> TransportOptions {
        let ca: PathBuf = self.folder.path().join("cert.pem");
        let ca = if ca.exists() { format!("ca={}", ca.display()) } else { String::new() };
        let options = [options, &ca].iter().filter(|o| !o.is_empty()).copied().collect::<Vec<_>>().join("&");
        let host = if scheme == "smtps" || options.contains("ca=") { "localhost" } else { "127.0.0.1" };
        format!("{scheme}://{user}{host}:{}?{options}", self.port).parse().unwrap()
    }

    /// The next mail it took.
    fn mail(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Of the environment that `tests/install` makes, or else the machine's.
fn python() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python3");
    if installed.exists() { installed } else { PathBuf::from("python3") }
}

/// A certificate of its own for `localhost`.
fn certify(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("cert.pem"))
        .stderr(Stdio::null())
        .status()
        .expect("openssl; run tests/install");
    assert!(made.success());
}

/// One mail through this transport: the result in the log, none while it waits.
async fn outcome(transport: TransportOptions, to: &str) -> Option<Result<(), Reason>> {
    let house = House::new().await;
    let invited = house.invite(to).await;
    let delivery = house.deliver(transport).await;
    match house.last::<Invitation>(invited) {
        Event::EmailSent(_) => Some(Ok(())),
        Event::EmailFailed(e) => Some(Err(e.reason)),
        _ => {
            assert_eq!(rows(&delivery)[0].state, MailState::Queued);
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_arrives_with_its_link_whole() {
    let mut server = Server::start("plain");
    let house = House::new().await;
    let invited = house.invite("ann@guest.example").await;
    house.deliver(server.url("smtp", "", "")).await;
    let mail = server.mail();
    assert_eq!(mail["from"], "invitations@acme.example");
    assert_eq!(mail["to"], "ann@guest.example");
    assert_eq!((&mail["tls"], &mail["user"]), (&Value::Bool(false), &Value::Null));
    let content = mail["content"].as_str().unwrap();
    let link = house.bus.load::<Invitation>(&house.tenant, invited).await.unwrap().link;
    let line = format!("\r\nhttps://invite.example/i/{link}#{}\r\n", secret_of(invited, 1));
    assert!(content.contains(&line), "{content}");
    assert!(content.contains("Message-ID: <inv-"), "{content}");
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailSent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_is_used_where_it_is_offered_and_required_where_it_must() {
    let mut server = Server::start("starttls");
    assert_eq!(outcome(server.url("smtp", "", ""), "a@guest.example").await, Some(Ok(())));
    assert_eq!(server.mail()["tls"], Value::Bool(true));
    assert_eq!(outcome(server.url("smtp", "", "tls=required"), "a@guest.example").await, Some(Ok(())));
    assert_eq!(server.mail()["tls"], Value::Bool(true));
    let plain = Server::start("plain");
    assert_eq!(outcome(plain.url("smtp", "", "tls=required"), "a@guest.example").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_nobody_vouches_for_gets_no_mail() {
    let server = Server::start("starttls");
    let stranger: TransportOptions = format!("smtp://localhost:{}?tls=required", server.port).parse().unwrap();
    assert_eq!(outcome(stranger, "a@guest.example").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_from_the_first_byte_and_a_password() {
    let mut server = Server::start("tls,auth");
    let right = server.url("smtps", "us%40er:p%3Aw%2Fd@", "");
    assert_eq!(outcome(right, "a@guest.example").await, Some(Ok(())));
    let mail = server.mail();
    assert_eq!((&mail["tls"], &mail["user"]), (&Value::Bool(true), &Value::from("us@er")));
    let wrong = server.url("smtps", "us%40er:wrong@", "");
    assert_eq!(outcome(wrong, "a@guest.example").await, Some(Err(Reason::AccountRefused)));
    let nobody = server.url("smtps", "", "");
    assert_eq!(outcome(nobody, "a@guest.example").await, Some(Err(Reason::AccountRefused)));
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_mean_what_they_mean_at_their_stage() {
    let server = Server::start("plain");
    let cases = [
        ("refused-a@guest.example", Some(Err(Reason::RecipientRefused))),
        ("later-a@guest.example", None),
        ("rejected-a@guest.example", Some(Err(Reason::MessageRefused))),
        ("greylisted-a@guest.example", None),
    ];
    for (to, expected) in cases {
        assert_eq!(outcome(server.url("smtp", "", ""), to).await, expected, "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_after_the_body_leaves_the_outcome_unknown() {
    let mut server = Server::start("plain");
    let house = House::new().await;
    let invited = house.invite("drop-a@guest.example").await;
    let delivery = house.delivery(server.url("smtp", "", ""));
    delivery.start();
    delivery.idle().await;
    house.clock.advance(std::time::Duration::from_secs(60));
    delivery.idle().await;
    house.clock.advance(std::time::Duration::from_secs(48 * 60 * 60));
    delivery.idle().await;
    delivery.close().await;
    let id = |mail: Value| {
        let content = mail["content"].as_str().unwrap().to_owned();
        content.lines().find(|l| l.starts_with("Message-ID")).unwrap().to_owned()
    };
    assert_eq!(id(server.mail()), id(server.mail()));
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailFailed"]);
    assert_eq!(rows(&delivery)[0].reason, Some(Reason::OutcomeUnknown));
}

/// Sends mails one after the other through one transport; what the log has of each.
async fn one_after_the_other(transport: TransportOptions, to: &[&str]) -> Vec<String> {
    let house = House::new().await;
    let delivery = house.delivery(transport);
    delivery.start();
    let mut last = vec![];
    for email in to {
        let invited = house.invite(email).await;
        delivery.idle().await;
        last.push(house.kinds::<Invitation>(invited).join(" "));
    }
    delivery.close().await;
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_several_mails_and_a_refused_recipient_does_not_spoil_it() {
    for (mode, options) in [("plain", ""), ("starttls", "tls=required")] {
        let mut server = Server::start(mode);
        let to = ["a@guest.example", "refused-b@guest.example", "c@guest.example", "d@guest.example"];
        let last = one_after_the_other(server.url("smtp", "", options), &to).await;
        assert_eq!(last, ["Created EmailSent", "Created EmailFailed", "Created EmailSent", "Created EmailSent"]);
        for email in ["a@guest.example", "c@guest.example", "d@guest.example"] {
            let mail = server.mail();
            assert_eq!((&mail["to"], &mail["connection"]), (&Value::from(email), &Value::from(1)));
            assert_eq!(mail["tls"], Value::Bool(mode == "starttls"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hung_up_meanwhile_is_called_again_and_nothing_is_unknown() {
    let mut server = Server::start("hangs-up");
    let house = House::new().await;
    let delivery = house.delivery(server.url("smtp", "", ""));
    delivery.start();
    for number in 1..=3 {
        let invited = house.invite("a@guest.example").await;
        delivery.idle().await;
        assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailSent"], "at the first try");
        assert_eq!(server.mail()["connection"], Value::from(number));
        assert_eq!(server.mail()["closed"], Value::from(number), "before the next mail");
    }
    delivery.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_one_mail_per_connection_is_called_again() {
    let mut server = Server::start("one-mail");
    let last = one_after_the_other(server.url("smtp", "", ""), &["a@guest.example", "b@guest.example"]).await;
    assert_eq!(last, ["Created EmailSent", "Created EmailSent"]);
    assert_eq!((&server.mail()["connection"], &server.mail()["connection"]), (&Value::from(1), &Value::from(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_goes_when_its_invitation_is_sent_again() {
    let server = Server::start("plain");
    let house = House::new().await;
    let delivery = house.delivery(server.url("smtp", "", ""));
    delivery.start();
    let invited = house.invite("rejected-a@guest.example").await;
    let other = house.invite("rejected-b@guest.example").await;
    delivery.idle().await;
    assert_eq!(delivery.figures().dead, 2);
    house.resend(invited, 2).await;
    delivery.idle().await;
    delivery.close().await;
    let mut dead: Vec<_> = rows(&delivery).into_iter().map(|row| (row.aggregate_id, row.number)).collect();
    dead.sort_unstable();
    let mut expected = vec![(other, 1), (invited, 2)];
    expected.sort_unstable();
    assert_eq!((dead, delivery.figures().dead), (expected, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listening_is_waited_out() {
    let nobody: TransportOptions = "smtp://127.0.0.1:1".parse().unwrap();
    assert_eq!(outcome(nobody, "a@guest.example").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_international_name_needs_a_server_that_takes_it() {
    let mut modern = Server::start("plain");
    assert_eq!(outcome(modern.url("smtp", "", ""), "Jörg@Büro.example").await, Some(Ok(())));
    let mail = modern.mail();
    assert_eq!(mail["to"], "Jörg@xn--bro-hoa.example");
    assert!(mail["options"].as_array().unwrap().contains(&Value::from("SMTPUTF8")), "{mail}");
    let old = Server::start("plain,no8bit");
    assert_eq!(outcome(old.url("smtp", "", ""), "Jörg@Büro.example").await, Some(Err(Reason::AddressInvalid)));
}
