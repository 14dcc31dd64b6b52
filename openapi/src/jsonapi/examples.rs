//! The document's examples: those of the organization invites document, with
//! what is ours beside them.

use super::negotiate;
use super::problem::{At, Problem, Refused};
use super::refusal::{self, About};
use crate::spec::{Place, Source};
use crate::wire::BodyFault;
use domain::invitation::State;
use domain::{Refusal, Unavailable, What};
use identity::TooMany;
use serde_json::{Value, json};
use uuid::Uuid;

const CODE: &str = "d3f616aba20e79561a136ec5456d65adbc4054b5ebd075a6696f8ee334ddfd3c";
const INVITE: &str = "570bd313-3776-441c-921f-f2d6cee5de05";
const INVITE_ID: Uuid = Uuid::from_u128(0x570b_d313_3776_441c_921f_f2d6_cee5_de05);

pub(super) fn added(source: Source) -> Source {
    let one = json!({"data": invite("pending")});
    let source = OPERATIONS.into_iter().fold(source, |source, operation| {
        refusals(operation).into_iter().fold(source, |source, refused| {
            source.example(operation, Place::Response(refused.status().as_u16()), refused.document())
        })
    });
    source
        .example("listInvites", Place::Response(200), list())
        .example("createInvite", Place::Request, create())
        .example("createInvite", Place::Response(201), one.clone())
        .example("getInvite", Place::Response(200), one.clone())
        .example("updateInvite", Place::Request, request(json!({"invite_user_as": "admin"})))
        .example("updateInvite", Place::Response(200), one)
        .example("acceptInvite", Place::Request, request(json!({"code": CODE})))
        .example("acceptInvite", Place::Response(200), json!({"data": invite("accepted")}))
}

const OPERATIONS: [&str; 6] =
    ["listInvites", "createInvite", "getInvite", "updateInvite", "deleteInvite", "acceptInvite"];

/// One of each status that an operation may be refused with; a status that it does not declare is not shown.
fn refusals(operation: &str) -> Vec<Refused> {
    let about = if operation == "acceptInvite" { About::Accepting } else { About::Inviting };
    let no = |refusal| refusal::refused(refusal, about);
    let malformed = match operation {
        "listInvites" => {
            Problem::malformed("invalid-parameter", "must be 1 to 100", At::Parameter("page[size]".to_owned())).into()
        }
        "createInvite" => {
            Problem::malformed("missing-attribute", "is required", At::attribute("recipient_email")).into()
        }
        "updateInvite" => {
            Problem::malformed("malformed-attribute", "must be a text", At::attribute("invite_user_as")).into()
        }
        "acceptInvite" => no(Refusal::WrongCode),
        _ => refusal::bad_tenant(),
    };
    let conflict = match operation {
        "createInvite" => no(Refusal::AlreadyPending { invitation: INVITE_ID }),
        "acceptInvite" => no(Refusal::AlreadyMember),
        _ => no(Refusal::NotPending(State::Accepted)),
    };
    vec![
        malformed,
        refusal::unknown_token(),
        no(if operation == "acceptInvite" { Refusal::UsersOnly } else { Refusal::NotPermitted }),
        refusal::not_found(What::Invitation),
        negotiate::not_acceptable().into(),
        refusal::body(BodyFault::TimedOut).into(),
        conflict,
        refusal::refused(Refusal::NotPending(State::Cancelled), About::Accepting),
        refusal::body(BodyFault::TooLarge).into(),
        negotiate::not_jsonapi().into(),
        Problem::impossible("must be admin or member", At::attribute("invite_user_as")).into(),
        no(Refusal::Locked),
        refusal::too_many(TooMany { retry_after_s: 17 }),
        refusal::crashed(),
        refusal::unavailable(Unavailable::Busy { retry_after_s: 1 }),
    ]
}

fn request(attributes: Value) -> Value {
    json!({"data": {"type": "organization_invites", "attributes": attributes}})
}

fn create() -> Value {
    request(json!({
        "invite_user_as": "admin",
        "recipient_email": "4oswaldo@steuber-greenfelder.info",
        "updated_in_db_at": "2021-11-23 14:38:02 UTC",
    }))
}

fn invite(state: &str) -> Value {
    let accepted = state == "accepted";
    let user = |id: &str| json!({"data": {"id": id, "type": "users"}});
    let nobody = json!({"data": null});
    json!({
        "id": INVITE,
        "type": "organization_invites",
        "attributes": {
            "accepted_at": accepted.then_some("2021-11-23T14:38:02Z"),
            "code": CODE,
            "created_at": "2021-11-23T14:38:02Z",
            "invite_user_as": "admin",
            "recipient_email": "4oswaldo@steuber-greenfelder.info",
            "updated_at": "2021-11-23T14:38:02Z",
            "updated_in_db_at": "2021-11-23T14:38:02Z",
            "state": state,
            "expires_at": "2021-11-30T14:38:02Z",
            "email_status": "sent",
        },
        "relationships": {
            "accepted_by_user": if accepted { user("5ddd7530-79c6-41c1-8bbc-014bb48d0e0e") } else { nobody.clone() },
            "cancelled_by_user": nobody,
            "invited_by_user": user("a7875287-825a-48ad-8e87-c2df568b374b"),
        },
    })
}

fn list() -> Value {
    json!({
        "data": [invite("pending")],
        "meta": {
            "pagination": {"page": 1, "per_page": 25, "total_count": 1, "total_pages": 1},
            "sort": null,
            "filter": {},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonapi::documents::{
        AcceptDocument, CreateDocument, ErrorDocument, InviteDocument, InviteListDocument, UpdateDocument,
    };
    use poem_openapi::types::{ParseFromJSON, ToJSON};

    fn round<T: ParseFromJSON + ToJSON>(value: &Value) -> Value {
        let read = T::parse_from_json(Some(value.clone()));
        read.unwrap_or_else(|error| panic!("{}: {value}", error.into_message())).to_json().unwrap()
    }

    #[test]
    fn examples_of_answers_are_what_their_schemas_write() {
        for state in ["pending", "accepted"] {
            let document = json!({"data": invite(state)});
            assert_eq!(round::<InviteDocument>(&document), document);
        }
        assert_eq!(round::<InviteListDocument>(&list()), list());
        for refused in OPERATIONS.into_iter().flat_map(refusals) {
            let errors = refused.document();
            assert_eq!(round::<ErrorDocument>(&errors), errors);
        }
    }

    #[test]
    fn examples_of_requests_fit_their_schemas() {
        round::<CreateDocument>(&create());
        round::<UpdateDocument>(&request(json!({"invite_user_as": "admin"})));
        round::<AcceptDocument>(&request(json!({"code": CODE})));
    }

    #[test]
    fn examples_of_requests_are_taken() {
        let id = uuid::Uuid::nil();
        assert!(super::super::decode::create(Ok(create().to_string().as_bytes())).is_ok());
        let accept = request(json!({"code": CODE})).to_string();
        assert_eq!(super::super::decode::code(Ok(accept.as_bytes()), id).as_deref(), Ok(CODE));
    }
}
