//! What the link's routes refuse, and how they say it.

use domain::{Failure, Refusal, Unavailable, told};
use identity::{AuthError, PasswordError, TooMany};
use poem::Response;
use poem::http::{StatusCode, header};
use serde::Serialize;
use uuid::Uuid;

/// Seconds after which an unavailable ledger is worth another try.
const RETRY_AFTER_S: u64 = 1;

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("requests from other sites are not taken")]
    ForeignOrigin,
    #[error("the content type must be application/json")]
    NotJson,
    #[error("compressed bodies are not taken")]
    Packed,
    #[error("the body is larger than 64 KiB")]
    TooLarge,
    #[error("the body cannot be read: {0}")]
    Body(String),
    #[error("log in first")]
    NoSession,
    #[error("the CSRF token is not this session's")]
    WrongCsrf,
    #[error("a newer mail has been sent; its link is the good one")]
    LinkReplaced,
    #[error(transparent)]
    TooMany(#[from] TooMany),
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.into())
    }
}

impl From<AuthError> for Fault {
    fn from(fault: AuthError) -> Self {
        match fault {
            AuthError::Unknown | AuthError::Expired => Self::NoSession,
            AuthError::Unavailable(failure) => Self::Failed(failure),
        }
    }
}

impl From<PasswordError> for Fault {
    fn from(fault: PasswordError) -> Self {
        match fault {
            PasswordError::TooShort | PasswordError::TooLong => Refusal::invalid("password", fault.to_string()).into(),
            PasswordError::Unavailable(failure) => Self::Failed(failure),
        }
    }
}

/// A refusal on the wire.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Body {
    code: String,
    message: String,
    details: Vec<Detail>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Detail {
    param: String,
    reason: String,
}

/// Status, code and when to try again.
struct Word {
    status: StatusCode,
    code: String,
    retry_after_s: Option<u64>,
}

fn word(status: StatusCode, code: impl Into<String>) -> Word {
    Word { status, code: code.into(), retry_after_s: None }
}

fn later(status: StatusCode, code: &str, seconds: u64) -> Word {
    Word { status, code: code.to_owned(), retry_after_s: Some(seconds) }
}

impl Fault {
    /// Writes down, once, what broke; callers learn the request id only.
    pub fn report(&self, request_id: Uuid, what: &'static str) {
        match self {
            Self::Failed(failure @ Failure::Internal(_)) => {
                tracing::error!(%request_id, failure = told(failure), what, "internal failure");
            }
            Self::Failed(Failure::Unavailable(why)) => tracing::warn!(%request_id, %why, what, "not available"),
            Self::Failed(Failure::Refused(_) | Failure::KeyReused | Failure::Nobody)
            | Self::ForeignOrigin
            | Self::NotJson
            | Self::Packed
            | Self::TooLarge
            | Self::Body(_)
            | Self::NoSession
            | Self::WrongCsrf
            | Self::LinkReplaced
            | Self::TooMany(_) => {}
        }
    }

    pub fn answer(self, request_id: Uuid) -> Response {
        let word = self.word();
        self.report(request_id, "a link could not be answered");
        // A link that is not there answers like a wrong code.
        let message = if matches!(&self, Self::Failed(Failure::Refused(Refusal::NotFound(_)))) {
            Refusal::WrongCode.to_string()
        } else {
            self.to_string()
        };
        let details = if let Self::Failed(Failure::Refused(Refusal::Invalid(faults))) = self {
            faults.into_iter().map(|f| Detail { param: f.param, reason: f.reason }).collect()
        } else {
            vec![]
        };
        let text = serde_json::to_vec(&Body { code: word.code, message, details }).unwrap_or_default();
        let mut response = Response::builder().status(word.status).content_type("application/json");
        if let Some(seconds) = word.retry_after_s {
            response = response.header(header::RETRY_AFTER, seconds);
        }
        response.body(text)
    }

