use super::integer;
use crate::wire::Time;
use domain::Actor;
use poem_openapi::Object;
use projections::InvitationRow;

/// An invitation.
#[derive(Clone, Debug, PartialEq, Object)]
#[oai(rename = "Invitation")]
pub(in crate::envelope) struct Invitation {
    pub id: String,
    /// `integration`, `organization` or `platform`.
    pub kind: String,
    pub target: Target,
    /// Null once the person is forgotten.
    #[oai(nullable)]
    pub email: Option<String>,
    /// `pending`, `accepted`, `declined`, `cancelled` or `expired`.
    pub state: String,
    /// `queued`, `sent`, `failed` or `unknown`.
    pub email_status: String,
    pub invited_by: Option<Inviter>,
    pub created_at: Time,
    pub updated_at: Time,
    pub expires_at: Time,
    #[oai(nullable)]
    pub accepted_at: Option<Time>,
    #[oai(nullable)]
    pub message: Option<String>,
}

/// What the invitation is to.
#[derive(Clone, Debug, PartialEq, Object)]
#[oai(rename = "InvitationTarget")]
pub(in crate::envelope) struct Target {
    /// The integration's public integer.
    pub id: i64,
    pub name: String,
}

/// Who invited.
#[derive(Clone, Debug, PartialEq, Object)]
#[oai(rename = "InvitationInviter")]
pub(in crate::envelope) struct Inviter {
    pub id: String,
    /// `user` or `application`.
    pub kind: String,
}

impl Invitation {
    /// `row` is of an invitation to `integration`, the only kind this dialect makes.
    pub fn of(row: &InvitationRow, integration: &domain::integration::Integration) -> Self {
        Self {
            id: row.public_id.to_string(),
            kind: row.kind.name().to_owned(),
            target: Target { id: integer(integration.number), name: integration.name.clone() },
            email: row.email.as_ref().map(|e| e.as_str().to_owned()),
            state: row.state.name().to_owned(),
            email_status: row.email_status.name().to_owned(),
            invited_by: inviter(row.invited_by),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            expires_at: row.expires_at.into(),
            accepted_at: row.accepted_at.map(Time::from),
            message: row.message.clone(),
        }
    }
}

/// The deployment's own principal and the system have no id, and stand as null.
fn inviter(actor: Actor) -> Option<Inviter> {
    let inviter = |id: uuid::Uuid, kind: &str| Some(Inviter { id: id.to_string(), kind: kind.to_owned() });
    match actor {
        Actor::User(id) => inviter(id, "user"),
        Actor::Application(id) => inviter(id, "application"),
        Actor::Deployment | Actor::System | Actor::Visitor => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;
    use domain::{Address, mail};
    use poem_openapi::types::ToJSON;
    use serde_json::json;
    use uuid::Uuid;

    fn encoded(invited_by: Actor) -> serde_json::Value {
        let id = Uuid::from_u128(5);
        let invitation = domain::invitation::Invitation {
            id,
            public_id: id,
            version: 2,
            kind: domain::invitation::Kind::Integration,
            invited_by,
            email: Address::parse("jane@acme.com").ok(),
            email_status: mail::Status::Sent,
            created_at: Timestamp::from_seconds(1_637_678_283),
            updated_at: Timestamp::from_seconds(1_637_678_283),
            expires_at: Timestamp::from_seconds(1_638_283_083),
            ..Default::default()
        };
        let integration =
            domain::integration::Integration { number: 3, name: "Payroll".into(), version: 1, ..Default::default() };
        Invitation::of(&InvitationRow::from(&invitation), &integration).to_json().unwrap()
    }

    #[test]
    fn an_invitation_shows_its_integration_and_its_mail() {
        assert_eq!(
            encoded(Actor::User(Uuid::from_u128(1))),
            json!({
                "id": "00000000-0000-0000-0000-000000000005",
                "kind": "integration",
                "target": {"id": 3, "name": "Payroll"},
                "email": "jane@acme.com",
                "state": "pending",
                "email_status": "sent",
                "invited_by": {"id": "00000000-0000-0000-0000-000000000001", "kind": "user"},
                "created_at": "2021-11-23T14:38:03Z",
                "updated_at": "2021-11-23T14:38:03Z",
                "expires_at": "2021-11-30T14:38:03Z",
                "accepted_at": null,
                "message": null,
            })
        );
    }

    #[test]
    fn inviters_without_an_id_are_null() {
        assert_eq!(encoded(Actor::Deployment)["invited_by"], json!(null));
        let id = Uuid::from_u128(2);
        assert_eq!(encoded(Actor::Application(id))["invited_by"], json!({"id": id.to_string(), "kind": "application"}));
    }
}
