//! The platform dialect: bare JSON under five media types, sessions by cookie
//! with a CSRF token in a header, settings per business.
//!
//! Cookies count here (and on the pages of mailed links), so every operation but
//! the log-in goes through [`Door::enter`], which lets nobody ride on a session
//! that the tenant's settings guard. A Bearer token needs none of that.

mod answer;
mod csrf;
mod document;
mod door;
mod fault;
mod invitations;
mod media;
mod schema;
mod sessions;
mod settings;
mod switches;

pub use document::source;

use crate::wire::{Reply, Trouble, Words, shell};
use crate::{Dialect, Service};
use answer::Media;
use document::ByBrowserOrBearer;
use door::Door;
use fault::Fault;
use poem::endpoint::BoxEndpoint;
use poem::http::StatusCode;
use poem::{Request, Response};
use poem_openapi::Tags;

/// Its operations, behind their shell.
#[must_use]
pub fn endpoint(service: Service) -> BoxEndpoint<'static> {
    let api: document::Api = (
        sessions::Sessions { service: service.clone() },
        invitations::Invitations { service: service.clone() },
        settings::Settings { service: service.clone() },
    );
    shell(Own, api, &service)
}

#[derive(Tags)]
enum Tag {
    /// Who is logged in.
    Sessions,
    /// Inviting people to the platform.
    Invitations,
    /// What a business lets its users do.
    Settings,
}

/// Runs an operation under the media type the caller takes.
async fn answered<A>(
    request: &Request,
    service: &Service,
    needs_body: bool,
    operation: impl AsyncFnOnce(Media, &Door<'_>) -> Result<Response, Fault>,
) -> Reply<A> {
    let door = Door::new(request, service);
    let (media, outcome) = match door::media(request, needs_body) {
        Ok(media) => (media, operation(media, &door).await),
        Err((media, fault)) => (media, Err(fault)),
    };
    Reply::new(door.leave(outcome.unwrap_or_else(|fault| fault.answer(media, request))))
}

struct Own;

impl Words for Own {
    const DIALECT: Dialect = Dialect::Platform;

    fn trouble(&self, trouble: &Trouble, request: &Request) -> Response {
        let media = door::media(request, false).unwrap_or_else(|(media, _)| media);
        let (word, message) = match trouble {
            Trouble::NoRoute => ((StatusCode::NOT_FOUND, "not-found"), "the resource could not be found"),
            Trouble::Method => {
                ((StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"), "the resource does not know that method")
            }
            Trouble::Unreadable => ((StatusCode::BAD_REQUEST, "malformed-header"), "a header is not UTF-8"),
            Trouble::Overloaded { .. } => {
                ((StatusCode::SERVICE_UNAVAILABLE, "unavailable"), "too many requests at once")
            }
            Trouble::Crashed => {
                ((StatusCode::INTERNAL_SERVER_ERROR, "internal"), "an error occurred processing the call")
            }
        };
        fault::refusal(media, request, word, message, &[])
    }
}
