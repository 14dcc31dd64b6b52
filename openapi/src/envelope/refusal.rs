//! What the envelope dialect answers when it does not do what was asked: the
//! table from the domain's refusals to statuses, parameters and words.
//!
//! Matched without a wildcard, so that a new refusal of the domain is answered
//! here before the program builds again. No internal text leaves this file.

use super::slug::Slug;
use domain::{Failure, Fault, Refusal, Unavailable, What};
use serde_json::{Map, Value, json};

/// Seconds after which a call that met an unavailable ledger may try again.
const RETRY_AFTER_S: u64 = 1;
/// Seconds a full disk or a wrong clock will need at least: somebody has to come.
const RETRY_AFTER_OPERATOR_S: u64 = 30;

/// A refusal of this dialect, ready to be encoded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    pub slug: Slug,
    pub message: String,
    pub errors: Vec<Fault>,
    /// `client-required` alone carries one.
    pub session: Option<Value>,
    pub retry_after_s: Option<u64>,
}

impl Refused {
    pub(super) fn new(slug: Slug) -> Self {
        Self::saying(slug, slug.message())
    }

    pub(super) fn saying(slug: Slug, message: impl Into<String>) -> Self {
        Self { slug, message: message.into(), errors: vec![], session: None, retry_after_s: None }
    }

    /// One parameter at fault.
    pub(super) fn param(param: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::params(vec![Fault::new(param, reason)])
    }

    /// All parameters at fault. Whoever left one out is told so first.
    pub(super) fn params(errors: Vec<Fault>) -> Self {
        let missing = errors.iter().any(|fault| fault.reason == MISSING);
        let slug = if missing { Slug::MissingParam } else { Slug::InvalidParam };
        Self { errors, ..Self::new(slug) }
    }

    pub(super) fn client_required(session: Value) -> Self {
        Self { session: Some(session), ..Self::new(Slug::ClientRequired) }
    }

    pub(super) fn later(slug: Slug, retry_after_s: u64) -> Self {
        Self { retry_after_s: Some(retry_after_s.max(1)), ..Self::new(slug) }
    }

    /// The body of the answer.
    pub(super) fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("status".into(), self.slug.name().into());
        body.insert("message".into(), self.message.as_str().into());
        if !self.errors.is_empty() {
            let errors = self.errors.iter().map(|f| json!({"param": f.param, "reason": f.reason})).collect();
            body.insert("errors".into(), Value::Array(errors));
        }
        if let Some(session) = &self.session {
            body.insert("session".into(), session.clone());
        }
        Value::Object(body)
    }
}

/// The reason that makes a fault `missing-param`.
pub(super) const MISSING: &str = "is missing";
/// Unknown here and belonging to somebody else are the same.
pub(super) const NOT_THERE: &str = "does not exist";

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound(what) => Self::param(param_of(what), NOT_THERE),
            Refusal::NotPermitted | Refusal::InviterMayNot | Refusal::AddressNotProven | Refusal::InvitingDisabled => {
                Self::new(Slug::PermissionDenied)
            }
            Refusal::UsersOnly => Self::saying(Slug::PermissionDenied, "Only a logged-in user can do that."),
            Refusal::Invalid(faults) => Self::params(faults),
            Refusal::AlreadyPending { invitation: _ } => Self::param("email", "has a pending invitation already"),
            Refusal::AlreadyMember => Self::param("email", "belongs to a member already"),
            Refusal::AlreadyAccepted => Self::param("email", "has accepted an invitation already"),
            Refusal::IdTaken => Self::param("id", "is in use"),
            Refusal::EmployeeAddressTaken => Self::param("email", "belongs to another active employee"),
            Refusal::AccountExists => Self::param("email", "has an account"),
            Refusal::NameTaken => Self::param("name", "is taken"),
            Refusal::NotPending(state) => Self::param("id", format!("names an invitation that is {state}")),
            Refusal::WrongCode => Self::param("code", "is wrong"),
            Refusal::Locked => Self::param("code", "was wrong too often; the invitation must be sent again"),
            Refusal::TooSoon { retry_after_s } => Self::later(Slug::TooManyRequests, retry_after_s),
        }
    }
}

/// Where in this dialect's requests a thing is named.
fn param_of(what: What) -> &'static str {
    match what {
        What::Tenant => "tenant",
        What::User => "user_id",
        What::Organization | What::Integration | What::Invitation | What::Employee | What::Application | What::Mail => {
            "id"
        }
    }
}

impl From<Unavailable> for Refused {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Busy { retry_after_s } => Self::later(Slug::ServiceUnavailable, retry_after_s),
            Unavailable::ViewsBehind | Unavailable::Stopping => Self::later(Slug::ServiceUnavailable, RETRY_AFTER_S),
            Unavailable::DiskFull | Unavailable::Clock => Self::later(Slug::ServiceUnavailable, RETRY_AFTER_OPERATOR_S),
            Unavailable::OutcomeUnknown => Self {
                message: "It is not known whether this was done. Repeat the request with the same Idempotency-Key."
                    .to_owned(),
                ..Self::later(Slug::ServiceUnavailable, RETRY_AFTER_S)
            },
        }
    }
}

