//! The document's examples, and a test that walks the document: every
//! operation has one for each body it takes or gives.

use crate::spec::{Place, Source};
use serde_json::{Value, json};

const ID: &str = "0193553d-97a1-7cc0-8df0-4b6a26dc4bd4";
const USER: &str = "0193553e-1f44-72a3-9a2e-5d1d4f6a9b10";
const AT: &str = "2024-11-21T22:07:32Z";

/// Operation, body it takes, status and body it gives.
type Row = (&'static str, Option<Value>, u16, Value);

pub(super) fn added(source: Source) -> Source {
    let rows = directory().into_iter().chain(people()).chain(invitations()).chain(upkeep());
    rows.fold(source, |source, (operation, asked, status, answered)| {
        let source = match asked {
            Some(asked) => source.example(operation, Place::Request, asked),
            None => source,
        };
        refusals()
            .into_iter()
            .fold(source.example(operation, Place::Response(status), answered), |source, (status, refusal)| {
                source.example(operation, Place::Response(status), refusal)
            })
    })
}

/// Of what any operation may be refused with, by status; one that does not say the status shows none.
fn refusals() -> [(u16, Value); 10] {
    let because = |code, message| error(code, message, &json!([]));
    let fault = json!([{"param": "name", "reason": "is missing"}]);
    let found = "something unexpected happened; the request id finds it in the service's log";
    [
        (400, error("invalid_params", "name is missing", &fault)),
        (401, because("unauthenticated", "the token is unknown or revoked")),
        (403, because("not_permitted", "this caller may not do that")),
        (404, because("not_found", "there is no such tenant")),
        (409, because("name_taken", "that name is taken")),
        (413, because("payload_too_large", "the body has more than 65536 bytes")),
        (415, because("unsupported_media_type", "the body must be application/json")),
        (429, because("too_many_requests", "too many; try again in 17 seconds")),
        (500, because("internal", found)),
        (503, because("unavailable", "too many requests are being answered")),
    ]
}

fn error(code: &str, message: &str, params: &Value) -> Value {
    json!({"error": {"code": code, "message": message, "params": params}})
}

fn list(item: Value) -> Value {
    json!({"items": [item], "page": {"number": 1, "size": 25, "total_count": 1, "total_pages": 1}})
}

fn directory() -> Vec<Row> {
    let settings = json!({"read_csrf": false, "write_csrf": true, "invite_unregistered": true, "valid_days": 7});
    let tenant = json!({"name": "acme", "settings": settings, "created_at": AT});
    let organization =
        json!({"id": ID, "name": "Acme Roofing", "bind_recipient": false, "created_at": AT, "updated_at": AT});
    let member = json!({
        "user": USER, "role": "admin", "email": "jane@acme.example", "name": "Jane Roe", "granted_at": AT,
    });
    let integration = json!({"id": 4, "name": "Field sync", "description": null, "created_at": AT});
    let joined = json!({"organization": ID, "user": USER, "role": "admin"});
    let left = json!({"organization": ID, "user": USER, "role": null});
    vec![
        ("listTenants", None, 200, list(tenant.clone())),
        ("createTenant", Some(json!({"name": "acme"})), 201, tenant.clone()),
        ("showTenant", None, 200, tenant),
        ("showSettings", None, 200, settings.clone()),
        ("changeSettings", Some(json!({"valid_days": 7})), 200, settings),
        ("listOrganizations", None, 200, list(organization.clone())),
        ("createOrganization", Some(json!({"name": "Acme Roofing"})), 201, organization.clone()),
        ("showOrganization", None, 200, organization.clone()),
        ("updateOrganization", Some(json!({"name": "Acme Roofing"})), 200, organization),
        ("listMembers", None, 200, list(member)),
        ("putMember", Some(json!({"role": "admin"})), 200, joined),
        ("deleteMember", None, 200, left),
        ("listIntegrations", None, 200, list(integration.clone())),
        ("createIntegration", Some(json!({"name": "Field sync"})), 201, integration.clone()),
        ("showIntegration", None, 200, integration.clone()),
        ("updateIntegration", Some(json!({"name": "Field sync"})), 200, integration),
    ]
}

fn people() -> Vec<Row> {
    let address = json!({
        "street": "1 Main St", "street2": null, "city": "Tulsa", "state": "OK", "postal_code": "74103",
        "longitude": "-95.99", "latitude": "36.15",
    });
    let employee = json!({
        "id": 12, "user_id": null, "email": "jane@acme.example", "active": true, "service_area_id": 3,
        "first_name": "Jane", "last_name": "Roe", "legal_name": null, "skills": ["roofing"], "phone": "+1 918 555 0100",
        "address": address, "date_hired": "2024-01-15", "date_off_boarded": null,
        "created_at": AT, "updated_at": AT, "version": 1,
    });
    let new_employee = json!({"email": "jane@acme.example", "first_name": "Jane", "last_name": "Roe"});
    let user = json!({
        "id": USER, "email": "jane@acme.example", "address_verified": false, "name": "Jane Roe",
        "client": {"id": 9, "company_name": "Acme", "created_at": AT}, "liaison": false, "administrator": false,
        "created_at": AT, "updated_at": AT,
    });
    let new_user = json!({"email": "jane@acme.example", "password": "correct horse battery", "client": "Acme"});
    let application = json!({"id": ID, "name": "shop", "scopes": ["invites"], "revoked": false, "created_at": AT});
    let token = json!({"application": application, "token": "il_app_gG8Vh2…"});
    let revoked = json!({"id": ID, "name": "shop", "scopes": ["invites"], "revoked": true, "created_at": AT});
    vec![
        ("listEmployees", None, 200, list(employee.clone())),
        ("createEmployee", Some(new_employee), 201, employee.clone()),
        ("showEmployee", None, 200, employee.clone()),
        ("updateEmployee", Some(json!({"phone": null, "address": {"city": "Tulsa"}})), 200, employee),
        ("listUsers", None, 200, list(user.clone())),
        ("createUser", Some(new_user), 201, user.clone()),
        ("showUser", None, 200, user.clone()),
        ("updateUser", Some(json!({"administrator": false})), 200, user),
        ("listApplications", None, 200, list(application.clone())),
        ("createApplication", Some(json!({"name": "shop", "scopes": ["invites"]})), 201, token),
        ("showApplication", None, 200, application.clone()),
        ("updateApplication", Some(json!({"scopes": ["invites"]})), 200, application),
        ("revokeApplication", None, 200, revoked),
    ]
}

fn invitation(state: &str) -> Value {
    json!({
        "id": ID, "public_id": ID, "kind": "organization", "target": {"id": USER, "name": "Acme Roofing"},
        "role": "member", "email": "john@example.org", "message": null, "state": state, "email_status": "sent",
        "invited_by": "deployment", "accepted_by": null, "cancelled_by": null, "generation": 1,
        "created_at": AT, "updated_at": AT, "expires_at": "2024-11-28T22:07:32Z", "accepted_at": null,
    })
}

fn event() -> Value {
    json!({
        "position": 17, "tenant": "default", "tseq": 15, "stream": format!("invitation-default/{ID}"), "version": 2,
        "event_id": "0193553d-9801-7e70-b7f4-38c2a1a0a36a", "type": "EmailSent", "schema": 1,
        "at": "2024-11-21T22:07:32.104211Z", "payload": {"generation": 1},
        "metadata": {"actor": "system", "channel": "courier"},
        "leaf": "4b2f6c6a7f3d1e0c9b8a79685746352413029f8e7d6c5b4a39281706f5e4d3c2",
    })
}

fn invitations() -> Vec<Row> {
    let asked = json!({"kind": "organization", "organization": USER, "email": "john@example.org", "role": "member"});
    let mail = |state: &str| {
        json!({
            "id": "default-15-0", "tenant": "default", "aggregate": "invitation", "aggregate_id": ID, "number": 1, "part": 0,
            "state": state, "attempts": 3, "reason": "gave_up", "asked_at": AT, "next_attempt_at": null,
        })
    };
    vec![
        ("listInvitations", None, 200, list(invitation("pending"))),
        ("createInvitation", Some(asked), 201, json!({"invitation": invitation("pending")})),
        ("showInvitation", None, 200, invitation("pending")),
        ("cancelInvitation", None, 200, invitation("cancelled")),
        ("resendInvitation", None, 200, invitation("pending")),
        ("listInvitationEvents", None, 200, json!({"items": [event()]})),
        ("listMails", None, 200, json!({"items": [mail("dead")], "next": null})),
        ("retryMail", None, 200, mail("queued")),
        ("abandonMail", None, 200, mail("abandoned")),
        ("readLog", None, 200, json!({"items": [event()], "next": 17, "head": 40})),
        ("exportLog", None, 200, Value::String(format!("{}\n", event()))),
        ("showLogEvent", None, 200, event()),
    ]
}

fn upkeep() -> Vec<Row> {
    let status = json!({
        "version": "0.1.0", "ledger": ID, "epoch": 1, "head": 40, "started_at": AT,
        "views": [{"view": "directory", "position": 40}], "stopped_view": null,
        "outbox": {"queued": 0, "sending": 0, "dead": 1},
    });
    let finding = json!({
        "check": "dead_letters", "health": "warning", "found": "1 mail was given up",
        "advice": "look at it with `invitation-ledger outbox list --state dead`",
    });
    let rebuild = |position: u64, finished: Option<&str>| {
        json!({
            "view": null, "position": position, "head": 40, "started_at": AT, "finished_at": finished, "failed": null,
        })
    };
    let folder = json!({"folder": "/var/backups/ledger-2024-11-21"});
    let copied = json!({"folder": "/var/backups/ledger-2024-11-21", "head": 40});
    vec![
        ("showStatus", None, 200, status),
        ("askDoctor", None, 200, json!({"healthy": true, "findings": [finding]})),
        ("startRebuild", Some(json!({})), 202, rebuild(0, None)),
        ("showRebuild", None, 200, rebuild(40, Some(AT))),
        ("makeBackup", Some(folder), 200, copied),
    ]
}

#[cfg(test)]
mod tests {
    use crate::operator::source;
    use crate::spec::finish;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn document() -> Value {
        serde_json::from_str(&finish(source())).unwrap()
    }

    fn operations(document: &Value) -> Vec<(&String, &String, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(method, o)| (path, method, o)))
            .collect()
    }

    #[test]
    fn every_operation_is_told_whole() {
        let document = document();
        let operations = operations(&document);
        assert_eq!(operations.len(), 46);
        for (path, method, operation) in operations {
            let name = format!("{method} {path}");
            assert!(path.starts_with("/api/ledger/"), "{name}");
            assert!(operation["summary"].is_string(), "{name} has no summary");
            assert!(operation["tags"][0].is_string(), "{name} has no tag");
            assert_eq!(operation["security"], serde_json::json!([{"bearer": []}]), "{name}");
            for status in ["400", "401", "403", "404", "500", "503"] {
                assert!(operation["responses"][status].is_object(), "{name} does not say {status}");
            }
            let bodies = operation["requestBody"]["content"].as_object().into_iter().flatten();
            let answers = operation["responses"].as_object().unwrap().values();
            let answers = answers.flat_map(|answer| answer["content"].as_object().into_iter().flatten());
            for (media, content) in bodies.chain(answers) {
                assert!(content.get("example").is_some(), "{name} has no example of {media}");
            }
        }
    }

    #[test]
    fn operation_ids_are_unique() {
        let document = document();
        let operations = operations(&document);
        let ids: BTreeSet<&str> = operations.iter().map(|(_, _, o)| o["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), operations.len());
    }

    /// Members of the examples are those of the schemas, and none is missing.
    #[test]
    fn examples_have_the_members_of_their_schemas() {
        let document = document();
        for (path, method, operation) in operations(&document) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                for (_, content) in response["content"].as_object().into_iter().flatten() {
                    if let Some(example) = content.get("example") {
                        compare(&document, &content["schema"], example, &format!("{method} {path} {status}"));
                    }
                }
            }
        }
    }

    fn compare(document: &Value, schema: &Value, example: &Value, place: &str) {
        let named = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
        let schema = match named {
            Some(name) => document.pointer(&name[1..]).unwrap(),
            None => schema,
        };
        match example {
            Value::Object(members) if schema.get("properties").is_some() => {
                let properties = schema["properties"].as_object().unwrap();
                let (shown, declared): (BTreeSet<_>, BTreeSet<_>) =
                    (members.keys().collect(), properties.keys().collect());
                assert_eq!(shown, declared, "{place}");
                for (name, value) in members {
                    compare(document, &properties[name], value, &format!("{place} {name}"));
                }
            }
            Value::Array(items) => {
                items.iter().for_each(|item| compare(document, &schema["items"], item, place));
            }
            Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
