//! How each dialect says yes and no: what all its answers have in common is
//! looked at here, so that a story names only what is its own.

use super::wire::Answer;
use serde_json::Value;
use uuid::Uuid;

pub const ENVELOPE: &str = "application/json; charset=utf-8";
pub const DOCUMENT: &str = "application/vnd.api+json; charset=utf-8";
/// Under these names the platform dialect speaks JSON.
pub const PLATFORM: [&str; 5] = [
    "application/json",
    "application/vnd.soa.v71+json",
    "application/vnd.soa.v72+json",
    "application/vnd.soa.v80+json",
    "application/vnd.soa.v81+json",
];

/// The names of an object's members, sorted.
#[track_caller]
pub fn members(value: &Value) -> Vec<&str> {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// A time as all dialects write it: UTC, RFC 3339, whole seconds.
pub fn is_time(value: &Value) -> bool {
    let shape = |text: &str| {
        let plain: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        plain == "0000-00-00T00:00:00Z"
    };
    value.as_str().is_some_and(shape)
}

impl Answer {
    /// What every answer of an API carries, refusals too.
    #[track_caller]
    pub fn api(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let id = self.header("x-request-id").expect("an X-Request-Id");
        assert!(Uuid::try_parse(id).is_ok(), "{id}");
        self
    }

    /// Envelope, done: the member `data`.
    #[track_caller]
    pub fn done(&self) -> Value {
        let body = self.listed();
        assert_eq!(members(&body), ["data", "status"]);
        body["data"].clone()
    }

    /// Envelope, done: the whole body.
    #[track_caller]
    pub fn listed(&self) -> Value {
        self.api(200);
        assert_eq!(self.header("content-type"), Some(ENVELOPE));
        let body = self.json();
        assert_eq!(body["status"], "action-successful", "{body}");
        body
    }

    /// Envelope, refused: the whole body, whose members are these and no others.
    #[track_caller]
    pub fn slug(&self, status: u16, slug: &str) -> Value {
        self.api(status);
        assert_eq!(self.header("content-type"), Some(ENVELOPE));
        let body = self.json();
        assert_eq!(body["status"], slug, "{body}");
        assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        let mut wanted = vec!["message", "status"];
        if matches!(slug, "missing-param" | "invalid-param") {
            wanted.insert(0, "errors");
        }
        if slug == "client-required" {
            wanted.insert(1, "session");
        }
        assert_eq!(members(&body), wanted);
        body
    }

    /// Envelope, refused for its parameters: `(param, reason)` of each.
    #[track_caller]
    pub fn faults(&self, slug: &str) -> Vec<(String, String)> {
        let body = self.slug(400, slug);
        let errors = body["errors"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        errors
            .iter()
            .map(|error| {
                assert_eq!(members(error), ["param", "reason"]);
                (text(&error["param"]), text(&error["reason"]))
            })
            .collect()
    }

    /// Envelope, `invalid-param` for one parameter.
    #[track_caller]
    pub fn fault(&self, param: &str, reason: &str) {
        assert_eq!(self.faults("invalid-param"), [(param.to_owned(), reason.to_owned())]);
    }

    /// Platform: one of its five types, and `Expires` equal to `Date`.
    #[track_caller]
    pub fn platform(&self, status: u16) -> Value {
        self.api(status);
        let media = self.header("content-type").expect("a Content-Type");
        assert!(PLATFORM.contains(&media), "{media}");
        assert!(self.header("date").is_some());
        assert_eq!(self.header("expires"), self.header("date"));
        self.json()
    }

    /// Platform, refused: the details.
    #[track_caller]
    pub fn code(&self, status: u16, code: &str) -> Value {
        let body = self.platform(status);
        assert_eq!(members(&body), ["code", "details", "message"]);
        assert_eq!(body["code"], code, "{body}");
        assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        body["details"].clone()
    }

    /// JSON:API, done: the document.
    #[track_caller]
    pub fn given(&self, status: u16) -> Value {
        self.api(status);
        assert_eq!(self.header("content-type"), Some(DOCUMENT));
        self.json()
    }

    /// JSON:API, refused: code and source of each error object.
    #[track_caller]
    pub fn problems(&self, status: u16) -> Vec<(String, Value)> {
        let body = self.given(status);
        assert_eq!(members(&body), ["errors"]);
        let errors = body["errors"].as_array().unwrap();
        assert!(!errors.is_empty());
        errors
            .iter()
            .map(|error| {
                let mut wanted = vec!["code", "detail", "status", "title"];
                if error.get("source").is_some() {
                    wanted.insert(2, "source");
                }
                assert_eq!(members(error), wanted);
                let own: u16 = error["status"].as_str().unwrap().parse().unwrap();
                assert!((400..600).contains(&own), "{error}");
                (error["code"].as_str().unwrap().to_owned(), error["source"].clone())
            })
            .collect()
    }

    /// JSON:API, refused for one reason.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str, source: &Value) {
        assert_eq!(self.problems(status), [(code.to_owned(), source.clone())], "{}", self.text());
        assert_eq!(self.json()["errors"][0]["status"], status.to_string());
    }

    /// A link's routes, refused: the details.
    #[track_caller]
    pub fn link_code(&self, status: u16, code: &str) -> Value {
        self.api(status);
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json();
        assert_eq!(members(&body), ["code", "details", "message"]);
        assert_eq!(body["code"], code, "{body}");
        body["details"].clone()
    }

    /// Seconds to wait; there must be some.
    #[track_caller]
    pub fn retry_after(&self) -> u64 {
        let seconds = self.header("retry-after").expect("a Retry-After").parse().unwrap();
        assert!(seconds >= 1);
        seconds
    }
}
