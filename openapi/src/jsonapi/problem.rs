//! JSON:API error objects, and the answers made of them.

use super::TYPE;
use crate::wire::json_response;
use poem::Response;
use poem::http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

/// What in the request is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// A JSON pointer into the body.
    Pointer(String),
    /// A query parameter.
    Parameter(String),
    Header(&'static str),
}

impl At {
    pub(super) fn attribute(name: &str) -> Self {
        Self::Pointer(format!("/data/attributes/{}", escaped(name)))
    }

    fn object(&self) -> Value {
        match self {
            Self::Pointer(pointer) => json!({"pointer": pointer}),
            Self::Parameter(name) => json!({"parameter": name}),
            Self::Header(name) => json!({"header": name}),
        }
    }
}

/// A name as a JSON pointer writes it.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// One error object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub detail: String,
    pub at: Option<At>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), at: None }
    }

    pub(super) fn at(self, at: At) -> Self {
        Self { at: Some(at), ..self }
    }

    /// Malformed: 400.
    pub(super) fn malformed(code: &'static str, detail: impl Into<String>, at: At) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail).at(at)
    }

    /// Well-formed and impossible: 422.
    pub(super) fn impossible(detail: impl Into<String>, at: At) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-value", detail).at(at)
    }

    fn object(&self) -> Value {
        let mut object = json!({
            "status": self.status.as_str(),
            "code": self.code,
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "detail": self.detail,
        });
        if let Some(at) = &self.at {
            object["source"] = at.object();
        }
        object
    }
}

/// Why an operation was not done, as it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub problems: Vec<Problem>,
    pub retry_after_s: Option<u64>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem], retry_after_s: None }
    }
}

impl Refused {
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds.max(1)), ..self }
    }

    /// Of several, the most general: 400 where something is malformed.
    pub(super) fn status(&self) -> StatusCode {
        self.problems.iter().map(|p| p.status).min().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(super) fn document(&self) -> Value {
        let errors: Vec<Value> = self.problems.iter().map(Problem::object).collect();
        json!({"errors": errors})
    }

    pub(super) fn respond(self) -> Response {
        let status = self.status();
        let mut response = json_response(status, TYPE, &self.document());
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert("retry-after", HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert("www-authenticate", HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::REQUEST_TIMEOUT || status == StatusCode::PAYLOAD_TOO_LARGE {
            // What is left of the body would be taken for the next request.
            headers.insert("connection", HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_problems_are_one_answer() {
        let refused = Refused {
            problems: vec![
                Problem::impossible("is no address", At::attribute("recipient_email")),
                Problem::malformed("unknown-member", "is unknown", At::attribute("a/b~c")),
            ],
            retry_after_s: None,
        };
        assert_eq!(refused.status(), 400);
        assert_eq!(
            refused.problems[1].object(),
            json!({
                "status": "400", "code": "unknown-member", "title": "Bad Request", "detail": "is unknown",
                "source": {"pointer": "/data/attributes/a~1b~0c"},
            })
        );
        let response = refused.respond();
        assert_eq!(response.status(), 400);
        assert_eq!(response.content_type(), Some("application/vnd.api+json; charset=utf-8"));
    }

    #[test]
    fn nobody_is_told_how_to_be_somebody() {
        let response = Refused::from(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "no token")).respond();
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    }
}
