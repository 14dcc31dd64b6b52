//! Around every dialect: what happens before, beside and after its operations.

use super::arrival::REQUEST_ID;
use super::routes::{Match, Routes};
use super::{Answered, Arrival, late};
use crate::{Dialect, HttpSettings, Service};
use domain::{CommandBus, told};
use futures_util::FutureExt;
use poem::endpoint::BoxEndpoint;
use poem::http::header::ACCEPT;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode};
use poem::{Endpoint, EndpointExt, Request, Response, Result};
use poem_openapi::OpenApi;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// When more requests are being answered than the settings allow, or a server that is needed does not answer.
const OVERLOAD_RETRY_S: u64 = 1;

/// It tells of servers that do not answer, too: it waits for none.
const NEVER_WAITS: &str = "/api/ledger/doctor";

/// What no operation answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No such path in this dialect.
    NoRoute,
    /// The path is known, the method is not declared; the shell sets `Allow`.
    Method,
    /// A header is not UTF-8: it was not even looked for a route.
    Unreadable,
    /// Too many requests at once; the shell sets `Retry-After`.
    Overloaded { retry_after_s: u64 },
    /// Something unexpected, panics too.
    Crashed,
}

/// A dialect's own words for [`Trouble`].
pub trait Words: Send + Sync + 'static {
    const DIALECT: Dialect;

    /// Status and body; the shell adds the headers that all answers have. Of the
    /// request there is its arrival, and what it accepts.
    fn trouble(&self, trouble: &Trouble, request: &Request) -> Response;
}

/// An API behind its shell: it answers every request with a response, in the
/// dialect's words, with `X-Request-Id` and `Cache-Control: no-store`, and
/// leaves one line in the log.
pub fn shell<W: Words, A: OpenApi + 'static>(words: W, api: A, service: &Service) -> BoxEndpoint<'static> {
    around(words, api, service.bus.clone(), service.settings.clone())
}

fn around<W: Words, A: OpenApi + 'static>(
    words: W,
    api: A,
    bus: CommandBus,
    settings: Arc<HttpSettings>,
) -> BoxEndpoint<'static> {
    let routes = Routes::of(api);
    let places = Semaphore::new(settings.requests_at_once);
    Shell { words, routes, places, bus, settings }.boxed()
}

struct Shell<W> {
    words: W,
    routes: Routes,
    places: Semaphore,
    bus: CommandBus,
    settings: Arc<HttpSettings>,
}

impl<W: Words> Endpoint for Shell<W> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let started = Instant::now();
        let mut arrival = Arrival::of(&request, W::DIALECT, &self.settings, self.bus.now());
        let method = known_method(request.method());
        let response = self.answer(request, &mut arrival).await;
        Ok(self.finish(response, &arrival, method, started))
    }
}

impl<W: Words> Shell<W> {
    async fn answer(&self, mut request: Request, arrival: &mut Arrival) -> Response {
        if !is_readable(request.headers()) {
            request.set_data(arrival.clone());
            return self.words.trouble(&Trouble::Unreadable, &request);
        }
        match self.routes.find(request.uri().path(), request.method()) {
            Match::Unknown => {
                request.set_data(arrival.clone());
                self.words.trouble(&Trouble::NoRoute, &request)
            }
            Match::Undeclared { template, allow } => {
                arrival.route = template;
                request.set_data(arrival.clone());
                let mut response = self.words.trouble(&Trouble::Method, &request);
                if let Ok(allow) = HeaderValue::from_str(&allow) {
                    response.headers_mut().insert("allow", allow);
                }
                response
            }
            Match::Found { template, operation } => {
                arrival.route = template;
                arrival.late = late::may(template, &request);
                request.set_data(arrival.clone());
                let Ok(_place) = self.places.try_acquire() else { return self.not_now(&request) };
                if template != NEVER_WAITS
                    && !arrival.late
                    && let Err(failure) = self.bus.arrive().await
                {
                    let failure = &failure as &dyn std::error::Error;
                    tracing::warn!(request_id = %arrival.request_id, failure, "a request was turned away");
                    return self.not_now(&request);
                }
                self.operate(operation, request, arrival).await
            }
        }
    }

    fn not_now(&self, request: &Request) -> Response {
        let retry_after_s = OVERLOAD_RETRY_S;
        let mut response = self.words.trouble(&Trouble::Overloaded { retry_after_s }, request);
        response.headers_mut().insert("retry-after", HeaderValue::from(retry_after_s));
        response
    }

    async fn operate(&self, operation: &BoxEndpoint<'static>, request: Request, arrival: &Arrival) -> Response {
        // The operation takes the request along; words for a crash are chosen by this much of it.
        let accepted: Vec<HeaderValue> = request.headers().get_all(ACCEPT).iter().cloned().collect();
        let crashed = || {
            let mut stub = Request::default();
            stub.set_data(arrival.clone());
            accepted.into_iter().for_each(|value| {
                stub.headers_mut().append(ACCEPT, value);
            });
            self.words.trouble(&Trouble::Crashed, &stub)
        };
        match AssertUnwindSafe(operation.call(request)).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let failure = told(&Named(error));
                tracing::error!(request_id = %arrival.request_id, route = arrival.route, failure, "no operation answered");
                crashed()
            }
            // What the panic said stands in no answer and no log line: it may quote a body.
            Err(_) => {
                tracing::error!(request_id = %arrival.request_id, route = arrival.route, "an operation panicked");
                crashed()
            }
        }
    }

    fn finish(&self, mut response: Response, arrival: &Arrival, method: &'static str, started: Instant) -> Response {
        let headers = response.headers_mut();
        let mut id = Uuid::encode_buffer();
        if let Ok(id) = HeaderValue::from_str(arrival.request_id.hyphenated().encode_lower(&mut id)) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert("cache-control", HeaderValue::from_static("no-store"));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        let status = response.status();
        if method == Method::HEAD.as_str() || status == StatusCode::NO_CONTENT {
            response.set_body(());
        }
        let took = started.elapsed();
        tracing::info!(
            dialect = arrival.dialect.name(),
            method,
            route = arrival.route,
            status = status.as_u16(),
            ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            request_id = %arrival.request_id,
            "answered"
        );
        if let Some(observer) = &self.settings.observer {
            let (dialect, route) = (arrival.dialect, arrival.route);
            observer.answered(&Answered { dialect, route, method, status: status.as_u16(), took });
        }
        response
    }
}

/// A poem error as a plain one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Named(poem::Error);

fn is_readable(headers: &HeaderMap) -> bool {
    headers.values().all(|value| std::str::from_utf8(value.as_bytes()).is_ok())
}

/// Methods have few names in logs and metrics, whatever callers make up.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}

#[cfg(test)]
#[path = "shell_tests.rs"]
mod tests;
