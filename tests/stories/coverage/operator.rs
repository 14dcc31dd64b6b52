//! The operator dialect's cases. What is not said otherwise: the deployment's
//! principal calls, and permission comes before parameters.

use super::world::{World, deployment, get, post};
use super::{Case, Cell, Make, Row, half_json, odd_query, with_query};
use crate::support::wire::Request;
use serde_json::{Value, json};

const NO_ID: &str = "it is about the whole ledger and names nothing";

fn in_default(request: Request) -> Request {
    with_query(request, "tenant=default")
}

fn in_nowhere(request: Request) -> Request {
    with_query(request, "tenant=nowhere")
}

fn page_zero(request: Request) -> Request {
    with_query(request, "page=0")
}

const NOBODY: Cell = Cell::Sent(&[Case::Same(401)]);

/// A list: of another tenant it is empty, and asking for this one is asking for none.
const fn list(operation: &'static str, make: Make) -> Row {
    Row {
        operation,
        by: deployment,
        happy: (200, make),
        nobody: NOBODY,
        foreign: Cell::Sent(&[Case::Same(200), Case::Altered(404, in_default)]),
        malformed: Cell::Sent(&[Case::Altered(400, odd_query)]),
        unknown: Cell::Sent(&[Case::Altered(404, in_nowhere)]),
    }
}

/// A list by pages.
const fn pages(operation: &'static str, make: Make) -> Row {
    let malformed = Cell::Sent(&[Case::Altered(400, odd_query), Case::Altered(400, page_zero)]);
    Row { malformed, ..list(operation, make) }
}

/// One thing is shown.
const fn show(operation: &'static str, make: Make) -> Row {
    Row {
        operation,
        by: deployment,
        happy: (200, make),
        nobody: NOBODY,
        foreign: Cell::Sent(&[Case::Same(404), Case::Altered(404, in_default)]),
        malformed: Cell::Sent(&[Case::Altered(400, odd_query)]),
        unknown: Cell::Sent(&[Case::UnknownId(404), Case::Altered(404, in_nowhere)]),
    }
}

/// Something is made out of a body.
const fn made(operation: &'static str, make: Make) -> Row {
    Row {
        operation,
        by: deployment,
        happy: (201, make),
        nobody: NOBODY,
        foreign: Cell::Sent(&[Case::Altered(404, in_default)]),
        malformed: Cell::Sent(&[Case::Altered(400, half_json), Case::Altered(400, odd_query)]),
        unknown: Cell::Sent(&[Case::Altered(404, in_nowhere)]),
    }
}

/// One thing is changed by a body.
const fn change(operation: &'static str, make: Make) -> Row {
    let malformed = Cell::Sent(&[Case::Altered(400, half_json), Case::Altered(400, odd_query)]);
    Row { malformed, ..show(operation, make) }
}

/// For the deployment's principal alone, about everything.
const fn whole(operation: &'static str, status: u16, make: Make) -> Row {
    Row {
        operation,
        by: deployment,
        happy: (status, make),
        nobody: NOBODY,
        foreign: Cell::Sent(&[Case::Same(403)]),
        malformed: Cell::Sent(&[Case::Altered(400, odd_query)]),
        unknown: Cell::Senseless(NO_ID),
    }
}

/// The same with a body.
const fn whole_by_body(operation: &'static str, status: u16, make: Make) -> Row {
    let malformed = Cell::Sent(&[Case::Altered(400, half_json), Case::Altered(400, odd_query)]);
    Row { malformed, ..whole(operation, status, make) }
}

fn empty_post(target: &str) -> Request {
    Request::new("POST", target)
}

fn patch(target: &str, body: &Value) -> Request {
    Request::new("PATCH", target).json(body)
}

fn membership(world: &World, user: uuid::Uuid) -> String {
    format!("/api/ledger/organizations/{}/members/{user}", world.organization)
}

/// An organization of nobody's, in place of this one.
fn elsewhere(request: Request) -> Request {
    let parts = request.target.split('/').collect::<Vec<_>>();
    let target = request.target.replace(parts[4], &uuid::Uuid::now_v7().to_string());
    Request { target, ..request }
}

