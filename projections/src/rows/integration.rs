use domain::integration::Integration;
use domain::{Actor, Timestamp, mail};
use uuid::Uuid;

/// An integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationRow {
    pub id: Uuid,
    /// The public integer.
    pub number: u64,
    pub name: String,
    pub description: Option<String>,
    pub created_by: Actor,
    pub created_at: Timestamp,
}

impl From<&Integration> for IntegrationRow {
    fn from(integration: &Integration) -> Self {
        Self {
            id: integration.id,
            number: integration.number,
            name: integration.name.clone(),
            description: integration.description.clone(),
            created_by: integration.created_by,
            created_at: integration.created_at,
        }
    }
}

/// Something operators should know: a mail that was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationRow {
    /// The position of the event in the log.
    pub id: u64,
    /// `invitation_email_failed`, `employee_email_failed` or `account_notice_failed`.
    pub kind: String,
    /// The aggregate's id, where the mail was an invitation's.
    pub invitation: Option<Uuid>,
    pub reason: mail::Reason,
    pub created_at: Timestamp,
}
