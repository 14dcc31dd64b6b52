//! What this dialect refuses, and how: `{"code", "message", "details"}`.

use super::answer::{self, Media};
use super::csrf::CsrfFault;
use crate::wire::{BodyFault, CallerError, JsonFault, KeyFault, arrival};
use domain::{Failure, Refusal, Unavailable};
use identity::TooMany;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, Response};
use serde_json::{Value, json};

/// Seconds after which an unavailable ledger is worth another try.
const RETRY_AFTER_S: u64 = 1;

/// A parameter at fault. The value is named only where the caller sent a list
/// and must find it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    pub param: String,
    pub value: Option<String>,
    pub reason: String,
}

impl Detail {
    pub fn new(param: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { param: param.into(), value: None, reason: reason.into() }
    }

    fn encode(&self) -> Value {
        match &self.value {
            Some(value) => json!({"param": self.param, "value": value, "reason": self.reason}),
            None => json!({"param": self.param, "reason": self.reason}),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("none of the media types in Accept can be given")]
    NotAcceptable,
    #[error("the Content-Type is none of the five media types for JSON")]
    UnsupportedMediaType,
    #[error(transparent)]
    Body(#[from] BodyFault),
    #[error(transparent)]
    Json(#[from] JsonFault),
    #[error("the body is no JSON object")]
    NotAnObject,
    #[error("some parameters are at fault")]
    Parameters(Vec<Detail>),
    #[error(transparent)]
    Key(#[from] KeyFault),
    #[error(transparent)]
    Csrf(#[from] CsrfFault),
    #[error("requests from other sites are not taken")]
    ForeignOrigin,
    #[error("the session is over: log in again")]
    SessionEnded,
    #[error("the token is unknown or revoked")]
    UnknownToken,
    #[error("the Authorization header is not `Bearer` and a token")]
    MalformedToken,
    #[error("address or password is wrong")]
    LogInRefused,
    #[error(transparent)]
    TooMany(#[from] TooMany),
    #[error("there is no such business")]
    NoBusiness,
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.into())
    }
}

impl From<CallerError> for Fault {
    fn from(error: CallerError) -> Self {
        match error {
            CallerError::Missing => Self::Csrf(CsrfFault::NoSession),
            CallerError::Malformed => Self::MalformedToken,
            CallerError::Unknown => Self::UnknownToken,
            CallerError::Expired => Self::SessionEnded,
            CallerError::BadTenant => Self::Parameters(vec![Detail::new("tenant", "is no tenant's name")]),
            CallerError::Unavailable(failure) => Self::Failed(failure),
        }
    }
}

/// Status, code and when to try again.
struct Word {
    status: StatusCode,
    code: &'static str,
    retry_after_s: Option<u64>,
}

fn word(status: StatusCode, code: &'static str) -> Word {
    Word { status, code, retry_after_s: None }
}

fn later(status: StatusCode, code: &'static str, seconds: u64) -> Word {
    Word { status, code, retry_after_s: Some(seconds) }
}

impl Fault {
    pub fn answer(&self, media: Media, request: &Request) -> Response {
        if let Self::Failed(failure) = self {
            arrival(request).report(failure);
        }
        let Word { status, code, retry_after_s } = self.word();
        let mut response = refusal(media, request, (status, code), &self.to_string(), &self.details());
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// Status and body, as the document shows it.
    pub fn example(&self) -> (u16, Value) {
        let Word { status, code, .. } = self.word();
        (status.as_u16(), body(code, &self.to_string(), &self.details()))
    }

    fn details(&self) -> Vec<Detail> {
        match self {
            Self::Parameters(details) => details.clone(),
            Self::Failed(Failure::Refused(Refusal::Invalid(faults))) => {
                faults.iter().map(|fault| Detail::new(&fault.param, &fault.reason)).collect()
            }
            Self::Key(fault) => vec![Detail::new("Idempotency-Key", fault.to_string())],
            Self::NotAcceptable
            | Self::UnsupportedMediaType
            | Self::Body(_)
            | Self::Json(_)
            | Self::NotAnObject
            | Self::Csrf(_)
            | Self::ForeignOrigin
            | Self::SessionEnded
            | Self::UnknownToken
            | Self::MalformedToken
            | Self::LogInRefused
            | Self::TooMany(_)
            | Self::NoBusiness
            | Self::Failed(_) => vec![],
        }
    }

    fn word(&self) -> Word {
        match self {
            Self::NotAcceptable => word(StatusCode::NOT_ACCEPTABLE, "not-acceptable"),
            Self::UnsupportedMediaType => word(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"),
            Self::Body(BodyFault::TooLarge) => word(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large"),
            Self::Body(BodyFault::TimedOut | BodyFault::Broken) => word(StatusCode::BAD_REQUEST, "incomplete-body"),
            Self::Json(_) | Self::NotAnObject => word(StatusCode::BAD_REQUEST, "malformed-json"),
            Self::Parameters(_) | Self::Key(_) => word(StatusCode::BAD_REQUEST, "invalid-parameters"),
            Self::Csrf(CsrfFault::NoSession | CsrfFault::Ambiguous)
            | Self::SessionEnded
            | Self::UnknownToken
            | Self::MalformedToken => word(StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Csrf(CsrfFault::Missing) => word(StatusCode::UNAUTHORIZED, "csrf-token-missing"),
            Self::Csrf(CsrfFault::Wrong) => word(StatusCode::UNAUTHORIZED, "csrf-token-invalid"),
            Self::LogInRefused => word(StatusCode::UNAUTHORIZED, "log-in-refused"),
            Self::ForeignOrigin => word(StatusCode::FORBIDDEN, "foreign-origin"),
            Self::TooMany(limit) => later(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", limit.retry_after_s),
            Self::NoBusiness => word(StatusCode::NOT_FOUND, "not-found"),
            Self::Failed(failure) => of_failure(failure),
        }
    }
}

fn of_failure(failure: &Failure) -> Word {
    match failure {
        Failure::Refused(refusal) => of_refusal(refusal),
        Failure::KeyReused => word(StatusCode::BAD_REQUEST, "idempotency-key-reused"),
        Failure::Nobody => Fault::UnknownToken.word(),
        Failure::Unavailable(Unavailable::Busy { retry_after_s }) => {
            later(StatusCode::SERVICE_UNAVAILABLE, "unavailable", *retry_after_s)
        }
        Failure::Unavailable(Unavailable::OutcomeUnknown) => {
            later(StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown", RETRY_AFTER_S)
        }
        Failure::Unavailable(
            Unavailable::DiskFull | Unavailable::Clock | Unavailable::ViewsBehind | Unavailable::Stopping,
        ) => later(StatusCode::SERVICE_UNAVAILABLE, "unavailable", RETRY_AFTER_S),
        Failure::Internal(_) => word(StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

/// The refusal table. One quirk is the document's: inviting switched off is 401.
fn of_refusal(refusal: &Refusal) -> Word {
    match refusal {
        Refusal::NotFound(_) => word(StatusCode::NOT_FOUND, "not-found"),
        Refusal::InvitingDisabled => word(StatusCode::UNAUTHORIZED, "inviting-disabled"),
        Refusal::NotPermitted => word(StatusCode::FORBIDDEN, "forbidden"),
        Refusal::UsersOnly => word(StatusCode::FORBIDDEN, "users-only"),
        Refusal::InviterMayNot => word(StatusCode::FORBIDDEN, "inviter-may-not"),
        Refusal::AddressNotProven => word(StatusCode::FORBIDDEN, "address-not-proven"),
        Refusal::Invalid(_) => word(StatusCode::BAD_REQUEST, "invalid-parameters"),
        Refusal::WrongCode => word(StatusCode::BAD_REQUEST, "wrong-code"),
        Refusal::AlreadyPending { .. } => word(StatusCode::CONFLICT, "already-pending"),
        Refusal::AlreadyMember => word(StatusCode::CONFLICT, "already-member"),
        Refusal::AlreadyAccepted => word(StatusCode::CONFLICT, "already-accepted"),
        Refusal::IdTaken => word(StatusCode::CONFLICT, "id-taken"),
        Refusal::EmployeeAddressTaken => word(StatusCode::CONFLICT, "employee-address-taken"),
        Refusal::AccountExists => word(StatusCode::CONFLICT, "account-exists"),
        Refusal::NameTaken => word(StatusCode::CONFLICT, "name-taken"),
        Refusal::NotPending(_) => word(StatusCode::CONFLICT, "not-pending"),
        Refusal::Locked => word(StatusCode::CONFLICT, "locked"),
        Refusal::TooSoon { retry_after_s } => later(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", *retry_after_s),
    }
}

/// A refusal on the wire.
pub fn refusal(
    media: Media,
    request: &Request,
    (status, code): (StatusCode, &str),
    message: &str,
    details: &[Detail],
) -> Response {
    answer::encoded(media, arrival(request).at, status, &body(code, message, details))
}

fn body(code: &str, message: &str, details: &[Detail]) -> Value {
    let details: Vec<Value> = details.iter().map(Detail::encode).collect();
    json!({"code": code, "message": message, "details": details})
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::What;

    fn of(fault: impl Into<Fault>) -> (u16, &'static str) {
        let Word { status, code, .. } = fault.into().word();
        (status.as_u16(), code)
    }

    #[test]
    fn the_documents_own_401s() {
        assert_eq!(of(Refusal::InvitingDisabled), (401, "inviting-disabled"));
        assert_eq!(of(CsrfFault::Missing), (401, "csrf-token-missing"));
        assert_eq!(of(CsrfFault::Wrong), (401, "csrf-token-invalid"));
        assert_eq!(of(CallerError::Missing), (401, "unauthorized"));
        assert_eq!(of(CallerError::Expired), (401, "unauthorized"));
    }

    #[test]
    fn what_is_foreign_and_what_is_unknown_are_one_answer() {
        assert_eq!(of(Refusal::NotFound(What::Tenant)), of(Fault::NoBusiness));
        assert_eq!(of(Fault::NoBusiness), (404, "not-found"));
    }

    #[test]
    fn each_malformed_address_is_named_with_its_place() {
        let detail = Detail { value: Some("jane".into()), ..Detail::new("EmailAddresses[1]", "is blank") };
        assert_eq!(detail.encode(), json!({"param": "EmailAddresses[1]", "value": "jane", "reason": "is blank"}));
        let fault = Fault::from(Refusal::invalid("InvitedUserValidDays", "must be 1 to 365"));
        assert_eq!(fault.details(), [Detail::new("InvitedUserValidDays", "must be 1 to 365")]);
    }
}
