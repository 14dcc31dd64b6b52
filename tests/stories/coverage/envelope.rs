//! The envelope dialect's cases. Everything at fault with parameters is 400
//! here, an unknown id and a missing token included.

use super::world::{administrator, post, somebody};
use super::{Case, Cell, Make, Row, half_json};
use crate::support::PASSWORD;
use crate::support::client::base64;
use crate::support::wire::Request;
use serde_json::{Value, json};

const NOBODY: Cell = Cell::Sent(&[Case::Same(400)]);
const OWN_SESSION: &str = "it is about the caller's own session and names nothing else";
const NOTHING: u32 = 987_654_321;

fn call(route: &str, parameters: &Value) -> Request {
    post(&format!("/api/v1/{route}"), parameters)
}

fn sensitive(route: &str, parameters: &Value) -> Request {
    Request::new("POST", &format!("/api/v1/{route}")).body("text/plain", base64(parameters.to_string().as_bytes()))
}

fn as_form(mut request: Request) -> Request {
    request.headers.retain(|(name, _)| name != "Content-Type");
    request.header("Content-Type", "application/x-www-form-urlencoded")
}

/// With one more member.
fn with(request: Request, name: &str, value: &Value) -> Request {
    let mut body: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
    body[name] = value.clone();
    Request { body: Some(body.to_string().into_bytes()), ..request }
}

fn in_default(request: Request) -> Request {
    with(request, "tenant", &json!("default"))
}

fn in_nowhere(request: Request) -> Request {
    with(request, "tenant", &json!("nowhere"))
}

fn with_colour(request: Request) -> Request {
    with(request, "colour", &json!("red"))
}

fn no_base64(request: Request) -> Request {
    Request { body: Some(b"{}".to_vec()), ..request }
}

const MALFORMED: Cell =
    Cell::Sent(&[Case::Altered(400, half_json), Case::Altered(400, as_form), Case::Altered(400, with_colour)]);

/// Of another tenant's it lists nothing.
const fn index(operation: &'static str, make: Make) -> Row {
    Row {
        operation,
        by: administrator,
        happy: (200, make),
        nobody: NOBODY,
        foreign: Cell::Sent(&[Case::Same(200), Case::Altered(400, in_default)]),
        malformed: MALFORMED,
        unknown: Cell::Sent(&[Case::Altered(400, in_nowhere)]),
    }
}

const fn made(operation: &'static str, make: Make) -> Row {
    Row { foreign: Cell::Sent(&[Case::Altered(400, in_default)]), ..index(operation, make) }
}

/// It names something by its id.
const fn named(operation: &'static str, make: Make, nothing: &'static [Case]) -> Row {
    let foreign = Cell::Sent(&[Case::Same(400), Case::Altered(400, in_default)]);
    Row { foreign, unknown: Cell::Sent(nothing), ..index(operation, make) }
}

fn update(id: u64) -> Request {
    call("employees/update", &json!({"id": id, "email": "eve@canary.example", "phone": "1"}))
}

fn log_in(tenant: &str, email: &str) -> Request {
    sensitive("users/login", &json!({"email": email, "password": PASSWORD, "tenant": tenant}))
}

pub const ROWS: &[Row] = &[
    made("POST /api/v1/employees/create", |w| call("employees/create", &json!({"email": w.address()}))),
    index("POST /api/v1/employees/index", |_| call("employees/index", &json!({"page": {"size": 100}}))),
    named(
        "POST /api/v1/employees/read",
        |w| call("employees/read", &json!({"id": w.employee})),
        &[Case::Other(400, |_| call("employees/read", &json!({"id": NOTHING})))],
    ),
    named("POST /api/v1/employees/update", |w| update(w.employee), &[Case::Other(400, |_| update(NOTHING.into()))]),
    made("POST /api/v1/integrations/create", |_| call("integrations/create", &json!({"name": "Canary sync"}))),
    index("POST /api/v1/integrations/index", |_| call("integrations/index", &json!({"page": {"size": 100}}))),
    named(
        "POST /api/v1/integrations/invitation_email",
        |w| call("integrations/invitation_email", &json!({"id": w.integration, "email": w.address()})),
        &[Case::Other(400, |w| call("integrations/invitation_email", &json!({"id": NOTHING, "email": w.address()})))],
    ),
    named(
        "POST /api/v1/integrations/read",
        |w| call("integrations/read", &json!({"id": w.integration})),
        &[Case::Other(400, |_| call("integrations/read", &json!({"id": NOTHING})))],
    ),
    index("POST /api/v1/notifications/index", |_| call("notifications/index", &json!({"page": {"size": 100}}))),
    Row {
        operation: "POST /api/v1/users/client_register",
        by: somebody,
        happy: (200, |_| sensitive("users/client_register", &json!({"company_name": "Canary Corp"}))),
        nobody: NOBODY,
        foreign: Cell::Senseless(OWN_SESSION),
        malformed: Cell::Sent(&[Case::Altered(400, no_base64), Case::Altered(400, as_form)]),
        unknown: Cell::Senseless(OWN_SESSION),
    },
    Row {
        operation: "POST /api/v1/users/login",
        by: administrator,
        happy: (200, |w| log_in("default", &w.ann.email)),
        nobody: Cell::Senseless("logging in is what somebody does who is nobody yet"),
        foreign: Cell::Sent(&[Case::Other(400, |w| log_in("other", &w.ann.email))]),
        malformed: Cell::Sent(&[Case::Altered(400, no_base64), Case::Altered(400, as_form)]),
        unknown: Cell::Sent(&[
            Case::Other(400, |w| log_in("nowhere", &w.ann.email)),
            Case::Other(400, |_| log_in("default", "nobody@canary.example")),
        ]),
    },
    Row {
        operation: "POST /api/v1/users/logout",
        by: super::world::new_session,
        happy: (200, |_| call("users/logout", &json!({}))),
        nobody: Cell::Sent(&[
            Case::Same(400),
            Case::Other(401, |_| call("users/logout", &json!({"token": format!("il_ses_{}", "A".repeat(43))}))),
        ]),
        foreign: Cell::Senseless(OWN_SESSION),
        malformed: Cell::Sent(&[Case::Altered(400, half_json), Case::Altered(400, as_form)]),
        unknown: Cell::Senseless(OWN_SESSION),
    },
];
