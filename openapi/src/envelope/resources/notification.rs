use super::integer;
use crate::wire::Time;
use poem_openapi::Object;
use projections::NotificationRow;

/// A mail that could not be sent, told to operators.
#[derive(Clone, Debug, PartialEq, Object)]
#[oai(rename = "Notification")]
pub(in crate::envelope) struct Notification {
    pub id: i64,
    /// `invitation_email_failed`, `employee_email_failed` or `account_notice_failed`.
    pub kind: String,
    #[oai(nullable)]
    pub invitation_id: Option<String>,
    /// Why, out of a closed list.
    pub reason: String,
    pub created_at: Time,
}

impl From<&NotificationRow> for Notification {
    fn from(row: &NotificationRow) -> Self {
        Self {
            id: integer(row.id),
            kind: row.kind.clone(),
            invitation_id: row.invitation.map(|id| id.to_string()),
            reason: row.reason.name().to_owned(),
            created_at: row.created_at.into(),
        }
    }
}
