//! Encodes answers, and says in the document which there can be.

use super::content::ANSWER_TYPE;
use super::refusal::Refused;
use super::resources::Session;
use super::slug::Slug;
use crate::wire::{self, Answers, json_response};
use poem::Response;
use poem::http::HeaderValue;
use poem_openapi::Object;
use poem_openapi::registry::{MetaResponse, Registry};
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde_json::{Value, json};
use std::marker::PhantomData;

/// The answer of an operation whose success the document describes as `T`.
pub(super) type Reply<T> = wire::Reply<Enveloped<T>>;

/// `{"status": "action-successful", "data": …}`
#[derive(Object)]
#[oai(rename = "Answer")]
pub(super) struct Answer<T: Type + ParseFromJSON + ToJSON> {
    /// `action-successful`
    status: String,
    data: T,
}

/// One page of a list.
#[derive(Object)]
#[oai(rename = "List")]
pub(super) struct List<T: Type + ParseFromJSON + ToJSON> {
    /// `action-successful`
    status: String,
    data: Vec<T>,
    meta: Meta,
}

/// Where in the list the entries stand.
#[derive(Object)]
pub(super) struct Meta {
    page: PageMeta,
}

/// The page, and how many there are.
#[derive(Object)]
pub(super) struct PageMeta {
    number: i64,
    size: i64,
    total_count: i64,
    total_pages: i64,
}

/// Why nothing was done.
#[derive(Object)]
pub(super) struct Refusal {
    /// One of the words of the dialect.
    status: String,
    /// For people.
    message: String,
    /// All parameters at fault; absent where none is.
    errors: Option<Vec<ParamError>>,
    session: Option<Session>,
}

/// A parameter at fault.
#[derive(Object)]
pub(super) struct ParamError {
    /// Its name; of one inside another, `address.city` or `skills[3]`.
    param: String,
    reason: String,
}

/// Documents the answers of an operation.
pub(super) struct Enveloped<T>(PhantomData<fn() -> T>);

/// The HTTP statuses, and what the document says of each.
const STATUSES: [(u16, &str); 11] = [
    (200, "`action-successful`: it was done, and this is the result."),
    (
        400,
        "`missing-param`, `invalid-param`, `invalid-content-type`, `no-params-decoded` or `invalid-encoded-params`: \
         the request is at fault.",
    ),
    (
        401,
        "`invalid-token`, `session-expired` or `client-required`: nobody known, or a user without any record, who \
         should register as a client with the session in the answer.",
    ),
    (403, "`permission-denied`: a valid caller that may not do this."),
    (404, "`route-not-found` or `service-not-found`: the route, or its whole service, is switched off here."),
    (405, "`method-not-allowed`: another method than POST."),
    (406, "`not-acceptable`: the header Accept excludes application/json."),
    (413, "`payload-too-large`: the body is larger than 64 KiB."),
    (429, "`too-many-requests`: a limit is reached."),
    (
        500,
        "`application-crash`: something unexpected; `mandrill-email-failed`: the mail provider refused, or has not \
         answered in time; `identify-request-error` and `route-non-existent`: no route was found.",
    ),
    (503, "`service-unavailable`: not now."),
];

impl<T: Type + 'static> Answers for Enveloped<T> {
    fn responses() -> Vec<MetaResponse> {
        let entry = |(status, description): (u16, &'static str)| {
            let content = match status {
                200 => wire::content::<T>(ANSWER_TYPE),
                _ => wire::content::<Refusal>(ANSWER_TYPE),
            };
            let mut entry = wire::described(status, description, vec![content]);
            match status {
                405 => entry.headers.push(wire::header::<String>("Allow", "The methods of this route.")),
                429 | 503 => {
                    let words = "Seconds after which the request may be tried again.";
                    entry.headers.push(wire::header::<u64>("Retry-After", words));
                }
                _ => {}
            }
            entry
        };
        STATUSES.into_iter().map(entry).collect()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
        Refusal::register(registry);
    }
}

/// What an operation did.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub data: Value,
    pub meta: Option<Value>,
}

impl Done {
    pub(super) fn of(resource: &impl ToJSON) -> Self {
        Self { data: resource.to_json().unwrap_or_default(), meta: None }
    }

    pub(super) fn body(self) -> Value {
        let mut body = json!({"status": Slug::ActionSuccessful.name(), "data": self.data});
        if let Some(meta) = self.meta {
            body["meta"] = meta;
        }
        body
    }
}

/// The response of an operation.
pub(super) fn reply<T>(outcome: Result<Done, Refused>) -> Reply<T> {
    Reply::new(match outcome {
        Ok(done) => json_response(Slug::ActionSuccessful.http(), ANSWER_TYPE, &done.body()),
        Err(refused) => refusal(&refused),
    })
}

pub(super) fn refusal(refused: &Refused) -> Response {
    let mut response = json_response(refused.slug.http(), ANSWER_TYPE, &refused.body());
    if let Some(seconds) = refused.retry_after_s {
        response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_knows_every_status_the_dialect_has() {
        for slug in Slug::ALL {
            let entry = STATUSES.iter().find(|(status, _)| *status == slug.http().as_u16());
            assert!(entry.is_some_and(|(_, text)| text.contains(&format!("`{}`", slug.name()))), "{}", slug.name());
        }
    }

    #[tokio::test]
    async fn answers_are_wrapped() {
        let done = Done { data: json!({"id": 1}), meta: None };
        let response = reply::<()>(Ok(done)).response;
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.header("content-type"), Some("application/json; charset=utf-8"));
        let body = response.into_body().into_string().await.unwrap();
        assert_eq!(body, r#"{"data":{"id":1},"status":"action-successful"}"#);
        assert_eq!(Done::default().body(), json!({"status": "action-successful", "data": null}));
    }

    #[test]
    fn a_limit_says_when_to_come_back() {
        let response = refusal(&Refused::later(Slug::TooManyRequests, 42));
        assert_eq!(response.status().as_u16(), 429);
        assert_eq!(response.header("retry-after"), Some("42"));
    }
}