/// What broke is not told; `Call` writes it to the log, under the request's id.
impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::KeyReused => Self::param("Idempotency-Key", "was used with another body"),
            Failure::Nobody => Self::new(Slug::InvalidToken),
            Failure::Unavailable(unavailable) => unavailable.into(),
            Failure::Internal(_) => Self::new(Slug::ApplicationCrash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::invitation::State;
    use uuid::Uuid;

    fn answer(failure: impl Into<Failure>) -> (u16, &'static str, Vec<(String, String)>) {
        let refused = Refused::from(failure.into());
        let errors = refused.errors.into_iter().map(|f| (f.param, f.reason)).collect();
        (refused.slug.http().as_u16(), refused.slug.name(), errors)
    }

    fn at(param: &str, reason: &str) -> (u16, &'static str, Vec<(String, String)>) {
        (400, "invalid-param", vec![(param.into(), reason.into())])
    }

    #[test]
    fn every_refusal_has_its_answer() {
        let denied = || (403, "permission-denied", vec![]);
        assert_eq!(answer(Refusal::NotFound(What::Integration)), at("id", "does not exist"));
        assert_eq!(answer(Refusal::NotFound(What::Employee)), at("id", "does not exist"));
        assert_eq!(answer(Refusal::NotFound(What::Tenant)), at("tenant", "does not exist"));
        assert_eq!(answer(Refusal::NotFound(What::User)), at("user_id", "does not exist"));
        for refusal in [
            Refusal::NotPermitted,
            Refusal::UsersOnly,
            Refusal::InviterMayNot,
            Refusal::AddressNotProven,
            Refusal::InvitingDisabled,
        ] {
            assert_eq!(answer(refusal), denied());
        }
        assert_eq!(answer(Refusal::invalid("company_name", "is bad")), at("company_name", "is bad"));
        let pending = Refusal::AlreadyPending { invitation: Uuid::nil() };
        assert_eq!(answer(pending), at("email", "has a pending invitation already"));
        assert_eq!(answer(Refusal::AlreadyMember), at("email", "belongs to a member already"));
        assert_eq!(answer(Refusal::AlreadyAccepted), at("email", "has accepted an invitation already"));
        assert_eq!(answer(Refusal::IdTaken), at("id", "is in use"));
        assert_eq!(answer(Refusal::EmployeeAddressTaken), at("email", "belongs to another active employee"));
        assert_eq!(answer(Refusal::AccountExists), at("email", "has an account"));
        assert_eq!(answer(Refusal::NameTaken), at("name", "is taken"));
        let expired = Refusal::NotPending(State::Expired);
        assert_eq!(answer(expired), at("id", "names an invitation that is expired"));
        assert_eq!(answer(Refusal::WrongCode), at("code", "is wrong"));
        assert_eq!(answer(Refusal::Locked), at("code", "was wrong too often; the invitation must be sent again"));
        assert_eq!(answer(Refusal::TooSoon { retry_after_s: 9 }), (429, "too-many-requests", vec![]));
        assert_eq!(answer(Failure::KeyReused), at("Idempotency-Key", "was used with another body"));
    }

    #[test]
    fn what_is_unavailable_says_when_to_come_back() {
        let after = |u: Unavailable| {
            let refused = Refused::from(u);
            assert_eq!(refused.slug, Slug::ServiceUnavailable);
            refused.retry_after_s
        };
        assert_eq!(after(Unavailable::Busy { retry_after_s: 7 }), Some(7));
        assert_eq!(after(Unavailable::Busy { retry_after_s: 0 }), Some(1));
        assert_eq!(after(Unavailable::ViewsBehind), Some(1));
        assert_eq!(after(Unavailable::Stopping), Some(1));
        assert_eq!(after(Unavailable::OutcomeUnknown), Some(1));
        assert_eq!(after(Unavailable::DiskFull), Some(30));
        assert_eq!(after(Unavailable::Clock), Some(30));
    }

    #[test]
    fn internal_text_stays_inside() {
        let refused = Refused::from(Failure::internal("no such table: secrets"));
        assert_eq!(
            refused.body(),
            json!({
                "status": "application-crash",
                "message": "Something went wrong here. Please try again later."
            })
        );
    }

    #[test]
    fn a_missing_parameter_is_named_with_the_invalid_ones_beside_it() {
        let refused = Refused::params(vec![Fault::new("id", "must be an integer"), Fault::new("email", MISSING)]);
        assert_eq!(
            refused.body(),
            json!({
                "status": "missing-param",
                "message": "A required parameter is missing.",
                "errors": [
                    {"param": "id", "reason": "must be an integer"},
                    {"param": "email", "reason": "is missing"},
                ]
            })
        );
    }
}
