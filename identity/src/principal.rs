//! Who is calling.

use crate::Token;
use domain::{Actor, TenantName, Timestamp};
use std::fmt;
use uuid::Uuid;

/// Whoever a token names.
#[derive(Clone, Debug)]
pub enum Principal {
    /// The one outside tenants: its calls name a tenant, and may do everything there.
    Deployment,
    Application {
        tenant: TenantName,
        id: Uuid,
    },
    User(Session),
}

impl Principal {
    /// As events name them.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Deployment => Actor::Deployment,
            Self::Application { id, .. } => Actor::Application(*id),
            Self::User(session) => Actor::User(session.user),
        }
    }

    /// The tenant they belong to; of the deployment none.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantName> {
        match self {
            Self::Deployment => None,
            Self::Application { tenant, .. } => Some(tenant),
            Self::User(session) => Some(&session.tenant),
        }
    }

    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::User(session) => Some(session),
            Self::Deployment | Self::Application { .. } => None,
        }
    }
}

/// A user's session, as opened or as presented.
///
/// It ends seven days after the log-in, or after 72 hours without use; one
/// with `remember_me` has no end.
#[derive(Clone)]
pub struct Session {
    /// The new one, or the one presented.
    pub token: Token,
    /// What a cookie session shows beside its cookie to write. Fixed by the token.
    pub csrf: String,
    pub tenant: TenantName,
    pub user: Uuid,
    /// When this token was given out.
    pub created_at: Timestamp,
    /// Seven days after `logged_in_at`, however often it is renewed; the end
    /// for want of use comes earlier, and moves. `None` with `remember_me`.
    pub expires_at: Option<Timestamp>,
    pub remember_me: bool,
    pub logged_in_at: Timestamp,
    /// Whether the account may do something else now than when this token was
    /// given out. A session by cookie gets a new one then.
    pub rights_changed: bool,
}

// Token and CSRF token are left out: what prints a principal may be a log line.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("tenant", &self.tenant)
            .field("user", &self.user)
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .field("remember_me", &self.remember_me)
            .field("logged_in_at", &self.logged_in_at)
            .field("rights_changed", &self.rights_changed)
            .finish_non_exhaustive()
    }
}
