//! Why a request was refused, in this dialect's words:
//! `{"error": {"code", "message", "params": [{"param", "reason"}]}}`.
//!
//! One table from each closed enum of refusals to a status and a code. Nothing
//! internal reaches an answer; the request id finds it in the log.

use super::powers::PowerFailure;
use crate::wire::{BodyFault, CallerError, JsonFault, KeyFault, Trouble, arrival, json_response};
use domain::{Failure, Fault, Refusal, Unavailable};
use identity::{PasswordError, TooMany};
use poem::http::{HeaderValue, StatusCode};
use poem::{Request, Response};
use serde_json::json;

pub(super) const JSON: &str = "application/json; charset=utf-8";
/// When something that is busy is worth another try.
const RETRY_AFTER_S: u64 = 1;

/// Why an operation did not do what was asked.
#[derive(Debug)]
pub(super) enum No {
    Caller(CallerError),
    Body(BodyFault),
    Json(JsonFault),
    /// The body is no object.
    NotAnObject,
    ContentType,
    Key(KeyFault),
    /// Query parameters or members at fault.
    Params(Vec<Fault>),
    TooMany(TooMany),
    Power(PowerFailure),
    Failed(Failure),
}

impl No {
    pub(super) fn not_found(what: domain::What) -> Self {
        Self::Failed(Refusal::NotFound(what).into())
    }

    pub(super) fn param(param: &str, reason: impl Into<String>) -> Self {
        Self::Params(vec![Fault::new(param, reason)])
    }
}

impl From<Failure> for No {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.into())
    }
}

impl From<PowerFailure> for No {
    fn from(failure: PowerFailure) -> Self {
        match failure {
            PowerFailure::Failed(failure) => Self::Failed(failure),
            other @ (PowerFailure::Unknown(_) | PowerFailure::NotNow(_)) => Self::Power(other),
        }
    }
}

impl From<PasswordError> for No {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Unavailable(failure) => Self::Failed(failure),
            fault @ (PasswordError::TooShort | PasswordError::TooLong) => Self::param("password", fault.to_string()),
        }
    }
}

/// What stands in an error body.
struct Said {
    status: StatusCode,
    code: &'static str,
    message: String,
    params: Vec<Fault>,
    retry_after_s: Option<u64>,
}

impl Said {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), params: vec![], retry_after_s: None }
    }

    fn retry(mut self, after_s: u64) -> Self {
        self.retry_after_s = Some(after_s.max(1));
        self
    }

    fn response(self) -> Response {
        let params: Vec<_> =
            self.params.iter().map(|fault| json!({"param": fault.param, "reason": fault.reason})).collect();
        let body = json!({"error": {"code": self.code, "message": self.message, "params": params}});
        let mut response = json_response(self.status, JSON, &body);
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert("www-authenticate", HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The answer to a refused request. What broke is written to the log, once.
pub(super) fn refused(no: No, request: &Request) -> Response {
    let said = match no {
        No::Caller(error) => caller(error, request),
        No::Body(BodyFault::TooLarge) => {
            Said::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", BodyFault::TooLarge.to_string())
        }
        No::Body(fault @ BodyFault::TimedOut) => {
            Said::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", fault.to_string())
        }
        No::Body(fault @ BodyFault::Broken) => Said::new(StatusCode::BAD_REQUEST, "malformed", fault.to_string()),
        No::Json(fault) => Said::new(StatusCode::BAD_REQUEST, "malformed", fault.to_string()),
        No::NotAnObject => Said::new(StatusCode::BAD_REQUEST, "malformed", "the body is no JSON object"),
        No::ContentType => {
            Said::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "the body must be application/json")
        }
        No::Key(fault) => params(vec![Fault::new("Idempotency-Key", fault.to_string())]),
        No::Params(faults) => params(faults),
        No::TooMany(TooMany { retry_after_s }) => too_many(retry_after_s),
        No::Power(failure) => power(&failure),
        No::Failed(failure) => failed(&failure, request),
    };
    said.response()
}

fn params(faults: Vec<Fault>) -> Said {
    let message = match faults.as_slice() {
        [one] => format!("{} {}", one.param, one.reason),
        many => format!("{} parameters are at fault", many.len()),
    };
    Said { params: faults, ..Said::new(StatusCode::BAD_REQUEST, "invalid_params", message) }
}

fn too_many(retry_after_s: u64) -> Said {
    let message = format!("too many; try again in {retry_after_s} seconds");
    Said::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message).retry(retry_after_s)
}

