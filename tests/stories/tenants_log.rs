//! What a tenant's auditor learns from the log: everything of their own, and
//! nothing of how much the others write.

use crate::support::{Client, House};
use serde_json::{Value, json};

const NEIGHBOURS: usize = 40;

/// An application of another tenant, which has invited two people there.
fn auditor(house: &House) -> (Client, Value) {
    let deployment = house.deployment();
    deployment.post("/api/ledger/tenants", &json!({"name": "bolt"})).expect(201);
    let asked = json!({"name": "audit", "scopes": ["audit", "organizations", "invites"]});
    let made = deployment.post("/api/ledger/applications?tenant=bolt", &asked).expect(201).json();
    let client = Client::new(house.address, Some(made["token"].as_str().unwrap()));
    let organization = client.post("/api/ledger/organizations", &json!({"name": "Bolt"})).expect(201).json();
    neighbours_write(house, 2);
    let mut last = Value::Null;
    for email in ["ada@bolt.example", "bob@bolt.example"] {
        let asked = json!({"kind": "organization", "organization": organization["id"], "email": email});
        last = client.post("/api/ledger/invitations", &asked).expect(201).json()["invitation"]["id"].clone();
        house.deliver();
        neighbours_write(house, 3);
    }
    (client, last)
}

fn neighbours_write(house: &House, count: usize) {
    for _ in 0..count {
        house.organization("Next door");
    }
}

#[test]
fn an_auditors_log_is_numbered_as_if_there_were_no_other_tenant() {
    let house = House::start();
    let (auditor, _) = auditor(&house);
    let part = auditor.get("/api/ledger/log?after=0").expect(200).json();
    let items = part["items"].as_array().unwrap();
    let kinds: Vec<&str> = items.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Created", "Created", "Created", "Created", "EmailSent", "Created", "EmailSent"]);
    let tseqs: Vec<u64> = items.iter().map(|item| item["tseq"].as_u64().unwrap()).collect();
    assert_eq!(tseqs, (1..=7).collect::<Vec<_>>());
    assert!(items.iter().all(|item| item["position"] == Value::Null && item["tenant"] == "bolt"));
    assert_eq!((&part["head"], &part["next"]), (&json!(7), &Value::Null));
    // Part by part, whole each time, forwards and backwards.
    let (mut found, mut after) = (vec![], 0);
    loop {
        let part = auditor.get(&format!("/api/ledger/log?after={after}&limit=2")).expect(200).json();
        found.extend(part["items"].as_array().unwrap().clone());
        let Some(next) = part["next"].as_u64() else { break };
        assert_eq!(next, after + 2);
        after = next;
    }
    assert_eq!(&found, items);
    let newest = auditor.get("/api/ledger/log?limit=3").expect(200).json();
    let mut expected = items[4..].to_vec();
    expected.reverse();
    assert_eq!((newest["items"].as_array().unwrap(), &newest["next"]), (&expected, &json!(5)));
    let older = auditor.get("/api/ledger/log?before=5&limit=3").expect(200).json();
    assert_eq!(older["items"].as_array().unwrap().iter().map(|i| i["tseq"].clone()).collect::<Vec<_>>(), [4, 3, 2]);
    let exported = auditor.get("/api/ledger/log/export?after=2&to=6").expect(200).text();
    let lines: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, items[2..6]);
    assert_eq!(auditor.get("/api/ledger/log/5").expect(200).json(), items[4]);
    auditor.get("/api/ledger/log/8").expect(404);
}

#[test]
fn what_others_write_changes_nothing_that_an_auditor_sees() {
    let house = House::start();
    let (auditor, invitation) = auditor(&house);
    let targets = [
        "/api/ledger/log".to_owned(),
        "/api/ledger/log?after=3&limit=2".to_owned(),
        "/api/ledger/log?before=4&limit=2".to_owned(),
        "/api/ledger/log/export".to_owned(),
        "/api/ledger/log/7".to_owned(),
        "/api/ledger/log/8".to_owned(),
        format!("/api/ledger/invitations/{}/events", invitation.as_str().unwrap()),
    ];
    let seen = || targets.clone().map(|target| auditor.get(&target)).map(|answer| (answer.status, answer.text()));
    let before = seen();
    neighbours_write(&house, NEIGHBOURS);
    assert_eq!(seen(), before);
    assert!(before.iter().all(|(_, text)| !text.contains("\"position\":1") && !text.contains("Next door")));
    assert_eq!(auditor.get("/api/ledger/log?every_tenant=true").status, 403);
}

#[test]
fn the_deployment_keeps_positions() {
    let house = House::start();
    let (_, invitation) = auditor(&house);
    let whole = house.log();
    assert_eq!(whole.iter().map(|event| event.position).collect::<Vec<_>>(), (1..=house.head()).collect::<Vec<_>>());
    let deployment = house.deployment();
    let bolt = deployment.get("/api/ledger/log?tenant=bolt&after=0").expect(200).json();
    let positions: Vec<u64> =
        bolt["items"].as_array().unwrap().iter().map(|i| i["position"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = whole.iter().filter(|event| event.tenant == "bolt").map(|event| event.position).collect();
    assert_eq!((positions, &bolt["head"]), (expected.clone(), &json!(house.head())));
    let target = format!("/api/ledger/invitations/{}/events?tenant=bolt", invitation.as_str().unwrap());
    let story = deployment.get(&target).expect(200).json();
    assert_eq!(story["items"][0]["position"], json!(expected[5]));
    let shown = deployment.get(&format!("/api/ledger/log/{}?tenant=bolt", expected[5])).expect(200).json();
    assert_eq!(shown, story["items"][0]);
}