    fn word(&self) -> Word {
        match self {
            Self::ForeignOrigin => word(StatusCode::FORBIDDEN, "foreign-origin"),
            Self::NotJson | Self::Packed => word(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"),
            Self::TooLarge => word(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large"),
            Self::Body(_) => word(StatusCode::BAD_REQUEST, "malformed"),
            Self::NoSession | Self::WrongCsrf => word(StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::LinkReplaced => word(StatusCode::BAD_REQUEST, "link-replaced"),
            Self::TooMany(limit) => later(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", limit.retry_after_s),
            Self::Failed(failure) => of_failure(failure),
        }
    }
}

fn of_failure(failure: &Failure) -> Word {
    match failure {
        Failure::Refused(refusal) => of_refusal(refusal),
        Failure::KeyReused => word(StatusCode::BAD_REQUEST, "idempotency-key-reused"),
        Failure::Nobody => word(StatusCode::UNAUTHORIZED, "unauthorized"),
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

fn of_refusal(refusal: &Refusal) -> Word {
    match refusal {
        // An unknown link is told like a wrong secret: links cannot be probed.
        Refusal::NotFound(_) | Refusal::WrongCode => word(StatusCode::BAD_REQUEST, "wrong-code"),
        Refusal::Invalid(_) => word(StatusCode::BAD_REQUEST, "invalid"),
        Refusal::NotPermitted | Refusal::InvitingDisabled => word(StatusCode::FORBIDDEN, "forbidden"),
        Refusal::UsersOnly => word(StatusCode::FORBIDDEN, "users-only"),
        Refusal::InviterMayNot => word(StatusCode::FORBIDDEN, "inviter-may-not"),
        Refusal::AddressNotProven => word(StatusCode::FORBIDDEN, "address-not-proven"),
        Refusal::AccountExists => word(StatusCode::CONFLICT, "account-exists"),
        Refusal::AlreadyPending { .. }
        | Refusal::AlreadyMember
        | Refusal::AlreadyAccepted
        | Refusal::IdTaken
        | Refusal::EmployeeAddressTaken
        | Refusal::NameTaken => word(StatusCode::CONFLICT, "conflict"),
        Refusal::NotPending(state) => word(StatusCode::GONE, format!("invitation-{state}")),
        Refusal::Locked => word(StatusCode::LOCKED, "locked"),
        Refusal::TooSoon { retry_after_s } => later(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", *retry_after_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::What;
    use domain::invitation::State;

    async fn shown(fault: Fault) -> (u16, Option<String>, serde_json::Value) {
        let response = fault.answer(Uuid::nil());
        let status = response.status().as_u16();
        let retry = response.header("retry-after").map(str::to_owned);
        (status, retry, response.into_body().into_json().await.unwrap())
    }

    #[tokio::test]
    async fn an_unknown_link_and_a_wrong_code_are_one_answer() {
        let unknown = shown(Refusal::NotFound(What::Invitation).into()).await;
        assert_eq!(unknown, shown(Refusal::WrongCode.into()).await);
        assert_eq!(unknown.0, 400);
        assert_eq!(unknown.2, serde_json::json!({"code": "wrong-code", "message": "the code is wrong", "details": []}));
    }

    #[tokio::test]
    async fn each_end_of_an_invitation_has_its_own_word() {
        let word = |state| async move { shown(Refusal::NotPending(state).into()).await };
        for (state, code) in [
            (State::Accepted, "invitation-accepted"),
            (State::Cancelled, "invitation-cancelled"),
            (State::Declined, "invitation-declined"),
            (State::Expired, "invitation-expired"),
        ] {
            let (status, _, body) = word(state).await;
            assert_eq!((status, body["code"].as_str()), (410, Some(code)));
        }
        assert_eq!(shown(Refusal::Locked.into()).await.0, 423);
        assert_eq!(shown(Refusal::AccountExists.into()).await.0, 409);
    }

    #[tokio::test]
    async fn what_is_inside_stays_inside() {
        let (status, _, body) = shown(Failure::internal("secret words").into()).await;
        assert_eq!(status, 500);
        assert_eq!(body, serde_json::json!({"code": "internal", "message": "internal failure", "details": []}));
    }

    #[tokio::test]
    async fn who_must_wait_is_told_how_long() {
        let (status, retry, _) = shown(TooMany { retry_after_s: 7 }.into()).await;
        assert_eq!((status, retry.as_deref()), (429, Some("7")));
        let (status, retry, body) = shown(Failure::from(Unavailable::OutcomeUnknown).into()).await;
        assert_eq!((status, retry.as_deref(), body["code"].as_str()), (503, Some("1"), Some("outcome-unknown")));
    }

    #[tokio::test]
    async fn faults_of_parameters_are_named() {
        let (status, _, body) = shown(Refusal::invalid("name", "is blank").into()).await;
        assert_eq!(status, 400);
        assert_eq!(body["details"], serde_json::json!([{"param": "name", "reason": "is blank"}]));
    }
}
