//! Answers: the chosen media type and nothing beside it, `Expires` equal to
//! `Date`, and what the document says about them.

pub use super::media::Media;
use super::schema::Problem;
use crate::wire::{Answers, content, described, header as documented};
use domain::Timestamp;
use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use poem_openapi::registry::{MetaMediaType, MetaResponse, Registry};
use poem_openapi::types::Type;
use serde_json::Value;
use std::marker::PhantomData;

/// As HTTP writes dates: `Thu, 16 Apr 2015 20:09:48 GMT`.
fn http_date(at: Timestamp) -> String {
    at.chrono().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A body under the media type that was chosen.
pub fn encoded(media: Media, at: Timestamp, status: StatusCode, body: &Value) -> Response {
    let mut response = Response::builder().status(status).body(body.to_string());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media.name()));
    if let Ok(date) = HeaderValue::from_str(&http_date(at)) {
        headers.insert(header::DATE, date.clone());
        headers.insert(header::EXPIRES, date);
    }
    response
}

/// The five media types, for bodies in the document.
pub struct Five;

impl crate::wire::Media for Five {
    const TYPES: &'static [&'static str] =
        &[Media::Json.name(), Media::Soa71.name(), Media::Soa72.name(), Media::Soa80.name(), Media::Soa81.name()];
}

fn five<T: Type>() -> Vec<MetaMediaType> {
    Media::ALL.into_iter().map(|media| content::<T>(media.name())).collect()
}

/// What may be answered beside 200.
pub trait Refusals: Send + Sync + 'static {
    const STATUSES: &'static [u16];
    /// Whether success sets the session's cookies.
    const COOKIES: bool = false;
}

/// In the document: 200 with a `T`, or one of the refusals of `R`.
pub struct Says<T, R>(PhantomData<fn() -> (T, R)>);

impl<T: Type + 'static, R: Refusals> Answers for Says<T, R> {
    fn responses() -> Vec<MetaResponse> {
        let mut success = described(200, "Done.", five::<T>());
        success.headers.push(documented::<String>("Expires", "Equal to `Date`: nothing here may be kept."));
        let words = if R::COOKIES {
            "`AtmoAuthToken_{tenant}` and `Csrf-Token_{tenant}`, one header each."
        } else {
            "`AtmoAuthToken_{tenant}` and `Csrf-Token_{tenant}` of a session by cookie that was renewed, since what \
             its account may do has changed; refusals carry them, too."
        };
        success.headers.push(documented::<String>("Set-Cookie", words));
        let refusals = R::STATUSES.iter().map(|status| {
            let mut refused = described(*status, meaning(*status), five::<Problem>());
            if matches!(status, 429 | 503) {
                refused.headers.push(documented::<u64>("Retry-After", "Seconds to wait."));
            }
            refused
        });
        std::iter::once(success).chain(refusals).collect()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
        Problem::register(registry);
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The body or a parameter is malformed; `details` names what is at fault.",
        401 => "No session, or the CSRF token is missing, wrong or stale; or what is asked for is switched off.",
        403 => "A known caller that may not do this, or a request from another site's page.",
        404 => "There is no such business for this caller.",
        406 => "None of the five media types is acceptable.",
        409 => "The present state of the ledger does not allow it.",
        413 => "The body is larger than 64 KiB.",
        415 => "The body's media type is none of the five.",
        429 => "Too many requests.",
        503 => "Not available now.",
        _ => "Something unexpected; the request id finds it in the log.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_expires_when_it_is_given_and_names_the_chosen_type_alone() {
        let at = Timestamp::parse("2015-04-16T20:09:48Z").unwrap();
        let response = encoded(Media::Soa72, at, StatusCode::OK, &serde_json::json!(["a@x.com"]));
        assert_eq!(response.header("expires"), Some("Thu, 16 Apr 2015 20:09:48 GMT"));
        assert_eq!(response.header("date"), response.header("expires"));
        assert_eq!(response.header("content-type"), Some("application/vnd.soa.v72+json"));
    }
}
