//! The JSON:API dialect's cases.

use super::world::{World, administrator, get, somebody};
use super::{Case, Cell, Row, as_a_picture, half_json, odd_query};
use crate::support::wire::Request;
use serde_json::{Value, json};

const NOBODY: Cell = Cell::Sent(&[Case::Same(401)]);
const FOREIGN: Cell = Cell::Sent(&[Case::Same(404)]);
const UNKNOWN: Cell = Cell::Sent(&[Case::UnknownId(404)]);

fn invites(world: &World) -> String {
    format!("/api/v2/organizations/{}/invites", world.organization)
}

fn document(method: &str, target: &str, attributes: &Value) -> Request {
    Request::new(method, target).document(&json!({"data": {"type": "organization_invites", "attributes": attributes}}))
}

/// An organization of nobody's, in place of this one.
fn elsewhere(request: Request) -> Request {
    let parts = request.target.split('/').collect::<Vec<_>>();
    let target = request.target.replace(parts[4], &uuid::Uuid::now_v7().to_string());
    Request { target, ..request }
}

fn no_id(request: Request) -> Request {
    let (before, _) = request.target.rsplit_once("invites/").unwrap();
    let target = format!("{before}invites/not-an-id");
    Request { target, ..request }
}

pub const ROWS: &[Row] = &[
    Row {
        operation: "GET /api/v2/organizations/{organization}/invites",
        by: administrator,
        happy: (200, |w| {
            w.invite();
            get(&invites(w))
        }),
        nobody: NOBODY,
        foreign: FOREIGN,
        malformed: Cell::Sent(&[Case::Altered(400, odd_query), Case::Altered(406, as_a_picture)]),
        unknown: UNKNOWN,
    },
    Row {
        operation: "POST /api/v2/organizations/{organization}/invites",
        by: administrator,
        happy: (201, |w| document("POST", &invites(w), &json!({"recipient_email": w.address()}))),
        nobody: NOBODY,
        foreign: FOREIGN,
        malformed: Cell::Sent(&[
            Case::Altered(400, half_json),
            Case::Other(422, |w| document("POST", &invites(w), &json!({"recipient_email": "nobody"}))),
            Case::Other(409, |w| {
                Request::new("POST", &invites(w)).document(
                    &json!({"data": {"type": "users", "attributes": {"recipient_email": "kim@canary.example"}}}),
                )
            }),
            Case::Other(415, |w| Request::new("POST", &invites(w)).json(&json!({"data": null}))),
        ]),
        unknown: UNKNOWN,
    },
    Row {
        operation: "GET /api/v2/organizations/{organization}/invites/{invite}",
        by: administrator,
        happy: (200, |w| get(&format!("{}/{}", invites(w), w.invite().0))),
        nobody: NOBODY,
        foreign: FOREIGN,
        malformed: Cell::Sent(&[Case::Altered(406, as_a_picture), Case::Altered(404, no_id)]),
        unknown: Cell::Sent(&[Case::Altered(404, elsewhere), Case::UnknownId(404)]),
    },
    Row {
        operation: "PATCH /api/v2/organizations/{organization}/invites/{invite}",
        by: administrator,
        happy: (200, |w| {
            document("PATCH", &format!("{}/{}", invites(w), w.invite().0), &json!({"invite_user_as": "admin"}))
        }),
        nobody: NOBODY,
        foreign: FOREIGN,
        malformed: Cell::Sent(&[
            Case::Altered(400, half_json),
            Case::Altered(404, no_id),
            Case::Other(422, |w| {
                document("PATCH", &format!("{}/{}", invites(w), w.invite().0), &json!({"invite_user_as": "owner"}))
            }),
        ]),
        unknown: Cell::Sent(&[Case::Altered(404, elsewhere), Case::UnknownId(404)]),
    },
    Row {
        operation: "DELETE /api/v2/organizations/{organization}/invites/{invite}",
        by: administrator,
        happy: (204, |w| Request::new("DELETE", &format!("{}/{}", invites(w), w.invite().0))),
        nobody: NOBODY,
        foreign: FOREIGN,
        malformed: Cell::Sent(&[Case::Altered(406, as_a_picture), Case::Altered(404, no_id)]),
        unknown: Cell::Sent(&[Case::Altered(404, elsewhere), Case::UnknownId(404)]),
    },
    Row {
        operation: "PUT /api/v2/organizations/{organization}/invites/{invite}/accept",
        by: somebody,
        happy: (200, |w| {
            let (invite, code) = w.invite();
            document("PUT", &format!("{}/{invite}/accept", invites(w)), &json!({"code": code}))
        }),
        nobody: NOBODY,
        foreign: FOREIGN,
        malformed: Cell::Sent(&[
            Case::Altered(400, half_json),
            Case::Other(400, |w| {
                document("PUT", &format!("{}/{}/accept", invites(w), w.invite().0), &json!({"code": " "}))
            }),
        ]),
        unknown: Cell::Sent(&[Case::Altered(404, elsewhere), Case::UnknownId(404)]),
    },
];
