use super::*;
use serde_json::json;

const OWN: Uuid = Uuid::from_u128(7);

fn body(attributes: Value) -> Value {
    json!({"data": {"type": "organization_invites", "attributes": attributes}})
}

fn created(body: &Value) -> Result<NewInvite, Refused> {
    create(Ok(body.to_string().as_bytes()))
}

fn accepted(body: &Value) -> Result<String, Refused> {
    code(Ok(body.to_string().as_bytes()), OWN)
}

/// Status and source of every problem.
fn problems<T: std::fmt::Debug>(result: Result<T, Refused>) -> Vec<(u16, String)> {
    let at = |at: Option<At>| match at {
        Some(At::Pointer(text) | At::Parameter(text)) => text,
        Some(At::Header(name)) => name.to_owned(),
        None => String::new(),
    };
    result.unwrap_err().problems.into_iter().map(|p| (p.status.as_u16(), at(p.at))).collect()
}

#[test]
fn the_documents_own_request_is_read() {
    let request = body(json!({
        "invite_user_as": "admin",
        "recipient_email": "4oswaldo@steuber-greenfelder.info",
        "updated_in_db_at": "2021-11-23 14:38:02 UTC",
    }));
    let read = created(&request).unwrap();
    assert_eq!(read.id, None);
    assert_eq!(read.email.as_str(), "4oswaldo@steuber-greenfelder.info");
    assert_eq!(read.role, Role::Admin);
    assert_eq!(read.updated_in_db_at, Timestamp::parse("2021-11-23T14:38:02Z"));
}

#[test]
fn defaults_own_ids_and_ignored_members() {
    let request = json!({
        "jsonapi": {"version": "1.1"}, "meta": {"x": 1}, "links": {},
        "data": {
            "type": "organization_invites", "id": "00000000-0000-0000-0000-000000000007", "meta": {}, "links": null,
            "attributes": {"recipient_email": "a@b.co", "invite_user_as": null, "created_at": "any", "updated_at": 5},
        },
    });
    let expected = NewInvite {
        id: Some(OWN),
        email: Address::parse("a@b.co").unwrap(),
        role: Role::Admin,
        updated_in_db_at: None,
    };
    assert_eq!(created(&request), Ok(expected));
}

#[test]
fn what_is_malformed_is_400_and_says_where() {
    let at = |pointer: &str| vec![(400, pointer.to_owned())];
    let cases = [
        (json!([]), at("")),
        (json!({}), at("/data")),
        (json!({"data": null}), at("/data")),
        (json!({"data": [], "included": []}), vec![(400, "/included".to_owned()), (400, "/data".to_owned())]),
        (json!({"data": {"attributes": {"recipient_email": "a@b.co"}}}), at("/data/type")),
        (json!({"data": {"type": "organization_invites"}}), at("/data/attributes")),
        (body(json!({})), at("/data/attributes/recipient_email")),
        (body(json!({"recipient_email": null})), at("/data/attributes/recipient_email")),
        (body(json!({"recipient_email": 5})), at("/data/attributes/recipient_email")),
        (body(json!({"recipient_email": "a@b.co", "state": "accepted"})), at("/data/attributes/state")),
        (body(json!({"recipient_email": "a@b.co", "invite_user_as": true})), at("/data/attributes/invite_user_as")),
    ];
    for (request, expected) in cases {
        assert_eq!(problems(created(&request)), expected, "{request}");
    }
    assert_eq!(problems(create(Ok(b"{"))), at(""));
    assert_eq!(problems(create(Ok(br#"{"data":1,"data":2}"#))), at(""));
    assert_eq!(create(Err(BodyFault::TooLarge)).unwrap_err().status(), 413);
}

#[test]
fn what_is_impossible_is_422_and_all_of_it_is_told() {
    let request = body(json!({
        "recipient_email": "nobody", "invite_user_as": "owner", "updated_in_db_at": "-4712-01-01T00:00:00Z",
    }));
    let expected = ["recipient_email", "invite_user_as", "updated_in_db_at"];
    let expected: Vec<_> = expected.iter().map(|name| (422, format!("/data/attributes/{name}"))).collect();
    assert_eq!(problems(created(&request)), expected);
    let mut request = body(json!({"recipient_email": ""}));
    request["data"]["id"] = "7".into();
    let expected = [(422, "/data/id".to_owned()), (422, "/data/attributes/recipient_email".to_owned())];
    assert_eq!(problems(created(&request)), expected);
}

#[test]
fn another_type_or_id_is_a_conflict() {
    let mut request = body(json!({"recipient_email": "a@b.co"}));
    request["data"]["type"] = "invites".into();
    assert_eq!(problems(created(&request)), [(409, "/data/type".to_owned())]);
    let mut request = body(json!({"code": "c"}));
    request["data"]["id"] = "00000000-0000-0000-0000-000000000008".into();
    assert_eq!(problems(accepted(&request)), [(409, "/data/id".to_owned())]);
    request["data"]["id"] = OWN.to_string().into();
    assert_eq!(accepted(&request).as_deref(), Ok("c"));
}

#[test]
fn a_code_is_required_and_not_blank() {
    let at = [(400, "/data/attributes/code".to_owned())];
    for attributes in
        [json!({}), json!({"code": null}), json!({"code": ""}), json!({"code": " \t"}), json!({"code": 1})]
    {
        assert_eq!(problems(accepted(&body(attributes.clone()))), at, "{attributes}");
    }
}

#[test]
fn a_change_has_what_is_sent_and_nothing_else() {
    let changed = |attributes: Value| change(Ok(body(attributes).to_string().as_bytes()), OWN);
    assert_eq!(changed(json!({})), Ok(Change { role: None, updated_in_db_at: None }));
    let role = changed(json!({"invite_user_as": "member"}));
    assert_eq!(role, Ok(Change { role: Some(Role::Member), updated_in_db_at: None }));
    let address = problems(changed(json!({"recipient_email": "a@b.co"})));
    assert_eq!(address, [(400, "/data/attributes/recipient_email".to_owned())]);
    let null = problems(changed(json!({"updated_in_db_at": null})));
    assert_eq!(null, [(422, "/data/attributes/updated_in_db_at".to_owned())]);
}
