//! The headers that keep a page to itself.

use poem::Response;
use poem::http::{HeaderValue, header};

/// For every page: own scripts, styles and requests, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
/// For what is no page: nothing at all.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

const FIXED: [(&str, &str); 4] = [
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// Marks a page. It is asked for again each time, so that a new version shows at once.
pub fn of_page(response: &mut Response) {
    set(response, POLICY, "no-cache");
}

/// Marks an answer that belongs to one caller.
pub fn of_answer(response: &mut Response) {
    set(response, NOTHING, "no-store");
}

fn set(response: &mut Response, policy: &'static str, cache: &'static str) {
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
}
