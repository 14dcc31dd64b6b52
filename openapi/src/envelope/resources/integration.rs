use super::integer;
use crate::wire::Time;
use poem_openapi::Object;
use projections::IntegrationRow;

/// What invitations of this dialect are sent for.
#[derive(Clone, Debug, PartialEq, Object)]
#[oai(rename = "Integration")]
pub(in crate::envelope) struct Integration {
    /// Ascending in a tenant, with gaps, never used again.
    pub id: i64,
    pub name: String,
    #[oai(nullable)]
    pub description: Option<String>,
    pub created_at: Time,
}

impl From<&IntegrationRow> for Integration {
    fn from(row: &IntegrationRow) -> Self {
        Self {
            id: integer(row.number),
            name: row.name.clone(),
            description: row.description.clone(),
            created_at: row.created_at.into(),
        }
    }
}
