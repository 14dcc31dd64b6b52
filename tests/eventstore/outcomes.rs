//! What nobody can know is said in every dialect, and the same key settles it.

use crate::STREAM;
use crate::server::{Append, Cluster, Gate};
use crate::support::program::Program;
use crate::support::service::{invited, organization};
use crate::support::wire::{Answer, Request};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;

/// An invitation in each dialect.
fn keyed(organization: &Value, integration: &Value, token: &str) -> [Request; 4] {
    let document = json!({"data": {"type": "organization_invites",
        "attributes": {"recipient_email": "jsonapi@guests.example", "invite_user_as": "member"}}});
    let asked = json!({"kind": "organization", "organization": organization, "email": "operator@guests.example"});
    let sent = json!({"token": token, "id": integration, "email": "envelope@guests.example"});
    let target = format!("/api/v2/organizations/{}/invites", organization.as_str().unwrap());
    [
        Request::new("POST", &target).document(&document).bearer(token),
        Request::new("POST", "/api/ledger/invitations").json(&asked).bearer(token),
        Request::new("POST", "/api/users/invitations")
            .json(&json!({"EmailAddresses": ["platform@guests.example"]}))
            .bearer(token),
        Request::new("POST", "/api/v1/integrations/invitation_email").json(&sent),
    ]
    .map(|request| request.key("settles-it"))
}

fn send_together(program: &Program, requests: [Request; 4]) -> Vec<std::thread::JoinHandle<Answer>> {
    let address = program.address;
    requests.map(|request| std::thread::spawn(move || request.send(address).unwrap())).into_iter().collect()
}

fn queued(program: &Program) -> u64 {
    let page = program.deployment().get("/metrics").text();
    let line = page.lines().find(|line| line.starts_with("invitation_ledger_queue_units ")).unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn an_unknown_outcome_is_told_in_every_dialect_and_the_same_key_settles_it() {
    let cluster = Cluster::start(1);
    let (folder, server) = (tempfile::tempdir().unwrap(), cluster.nodes[0].clone());
    let program = Program::start(folder.path(), &["--store", &cluster.url(0)]);
    let acme = organization(&program);
    let calendar = program.deployment().post("/api/ledger/integrations", &json!({"name": "Calendar"})).expect(201);
    let (calendar, operator) = (calendar.json()["id"].clone(), program.deployment());
    let requests = || keyed(&acme, &calendar, operator.token());

    // One batch is under way, so that the four come together into the next one.
    let (first, second) = (Gate::default(), Gate::default());
    let arrived = server.arrived.load(SeqCst);
    server.then(Append::Waits(first.clone()));
    server.then(Append::Waits(second.clone()));
    let before = std::thread::spawn({
        let (operator, asked) = (operator.clone(), json!({"name": "Another"}));
        move || operator.post("/api/ledger/organizations", &asked)
    });
    program.comes_to("a batch is on its way", || server.arrived.load(SeqCst) > arrived);
    let told = send_together(&program, requests());
    program.comes_to("four units wait", || queued(&program) == 4);
    first.open();
    before.join().unwrap().expect(201);
    program.comes_to("the four are on their way", || server.arrived.load(SeqCst) > arrived + 1);

    // The server is gone before it has answered.
    let there = cluster.kept(STREAM).len();
    server.stop();
    let told: Vec<Answer> = told.into_iter().map(|answer| answer.join().unwrap()).collect();
    for answer in &told {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
    }
    told[0].problem(503, "outcome-unknown", &Value::Null);
    assert_eq!(told[1].json()["error"]["code"], "outcome_unknown", "{}", told[1].text());
    told[2].code(503, "outcome-unknown");
    told[3].slug(503, "service-unavailable");
    assert!(told[3].text().contains("Repeat the request with the same Idempotency-Key"), "{}", told[3].text());

    // It had taken them after all.
    server.start();
    second.open();
    program.comes_to("they have landed", || cluster.kept(STREAM).len() >= there + 4);
    program.comes_to("the service has found it again", || operator.get("/readyz").status == 200);
    let settled: Vec<u16> =
        send_together(&program, requests()).into_iter().map(|answer| answer.join().unwrap().status).collect();
    assert_eq!(settled, [201, 201, 200, 200]);
    let expected: BTreeSet<String> = ["jsonapi", "operator", "platform", "envelope"]
        .into_iter()
        .map(|name| format!("{name}@guests.example"))
        .collect();
    assert_eq!(invited(&program), expected, "each once");
}
