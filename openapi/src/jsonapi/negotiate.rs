//! Media types: what a request may bring, and what it may want back.

use super::problem::{At, Problem, Refused};
use crate::wire::media::{MediaType, accept};
use poem::Request;
use poem::http::StatusCode;

const ESSENCE: &str = "application/vnd.api+json";

/// # Errors
/// 406 when the caller wants something else than JSON:API.
pub(super) fn wanted(request: &Request) -> Result<(), Refused> {
    let lines: Vec<&str> = request.headers().get_all("accept").iter().filter_map(|v| v.to_str().ok()).collect();
    if lines.iter().all(|line| line.trim().is_empty()) || is_wanted(&lines) {
        return Ok(());
    }
    Err(not_acceptable().into())
}

pub(super) fn not_acceptable() -> Problem {
    let detail = format!("answers are {ESSENCE}");
    Problem::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", detail).at(At::Header("Accept"))
}

fn is_wanted(lines: &[&str]) -> bool {
    let Some(ranges) = accept(lines.iter().copied()) else { return false };
    // A range with parameters we do not know is for another representation.
    let named = ranges.iter().filter(|range| has_known_parameters(&range.media));
    let closest = named.filter_map(|range| range.closeness(ESSENCE).map(|c| (c, range.weight))).max();
    closest.is_some_and(|(_, weight)| weight > 0)
}

/// # Errors
/// 415 when the body is not declared as JSON:API, or is compressed.
pub(super) fn brought(request: &Request) -> Result<(), Refused> {
    let one = |name: &str| {
        let mut values = request.headers().get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).and_then(|v| v.to_str().ok())
    };
    let media = one("content-type").and_then(MediaType::parse);
    if !media.is_some_and(|media| media.essence == ESSENCE && has_known_parameters(&media)) {
        return Err(not_jsonapi().into());
    }
    if request.headers().contains_key("content-encoding")
        && !one("content-encoding").is_some_and(|v| v.eq_ignore_ascii_case("identity"))
    {
        return Err(unsupported("compressed bodies are not taken", "Content-Encoding").into());
    }
    Ok(())
}

pub(super) fn not_jsonapi() -> Problem {
    unsupported("the body must be application/vnd.api+json", "Content-Type")
}

fn unsupported(detail: &str, header: &'static str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail).at(At::Header(header))
}

/// `charset=utf-8`, and the two parameters JSON:API 1.1 knows, each at most once.
fn has_known_parameters(media: &MediaType) -> bool {
    let mut seen = vec![];
    media.parameters.iter().all(|(name, value)| {
        let known = match name.as_str() {
            "charset" => value.eq_ignore_ascii_case("utf-8"),
            "ext" | "profile" => true,
            _ => false,
        };
        let first = !seen.contains(&name.as_str());
        seen.push(name.as_str());
        known && first
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&str, &str)]) -> Request {
        headers.iter().fold(Request::builder(), |r, (name, value)| r.header(*name, *value)).finish()
    }

    #[test]
    fn only_json_api_is_taken() {
        for good in [
            "application/vnd.api+json",
            "application/vnd.api+json; charset=utf-8",
            "Application/Vnd.Api+JSON;charset=\"UTF-8\"",
            "application/vnd.api+json; profile=\"https://example.com/p\"",
        ] {
            assert_eq!(brought(&with(&[("Content-Type", good)])), Ok(()), "{good}");
        }
        for bad in [
            "application/json",
            "text/plain",
            "application/vnd.api+json; charset=latin1",
            "application/vnd.api+json; version=1",
            "application/vnd.api+json; charset=utf-8; charset=utf-8",
            "nonsense",
        ] {
            let refused = brought(&with(&[("Content-Type", bad)])).unwrap_err();
            assert_eq!(refused.status(), 415, "{bad}");
        }
        assert_eq!(brought(&with(&[])).unwrap_err().status(), 415);
        let packed = with(&[("Content-Type", ESSENCE), ("Content-Encoding", "gzip")]);
        assert_eq!(brought(&packed).unwrap_err().status(), 415);
    }

    #[test]
    fn only_json_api_is_given() {
        for good in [
            "*/*",
            "application/*",
            "application/vnd.api+json",
            "application/vnd.api+json; charset=utf-8",
            "text/html, application/vnd.api+json;q=0.1",
            "application/vnd.api+json; version=1, application/vnd.api+json",
            "",
        ] {
            assert_eq!(wanted(&with(&[("Accept", good)])), Ok(()), "{good}");
        }
        for bad in [
            "application/json",
            "text/*",
            "application/vnd.api+json; version=1",
            "application/vnd.api+json;q=0, */*",
            "nonsense",
        ] {
            assert_eq!(wanted(&with(&[("Accept", bad)])).unwrap_err().status(), 406, "{bad}");
        }
        assert_eq!(wanted(&with(&[])), Ok(()));
    }
}
