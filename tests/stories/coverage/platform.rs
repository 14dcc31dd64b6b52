//! The platform dialect's cases.

use super::world::{World, administrator, get, new_session, post};
use super::{Case, Cell, Row, as_a_picture, half_json};
use crate::support::PASSWORD;
use crate::support::wire::Request;
use serde_json::{Value, json};

const NOBODY: Cell = Cell::Sent(&[Case::Same(401)]);
const FOREIGN: Cell = Cell::Sent(&[Case::Same(404)]);
const UNKNOWN: Cell = Cell::Sent(&[Case::UnknownId(404)]);
const OWN_SESSION: &str = "it is about the caller's own session and names nothing else";

fn put(target: &str, body: &Value) -> Request {
    Request::new("PUT", target).json(body)
}

fn log_in(world: &World, tenant: &str, password: &str) -> Request {
    post("/api/login", &json!({"email": world.ann.email, "password": password, "tenant": tenant}))
}

/// Settings are shown in the business of the caller alone.
const fn shown(operation: &'static str, make: super::Make) -> Row {
    Row {
        operation,
        by: administrator,
        happy: (200, make),
        nobody: NOBODY,
        foreign: FOREIGN,
        malformed: Cell::Sent(&[Case::Altered(406, as_a_picture)]),
        unknown: UNKNOWN,
    }
}

const fn changed(operation: &'static str, make: super::Make) -> Row {
    let malformed = Cell::Sent(&[Case::Altered(400, half_json), Case::Altered(406, as_a_picture)]);
    Row { malformed, ..shown(operation, make) }
}

pub const ROWS: &[Row] = &[
    shown("GET /api/businesses/{BusinessID}/securitysettings", |_| get("/api/businesses/default/securitysettings")),
    changed("PUT /api/businesses/{BusinessID}/securitysettings", |_| {
        let asked = json!({"WriteRequestCSRFSupport": "com.soa.feature.enabled"});
        put("/api/businesses/default/securitysettings", &asked)
    }),
    Row {
        malformed: Cell::Sent(&[
            Case::Altered(406, as_a_picture),
            Case::Other(400, |_| get("/api/businesses/default/settings?IncludeUserSettings=perhaps")),
        ]),
        ..shown("GET /api/businesses/{BusinessID}/settings", |_| {
            get("/api/businesses/default/settings?IncludeUserSettings=true")
        })
    },
    shown("GET /api/businesses/{BusinessID}/usersettings", |_| {
        get("/api/businesses/tenantbusiness.default/usersettings")
    }),
    changed("PUT /api/businesses/{BusinessID}/usersettings", |_| {
        put("/api/businesses/default/usersettings", &json!({"InvitedUserValidDays": 9}))
    }),
    Row {
        operation: "POST /api/login",
        by: administrator,
        happy: (200, |w| log_in(w, "default", PASSWORD)),
        nobody: Cell::Senseless("logging in is what somebody does who is nobody yet"),
        foreign: Cell::Sent(&[Case::Other(401, |w| log_in(w, "other", PASSWORD))]),
        malformed: Cell::Sent(&[Case::Altered(400, half_json), Case::Altered(406, as_a_picture)]),
        unknown: Cell::Sent(&[
            Case::Other(401, |w| log_in(w, "nowhere", PASSWORD)),
            Case::Other(401, |_| post("/api/login", &json!({"email": "nobody@canary.example", "password": PASSWORD}))),
        ]),
    },
    Row {
        operation: "POST /api/login/renewToken",
        by: new_session,
        happy: (200, |_| Request::new("POST", "/api/login/renewToken")),
        nobody: NOBODY,
        foreign: Cell::Senseless(OWN_SESSION),
        malformed: Cell::Sent(&[Case::Altered(406, as_a_picture)]),
        unknown: Cell::Senseless(OWN_SESSION),
    },
    Row {
        operation: "POST /api/logout",
        by: new_session,
        happy: (200, |_| Request::new("POST", "/api/logout")),
        nobody: NOBODY,
        foreign: Cell::Senseless(OWN_SESSION),
        malformed: Cell::Sent(&[Case::Altered(406, as_a_picture)]),
        unknown: Cell::Senseless(OWN_SESSION),
    },
    Row {
        operation: "POST /api/users/invitations",
        by: administrator,
        happy: (200, |w| post("/api/users/invitations", &json!({"EmailAddresses": [w.address()]}))),
        nobody: NOBODY,
        foreign: Cell::Sent(&[Case::Other(404, |_| {
            post("/api/users/invitations?tenant=default", &json!({"EmailAddresses": ["kim@other.example"]}))
        })]),
        malformed: Cell::Sent(&[
            Case::Altered(400, half_json),
            Case::Other(400, |_| post("/api/users/invitations", &json!({"EmailAddresses": ["nobody"]}))),
        ]),
        unknown: Cell::Senseless("it names addresses, and none of them has to be known"),
    },
];