fn caller(error: CallerError, request: &Request) -> Said {
    let unauthorized = |code, message| Said::new(StatusCode::UNAUTHORIZED, code, message);
    match error {
        CallerError::Missing => {
            unauthorized("unauthenticated", "an Authorization header with a Bearer token is needed")
        }
        CallerError::Malformed => {
            unauthorized("unauthenticated", "the Authorization header is not `Bearer TOKEN`, once")
        }
        CallerError::Unknown => unauthorized("unauthenticated", "the token is unknown or revoked"),
        CallerError::Expired => unauthorized("session_expired", "the session has ended"),
        CallerError::BadTenant => params(vec![Fault::new("tenant", "must be one name, 1 to 32 of a-z, 0-9 and -")]),
        CallerError::Unavailable(failure) => failed(&failure, request),
    }
}

fn power(failure: &PowerFailure) -> Said {
    let message = failure.to_string();
    match failure {
        PowerFailure::Unknown(_) => Said::new(StatusCode::NOT_FOUND, "not_found", message),
        PowerFailure::NotNow(_) => Said::new(StatusCode::CONFLICT, "not_now", message),
        PowerFailure::Failed(_) => crashed(),
    }
}

fn failed(failure: &Failure, request: &Request) -> Said {
    arrival(request).report(failure);
    match failure {
        Failure::Refused(refusal) => refusal_said(refusal),
        Failure::KeyReused => Said::new(StatusCode::CONFLICT, "idempotency_key_reused", failure.to_string()),
        Failure::Nobody => caller(CallerError::Unknown, request),
        Failure::Unavailable(why) => unavailable(*why),
        Failure::Internal(_) => crashed(),
    }
}

fn crashed() -> Said {
    Said::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "something unexpected happened; the request id finds it in the service's log",
    )
}

fn unavailable(why: Unavailable) -> Said {
    let after = match why {
        Unavailable::Busy { retry_after_s } => retry_after_s,
        Unavailable::DiskFull | Unavailable::Clock => 60,
        Unavailable::OutcomeUnknown | Unavailable::ViewsBehind | Unavailable::Stopping => RETRY_AFTER_S,
    };
    let code = match why {
        Unavailable::OutcomeUnknown => "outcome_unknown",
        Unavailable::Busy { .. }
        | Unavailable::DiskFull
        | Unavailable::Clock
        | Unavailable::ViewsBehind
        | Unavailable::Stopping => "unavailable",
    };
    Said::new(StatusCode::SERVICE_UNAVAILABLE, code, why.to_string()).retry(after)
}

fn refusal_said(refusal: &Refusal) -> Said {
    let said = |status, code| Said::new(status, code, refusal.to_string());
    match refusal {
        Refusal::NotFound(_) => said(StatusCode::NOT_FOUND, "not_found"),
        Refusal::NotPermitted => said(StatusCode::FORBIDDEN, "not_permitted"),
        Refusal::UsersOnly => said(StatusCode::FORBIDDEN, "users_only"),
        Refusal::Invalid(faults) => params(faults.clone()),
        Refusal::AlreadyPending { .. } => said(StatusCode::CONFLICT, "already_pending"),
        Refusal::AlreadyMember => said(StatusCode::CONFLICT, "already_member"),
        Refusal::AlreadyAccepted => said(StatusCode::CONFLICT, "already_accepted"),
        Refusal::IdTaken => said(StatusCode::CONFLICT, "id_taken"),
        Refusal::EmployeeAddressTaken => said(StatusCode::CONFLICT, "employee_address_taken"),
        Refusal::AccountExists => said(StatusCode::CONFLICT, "account_exists"),
        Refusal::NameTaken => said(StatusCode::CONFLICT, "name_taken"),
        Refusal::NotPending(_) => said(StatusCode::CONFLICT, "not_pending"),
        Refusal::WrongCode => said(StatusCode::BAD_REQUEST, "wrong_code"),
        Refusal::Locked => said(StatusCode::LOCKED, "locked"),
        Refusal::InviterMayNot => said(StatusCode::FORBIDDEN, "inviter_may_not"),
        Refusal::AddressNotProven => said(StatusCode::FORBIDDEN, "address_not_proven"),
        Refusal::InvitingDisabled => said(StatusCode::FORBIDDEN, "inviting_disabled"),
        Refusal::TooSoon { retry_after_s } => too_many(*retry_after_s),
    }
}

/// The answer to what reached no operation.
pub(super) fn trouble(trouble: &Trouble) -> Response {
    let said = match trouble {
        Trouble::NoRoute => Said::new(StatusCode::NOT_FOUND, "no_route", "there is no such route under /api/ledger/"),
        Trouble::Method => {
            Said::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this route has no such method; see Allow")
        }
        Trouble::Unreadable => Said::new(StatusCode::BAD_REQUEST, "malformed", "a header is not UTF-8"),
        Trouble::Overloaded { retry_after_s } => {
            Said::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "too many requests are being answered")
                .retry(*retry_after_s)
        }
        Trouble::Crashed => crashed(),
    };
    said.response()
}