const MEMBER_OF_NOTHING: Cell =
    Cell::Sent(&[Case::Altered(404, elsewhere), Case::UnknownId(404), Case::Altered(404, in_nowhere)]);

fn backup_folder(world: &World) -> String {
    let beside = world.house.data().parent().unwrap().join(format!("copy-{}", world.next()));
    beside.display().to_string()
}

/// Tenants, and what lives in them.
pub const DIRECTORY: &[Row] = &[
    pages("GET /api/ledger/applications", |w| {
        w.application();
        get("/api/ledger/applications")
    }),
    made("POST /api/ledger/applications", |_| {
        post("/api/ledger/applications", &json!({"name": "Canary shop", "scopes": ["invites"]}))
    }),
    show("GET /api/ledger/applications/{id}", |w| get(&format!("/api/ledger/applications/{}", w.application()))),
    change("PATCH /api/ledger/applications/{id}", |w| {
        patch(&format!("/api/ledger/applications/{}", w.application()), &json!({"scopes": ["users"]}))
    }),
    show("POST /api/ledger/applications/{id}/revoke", |w| {
        empty_post(&format!("/api/ledger/applications/{}/revoke", w.application()))
    }),
    pages("GET /api/ledger/employees", |_| get("/api/ledger/employees")),
    made("POST /api/ledger/employees", |w| post("/api/ledger/employees", &json!({"email": w.address()}))),
    show("GET /api/ledger/employees/{id}", |w| get(&format!("/api/ledger/employees/{}", w.employee))),
    change("PATCH /api/ledger/employees/{id}", |w| {
        patch(&format!("/api/ledger/employees/{}", w.employee), &json!({"phone": "1"}))
    }),
    pages("GET /api/ledger/integrations", |_| get("/api/ledger/integrations")),
    made("POST /api/ledger/integrations", |_| post("/api/ledger/integrations", &json!({"name": "Canary sync"}))),
    show("GET /api/ledger/integrations/{id}", |w| get(&format!("/api/ledger/integrations/{}", w.integration))),
    change("PATCH /api/ledger/integrations/{id}", |w| {
        patch(&format!("/api/ledger/integrations/{}", w.integration), &json!({"name": "Canary sync"}))
    }),
    pages("GET /api/ledger/organizations", |_| get("/api/ledger/organizations")),
    made("POST /api/ledger/organizations", |_| post("/api/ledger/organizations", &json!({"name": "Canary Tiles"}))),
    show("GET /api/ledger/organizations/{id}", |w| get(&format!("/api/ledger/organizations/{}", w.organization))),
    change("PATCH /api/ledger/organizations/{id}", |w| {
        patch(&format!("/api/ledger/organizations/{}", w.organization), &json!({"name": "Canary Roofing"}))
    }),
    show("GET /api/ledger/organizations/{id}/members", |w| {
        get(&format!("/api/ledger/organizations/{}/members", w.organization))
    }),
    Row {
        unknown: MEMBER_OF_NOTHING,
        ..change("PUT /api/ledger/organizations/{id}/members/{user}", |w| {
            Request::new("PUT", &membership(w, w.user().id)).json(&json!({"role": "member"}))
        })
    },
    Row {
        unknown: MEMBER_OF_NOTHING,
        ..show("DELETE /api/ledger/organizations/{id}/members/{user}", |w| {
            Request::new("DELETE", &membership(w, w.member().id))
        })
    },
    list("GET /api/ledger/settings", |_| get("/api/ledger/settings")),
    Row {
        happy: (200, |_| patch("/api/ledger/settings", &json!({"valid_days": 9}))),
        ..made("PATCH /api/ledger/settings", |_| get("/"))
    },
    Row {
        malformed: Cell::Sent(&[Case::Altered(400, odd_query), Case::Altered(400, page_zero)]),
        ..whole("GET /api/ledger/tenants", 200, |_| get("/api/ledger/tenants"))
    },
    whole_by_body("POST /api/ledger/tenants", 201, |w| {
        post("/api/ledger/tenants", &json!({"name": format!("canary-{}", w.next())}))
    }),
    Row {
        foreign: Cell::Sent(&[Case::Same(404)]),
        unknown: Cell::Sent(&[Case::UnknownId(404)]),
        ..show("GET /api/ledger/tenants/{name}", |_| get("/api/ledger/tenants/default"))
    },
    pages("GET /api/ledger/users", |_| get("/api/ledger/users")),
    made("POST /api/ledger/users", |w| post("/api/ledger/users", &json!({"email": w.address()}))),
    show("GET /api/ledger/users/{id}", |w| get(&format!("/api/ledger/users/{}", w.ann.id))),
    change("PATCH /api/ledger/users/{id}", |w| {
        patch(&format!("/api/ledger/users/{}", w.ann.id), &json!({"name": "Canary Ann"}))
    }),
];

