use crate::wire::Time;
use poem_openapi::Object;

/// A log-in.
#[derive(Clone, PartialEq, Object)]
#[oai(rename = "Session")]
pub(in crate::envelope) struct Session {
    /// What the calls of this session present.
    pub token: String,
    pub created_at: Time,
    /// Null where the session was asked to be remembered.
    #[oai(nullable)]
    pub expires_at: Option<Time>,
    pub remember_me: bool,
}

impl From<&identity::Session> for Session {
    fn from(session: &identity::Session) -> Self {
        Self {
            token: session.token.reveal().to_owned(),
            created_at: session.created_at.into(),
            expires_at: session.expires_at.map(Time::from),
            remember_me: session.remember_me,
        }
    }
}
