//! From a row to a resource.

use super::TYPE;
use super::documents::{
    Attributes, Invite, InviteDocument, InviteType, Relationships, ToUser, UserIdentifier, UserType,
};
use crate::wire::{EmailText, json_response};
use domain::{Actor, Timestamp};
use poem::Response;
use poem::http::StatusCode;
use projections::InvitationRow;
use serde::Serialize;
use uuid::Uuid;

/// The resource as it stands at `now`, with the `code` the reader may see.
pub(super) fn invite(row: &InvitationRow, code: Option<String>, now: Timestamp) -> Invite {
    Invite {
        id: row.public_id,
        kind: InviteType::OrganizationInvites,
        attributes: Attributes {
            accepted_at: row.accepted_at.map(Into::into),
            code,
            created_at: row.created_at.into(),
            invite_user_as: row.role.into(),
            recipient_email: row.email.as_ref().map(|email| EmailText(email.as_str().to_owned())),
            updated_at: row.updated_at.into(),
            updated_in_db_at: row.updated_in_db_at.unwrap_or(row.created_at).into(),
            state: row.state_at(now).into(),
            expires_at: row.expires_at.into(),
            email_status: row.email_status.into(),
        },
        relationships: Relationships {
            accepted_by_user: user(row.accepted_by),
            cancelled_by_user: user(row.cancelled_by.and_then(person)),
            invited_by_user: user(person(row.invited_by)),
        },
    }
}

fn person(actor: Actor) -> Option<Uuid> {
    match actor {
        Actor::User(id) => Some(id),
        Actor::Application(_) | Actor::Deployment | Actor::System | Actor::Visitor => None,
    }
}

fn user(id: Option<Uuid>) -> ToUser {
    ToUser { data: id.map(|id| UserIdentifier { id, kind: UserType::Users }) }
}

pub(super) fn document(status: StatusCode, invite: Invite) -> Response {
    respond(status, &InviteDocument { data: invite })
}

pub(super) fn respond(status: StatusCode, document: &impl Serialize) -> Response {
    json_response(status, TYPE, document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::invitation::{Kind, Role, State};
    use domain::{Address, TenantName, mail};
    use poem_openapi::types::ToJSON;
    use serde_json::json;

    pub(in crate::jsonapi) fn row() -> InvitationRow {
        let at = Timestamp::parse("2021-11-23T14:38:02Z").unwrap();
        InvitationRow {
            tenant: TenantName::default_tenant(),
            id: Uuid::from_u128(1),
            public_id: Uuid::from_u128(2),
            kind: Kind::Organization,
            target: Uuid::from_u128(3),
            target_name: None,
            role: Role::Admin,
            email: Some(Address::parse("4oswaldo@steuber-greenfelder.info").unwrap()),
            message: None,
            state: State::Pending,
            email_status: mail::Status::Queued,
            invited_by: Actor::User(Uuid::from_u128(4)),
            accepted_by: None,
            cancelled_by: None,
            generation: 1,
            link: Uuid::from_u128(5),
            created_at: at,
            updated_at: at,
            expires_at: at.plus(std::time::Duration::from_secs(7 * 24 * 60 * 60)),
            accepted_at: None,
            updated_in_db_at: None,
            position: 1,
        }
    }

    /// What is on the wire, which must be what is documented.
    fn written(invite: &Invite) -> serde_json::Value {
        let written = serde_json::to_value(invite).unwrap();
        assert_eq!(Some(&written), invite.to_json().as_ref());
        written
    }

    fn shown(row: &InvitationRow, code: Option<&str>) -> serde_json::Value {
        written(&invite(row, code.map(ToOwned::to_owned), row.created_at))
    }

    #[test]
    fn a_fresh_invite_is_the_documents_resource() {
        let mut row = row();
        row.updated_in_db_at = Some(row.created_at);
        assert_eq!(
            shown(&row, Some("d3f6")),
            json!({
                "id": "00000000-0000-0000-0000-000000000002",
                "type": "organization_invites",
                "attributes": {
                    "accepted_at": null,
                    "code": "d3f6",
                    "created_at": "2021-11-23T14:38:02Z",
                    "invite_user_as": "admin",
                    "recipient_email": "4oswaldo@steuber-greenfelder.info",
                    "updated_at": "2021-11-23T14:38:02Z",
                    "updated_in_db_at": "2021-11-23T14:38:02Z",
                    "state": "pending",
                    "expires_at": "2021-11-30T14:38:02Z",
                    "email_status": "queued",
                },
                "relationships": {
                    "accepted_by_user": {"data": null},
                    "cancelled_by_user": {"data": null},
                    "invited_by_user": {"data": {"id": "00000000-0000-0000-0000-000000000004", "type": "users"}},
                },
            })
        );
    }

    #[test]
    fn who_may_not_invite_sees_no_code_and_applications_are_no_users() {
        let mut row = row();
        row.invited_by = Actor::Application(Uuid::from_u128(9));
        row.cancelled_by = Some(Actor::Deployment);
        let shown = shown(&row, None);
        assert_eq!(shown["attributes"].get("code"), None);
        assert_eq!(shown["relationships"]["invited_by_user"], json!({"data": null}));
        assert_eq!(shown["relationships"]["cancelled_by_user"], json!({"data": null}));
        assert_eq!(shown["attributes"]["updated_in_db_at"], shown["attributes"]["created_at"]);
    }

    #[test]
    fn the_state_is_by_the_clock_and_a_forgotten_person_has_no_address() {
        let mut row = row();
        row.email = None;
        let shown = written(&invite(&row, None, row.expires_at));
        assert_eq!(shown["attributes"]["state"], "expired");
        assert_eq!(shown["attributes"]["recipient_email"], serde_json::Value::Null);
    }
}