/// Invitations, mails, the log, upkeep.
pub const LEDGER: &[Row] = &[
    pages("GET /api/ledger/invitations", |w| {
        w.invite();
        get("/api/ledger/invitations")
    }),
    Row {
        unknown: Cell::Sent(&[
            Case::Other(404, |w| {
                let nowhere = uuid::Uuid::now_v7();
                let asked = json!({"kind": "organization", "organization": nowhere, "email": w.address()});
                post("/api/ledger/invitations", &asked)
            }),
            Case::Altered(404, in_nowhere),
        ]),
        foreign: Cell::Sent(&[Case::Same(404), Case::Altered(404, in_default)]),
        ..made("POST /api/ledger/invitations", |w| {
            let asked = json!({"kind": "organization", "organization": w.organization, "email": w.address()});
            post("/api/ledger/invitations", &asked)
        })
    },
    show("GET /api/ledger/invitations/{id}", |w| get(&format!("/api/ledger/invitations/{}", w.invite().0))),
    show("POST /api/ledger/invitations/{id}/cancel", |w| {
        empty_post(&format!("/api/ledger/invitations/{}/cancel", w.invite().0))
    }),
    show("GET /api/ledger/invitations/{id}/events", |w| {
        get(&format!("/api/ledger/invitations/{}/events", w.invite().0))
    }),
    show("POST /api/ledger/invitations/{id}/resend", |w| {
        empty_post(&format!("/api/ledger/invitations/{}/resend", w.invite_of_a_while_ago()))
    }),
    list("GET /api/ledger/log", |_| get("/api/ledger/log?personal=true")),
    list("GET /api/ledger/log/export", |_| get("/api/ledger/log/export?personal=true")),
    Row {
        // Numbers are the caller's own: the first event there is of every tenant.
        foreign: Cell::Sent(&[Case::Same(200)]),
        ..show("GET /api/ledger/log/{position}", |_| get("/api/ledger/log/1"))
    },
    list("GET /api/ledger/outbox", |w| {
        w.waiting_mail();
        get("/api/ledger/outbox")
    }),
    show("POST /api/ledger/outbox/{id}/abandon", |w| {
        empty_post(&format!("/api/ledger/outbox/{}/abandon", w.waiting_mail()))
    }),
    show("POST /api/ledger/outbox/{id}/retry", |w| {
        empty_post(&format!("/api/ledger/outbox/{}/retry", w.waiting_mail()))
    }),
    whole_by_body("POST /api/ledger/backup", 200, |w| post("/api/ledger/backup", &json!({"folder": backup_folder(w)}))),
    whole("GET /api/ledger/doctor", 200, |_| get("/api/ledger/doctor")),
    whole("GET /api/ledger/rebuild", 200, |w| {
        w.rebuilt();
        get("/api/ledger/rebuild")
    }),
    Row {
        unknown: Cell::Sent(&[Case::Other(404, |w| {
            w.rebuilt();
            post("/api/ledger/rebuild", &json!({"view": "nothing"}))
        })]),
        ..whole_by_body("POST /api/ledger/rebuild", 202, |w| {
            w.rebuilt();
            post("/api/ledger/rebuild", &json!({}))
        })
    },
    whole("GET /api/ledger/status", 200, |_| get("/api/ledger/status")),
];
