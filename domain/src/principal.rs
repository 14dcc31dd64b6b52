//! Who acts, and through which door.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use uuid::Uuid;

/// The unit of isolation: `[a-z0-9-]{1,32}`. The platform dialect calls it a business. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantName(Arc<str>);

pub const MAX_TENANT_NAME: usize = 32;

impl TenantName {
    /// # Errors
    /// When the name is not `[a-z0-9-]{1,32}`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let fits = !text.is_empty() && text.len() <= MAX_TENANT_NAME;
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits && plain { Ok(Self(Arc::from(text))) } else { Err("must be 1 to 32 of a-z, 0-9 and -") }
    }

    /// The tenant that exists from the first start.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self(Arc::from("default"))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the aggregate that holds the tenant's settings: fixed by its name.
    #[must_use]
    pub fn id(&self) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("invitation-ledger/tenant/{}", self.0).as_bytes())
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TenantName {
    type Error = &'static str;
    fn try_from(value: String) -> Result<Self, Self::Error> {
        Self::parse(&value)
    }
}

impl From<TenantName> for String {
    fn from(value: TenantName) -> Self {
        value.as_str().to_owned()
    }
}

/// What an application's token may be used for. A closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Employees,
    Integrations,
    Invites,
    Settings,
    Operate,
    Users,
    Organizations,
    Audit,
    Pii,
}

impl Scope {
    pub const ALL: [Self; 9] = [
        Self::Employees,
        Self::Integrations,
        Self::Invites,
        Self::Settings,
        Self::Operate,
        Self::Users,
        Self::Organizations,
        Self::Audit,
        Self::Pii,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Employees => "employees",
            Self::Integrations => "integrations",
            Self::Invites => "invites",
            Self::Settings => "settings",
            Self::Operate => "operate",
            Self::Users => "users",
            Self::Organizations => "organizations",
            Self::Audit => "audit",
            Self::Pii => "pii",
        }
    }
}

impl FromStr for Scope {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or("is not a known scope")
    }
}

/// Who did something, as it stands in events: `user:…`, `application:…`,
/// `deployment`, `system` (courier, sweeper, bootstrap), or `visitor` (the
/// holder of a mailed link who has no account yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Actor {
    User(Uuid),
    Application(Uuid),
    Deployment,
    System,
    Visitor,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Application(id) => write!(f, "application:{id}"),
            Self::Deployment => f.write_str("deployment"),
            Self::System => f.write_str("system"),
            Self::Visitor => f.write_str("visitor"),
        }
    }
}

impl From<Actor> for String {
    fn from(value: Actor) -> Self {
        value.to_string()
    }
}

impl TryFrom<String> for Actor {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let id = |t: &str| Uuid::parse_str(t).map_err(|_| format!("`{text}` is no actor"));
        match text.split_once(':') {
            Some(("user", t)) => Ok(Self::User(id(t)?)),
            Some(("application", t)) => Ok(Self::Application(id(t)?)),
            None if text == "deployment" => Ok(Self::Deployment),
            None if text == "system" => Ok(Self::System),
            None if text == "visitor" => Ok(Self::Visitor),
            Some(_) | None => Err(format!("`{text}` is no actor")),
        }
    }
}

/// The door a command came through; recorded with every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    Envelope,
    Platform,
    Jsonapi,
    Operator,
    Link,
    Courier,
    Sweeper,
    Bootstrap,
}

impl Channel {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Platform => "platform",
            Self::Jsonapi => "jsonapi",
            Self::Operator => "operator",
            Self::Link => "link",
            Self::Courier => "courier",
            Self::Sweeper => "sweeper",
            Self::Bootstrap => "bootstrap",
        }
    }
}

/// A caller's `Idempotency-Key`, with what it is scoped to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    pub key: String,
    /// The operation's id in its OpenAPI document.
    pub operation: &'static str,
    /// HMAC of the request body, so that another body under the same key is noticed.
    pub fingerprint: [u8; 32],
}

/// Everything about a request that a use case and the event's metadata need.
#[derive(Clone, Debug)]
pub struct Context {
    pub tenant: TenantName,
    pub actor: Actor,
    pub channel: Channel,
    /// Ours, or the caller's if it was a UUID.
    pub request_id: Uuid,
    /// What caused this command, when an event did (its id).
    pub causation_id: Option<Uuid>,
    pub correlation_id: Option<Uuid>,
    pub idempotency: Option<IdempotencyKey>,
    /// Where an anonymous caller's wrong tries are counted: an HMAC of the peer, in hex.
    pub peer: Option<String>,
    /// The caller waits for the mail's result, so it goes first.
    pub waits_for_mail: bool,
    /// When the request arrived, by the service's clock.
    pub arrived: Timestamp,
    /// Nobody has asked yet what other services acknowledged before: what is not checked where the log ends,
    /// as a unit is that writes, may be old.
    pub late: bool,
}

impl Context {
    #[must_use]
    pub fn new(tenant: TenantName, actor: Actor, channel: Channel, request_id: Uuid, arrived: Timestamp) -> Self {
        Self {
            tenant,
            actor,
            channel,
            request_id,
            causation_id: None,
            correlation_id: None,
            idempotency: None,
            peer: None,
            waits_for_mail: false,
            arrived,
            late: false,
        }
    }

    /// Who a wrong try is counted against.
    #[must_use]
    pub fn caller(&self) -> String {
        match (self.actor, &self.peer) {
            (Actor::Visitor, Some(peer)) => format!("peer:{peer}"),
            (actor, _) => actor.to_string(),
        }
    }
}
