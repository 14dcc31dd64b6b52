//! The HTTP dialects over one ledger: decode a request, call a use case,
//! encode the answer. What an operation means is written in `domain` alone.
//!
//! Each dialect is a module with two public functions: `endpoint`, its
//! operations behind [`wire::shell`], and `source`, its OpenAPI document before
//! [`spec::finish`]. Nothing here knows how events are stored or mail is sent.

pub mod envelope;
pub mod jsonapi;
pub mod operator;
pub mod platform;
pub mod spec;
pub mod wire;

mod network;
mod settings;

pub use network::Network;
pub use settings::HttpSettings;

use domain::CommandBus;
use identity::Identity;
use poem::endpoint::BoxEndpoint;
use poem::{Endpoint, Request, Response, Result};
use projections::Views;
use std::fmt;
use std::sync::Arc;

/// What every dialect is made of. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    pub bus: CommandBus,
    pub views: Views,
    pub identity: Identity,
    pub settings: Arc<HttpSettings>,
    /// What operators may do beyond use cases: outbox, log, rebuild, backup, doctor.
    pub powers: Arc<dyn operator::Powers>,
}

/// One of the HTTP interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    Envelope,
    Platform,
    Jsonapi,
    Operator,
}

impl Dialect {
    pub const ALL: [Self; 4] = [Self::Envelope, Self::Platform, Self::Jsonapi, Self::Operator];

    /// As it is called on the command line, in logs and in file names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Platform => "platform",
            Self::Jsonapi => "jsonapi",
            Self::Operator => "operator",
        }
    }

    #[must_use]
    pub fn channel(self) -> domain::Channel {
        match self {
            Self::Envelope => domain::Channel::Envelope,
            Self::Platform => domain::Channel::Platform,
            Self::Jsonapi => domain::Channel::Jsonapi,
            Self::Operator => domain::Channel::Operator,
        }
    }

    /// The paths it answers under; everything there is its own to answer, unknown routes too.
    #[must_use]
    pub fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Envelope => &["/api/v1"],
            Self::Platform => &["/api/users", "/api/businesses", "/api/login", "/api/logout"],
            Self::Jsonapi => &["/api/v2"],
            Self::Operator => &["/api/ledger"],
        }
    }

    fn owns(self, path: &str) -> bool {
        let rest = self.prefixes().iter().find_map(|prefix| path.strip_prefix(prefix));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Everything that answers: the dialects under their prefixes, and whatever
/// answers elsewhere.
///
/// Not poem's `Route`: that answers paths that are no UTF-8 itself, in its own words.
pub struct Front {
    dialects: Vec<(Dialect, BoxEndpoint<'static>)>,
    elsewhere: BoxEndpoint<'static>,
}

impl Front {
    #[must_use]
    pub fn new(service: &Service, elsewhere: BoxEndpoint<'static>) -> Self {
        let endpoint = |dialect| match dialect {
            Dialect::Envelope => envelope::endpoint(service.clone()),
            Dialect::Platform => platform::endpoint(service.clone()),
            Dialect::Jsonapi => jsonapi::endpoint(service.clone()),
            Dialect::Operator => operator::endpoint(service.clone()),
        };
        Self { dialects: Dialect::ALL.map(|dialect| (dialect, endpoint(dialect))).into(), elsewhere }
    }

    fn answers(&self, path: &str) -> &BoxEndpoint<'static> {
        let own = self.dialects.iter().find(|(dialect, _)| dialect.owns(path));
        own.map_or(&self.elsewhere, |(_, endpoint)| endpoint)
    }
}

impl Endpoint for Front {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        self.answers(request.uri().path()).call(request).await
    }
}

/// The OpenAPI document of a dialect: JSON, as it is served and as it is
/// checked in under `openapi/spec/`.
#[must_use]
pub fn document(dialect: Dialect) -> String {
    spec::finish(match dialect {
        Dialect::Envelope => envelope::source(),
        Dialect::Platform => platform::source(),
        Dialect::Jsonapi => jsonapi::source(),
        Dialect::Operator => operator::source(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_owns_all_that_is_under_its_prefixes_and_nothing_else() {
        let owner = |path: &str| Dialect::ALL.into_iter().find(|dialect| dialect.owns(path));
        for path in ["/api/v2", "/api/v2/", "/api/v2//x", "/api/v2/%FF"] {
            assert_eq!(owner(path), Some(Dialect::Jsonapi), "{path}");
        }
        assert_eq!(owner("/api/login"), Some(Dialect::Platform));
        for path in ["/", "/api", "/api/v22", "/api/v3/users", "/api/loginx", "/x/api/v2"] {
            assert_eq!(owner(path), None, "{path}");
        }
    }
}
