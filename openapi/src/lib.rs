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

mod settings;

pub use settings::{HttpSettings, Network};

use domain::CommandBus;
use identity::Identity;
use poem::Route;
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
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All dialects, mounted under their prefixes.
#[must_use]
pub fn routes(service: Service) -> Route {
    let service = &service;
    Dialect::ALL.into_iter().fold(Route::new(), |route, dialect| {
        let endpoint = Arc::new(match dialect {
            Dialect::Envelope => envelope::endpoint(service.clone()),
            Dialect::Platform => platform::endpoint(service.clone()),
            Dialect::Jsonapi => jsonapi::endpoint(service.clone()),
            Dialect::Operator => operator::endpoint(service.clone()),
        });
        dialect.prefixes().iter().fold(route, |route, prefix| wire::mount(route, prefix, &endpoint))
    })
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
