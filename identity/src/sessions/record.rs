//! A session as it is kept: everything but its token.

use domain::user::User;
use domain::{TenantName, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// No session without `remember_me` is older.
pub(super) const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Nor unused for longer.
pub(super) const IDLE: Duration = Duration::from_secs(72 * 60 * 60);
/// For so long an ended session is told from one that never was.
pub(super) const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) tenant: TenantName,
    pub(crate) user: Uuid,
    /// When this token was given out.
    pub(crate) created_at: Timestamp,
    pub(crate) logged_in_at: Timestamp,
    /// `rights_version` of the user when this token was given out.
    #[serde(default)]
    pub(crate) rights: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) remember_me: bool,
    /// Set when the session was ended before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
}

impl Record {
    /// A log-in of that user.
    pub(crate) fn new(user: &User, remember_me: bool, now: Timestamp) -> Self {
        Self {
            tenant: user.tenant.clone(),
            user: user.id,
            created_at: now,
            logged_in_at: now,
            rights: user.rights_version,
            remember_me,
            ended_at: None,
        }
    }

    /// The same log-in under a new token.
    pub(crate) fn renewed(&self, user: &User, now: Timestamp) -> Self {
        Self { created_at: now, rights: user.rights_version, ended_at: None, ..self.clone() }
    }

    /// The latest it can end.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        (!self.remember_me).then(|| self.logged_in_at.plus(LIFETIME))
    }

    /// When it ends, or ended, if it is not used again.
    pub(super) fn end(&self, last_use: Timestamp) -> Option<Timestamp> {
        let unused = (!self.remember_me).then(|| last_use.plus(IDLE));
        [self.ended_at, self.expires_at(), unused].into_iter().flatten().min()
    }

    pub(super) fn has_ended(&self, last_use: Timestamp, now: Timestamp) -> bool {
        self.end(last_use).is_some_and(|end| end <= now)
    }

    /// Whether it ended so long ago that it may be forgotten.
    pub(super) fn is_forgettable(&self, last_use: Timestamp, now: Timestamp) -> bool {
        self.end(last_use).is_some_and(|end| end.plus(REMEMBERED) <= now)
    }
}
