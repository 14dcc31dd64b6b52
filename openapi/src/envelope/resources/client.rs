use super::integer;
use crate::wire::Time;
use domain::user;
use poem_openapi::Object;

/// A client record.
#[derive(Clone, Debug, PartialEq, Object)]
#[oai(rename = "Client")]
pub(in crate::envelope) struct Client {
    /// Ascending in a tenant, with gaps, never used again.
    pub id: i64,
    pub company_name: String,
    pub created_at: Time,
}

impl From<&user::Client> for Client {
    fn from(client: &user::Client) -> Self {
        Self {
            id: integer(client.number),
            company_name: client.company_name.clone(),
            created_at: client.created_at.into(),
        }
    }
}
