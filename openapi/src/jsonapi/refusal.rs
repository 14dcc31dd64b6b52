//! What every "no" of the house is in this dialect.

use super::problem::{At, Problem, Refused};
use crate::wire::{Arrival, BodyFault, CallerError, JsonFault, KeyFault, Trouble};
use domain::{Failure, Fault, Refusal, Unavailable};
use identity::TooMany;
use poem::http::StatusCode;

/// When nothing better is known, a caller may try again after so many seconds.
const RETRY_S: u64 = 1;
/// A full disk needs somebody to do something first.
const DISK_RETRY_S: u64 = 60;
/// A clock that is behind comes right, or somebody sets it right.
const CLOCK_RETRY_S: u64 = 10;

/// What the caller was about: an invitation that is over is a conflict for
/// whoever changes it, and gone for whoever accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Inviting,
    Accepting,
}

pub(super) fn failure(arrival: &Arrival, failure: Failure, about: About) -> Refused {
    arrival.report(&failure);
    match failure {
        Failure::Refused(refusal) => refused(refusal, about),
        Failure::KeyReused => Problem::new(
            StatusCode::CONFLICT,
            "idempotency-key-reused",
            "this Idempotency-Key was used with another request",
        )
        .at(At::Header("Idempotency-Key"))
        .into(),
        Failure::Nobody => unknown_token(),
        Failure::Unavailable(why) => unavailable(why),
        Failure::Internal(_) => crashed(),
    }
}

pub(super) fn refused(refusal: Refusal, about: About) -> Refused {
    let conflict = |code, detail: String| Problem::new(StatusCode::CONFLICT, code, detail);
    let forbidden = |code, detail: String| Problem::new(StatusCode::FORBIDDEN, code, detail);
    let said = refusal.to_string();
    let problem = match refusal {
        Refusal::NotFound(_) => Problem::new(StatusCode::NOT_FOUND, "not-found", said),
        Refusal::NotPermitted => forbidden("forbidden", said),
        Refusal::UsersOnly => forbidden("users-only", said),
        Refusal::Invalid(faults) => return invalid(faults),
        Refusal::AlreadyPending { invitation } => {
            conflict("already-invited", format!("a pending invite of that address exists: {invitation}"))
                .at(At::attribute("recipient_email"))
        }
        Refusal::AlreadyMember => conflict("already-member", said).at(At::attribute("recipient_email")),
        Refusal::AlreadyAccepted => conflict("already-accepted", said).at(At::attribute("recipient_email")),
        Refusal::EmployeeAddressTaken => conflict("address-taken", said).at(At::attribute("recipient_email")),
        Refusal::AccountExists => conflict("account-exists", said).at(At::attribute("recipient_email")),
        Refusal::IdTaken => conflict("id-taken", said).at(At::Pointer("/data/id".to_owned())),
        Refusal::NameTaken => conflict("name-taken", said),
        Refusal::NotPending(_) => match about {
            About::Inviting => conflict("not-pending", said),
            About::Accepting => Problem::new(StatusCode::GONE, "gone", said),
        },
        Refusal::WrongCode => Problem::malformed("wrong-code", said, At::attribute("code")),
        Refusal::Locked => Problem::new(StatusCode::LOCKED, "locked", said),
        Refusal::InviterMayNot => forbidden("inviter-may-not", said),
        Refusal::AddressNotProven => forbidden("address-not-proven", said),
        Refusal::InvitingDisabled => forbidden("inviting-disabled", said),
        Refusal::TooSoon { retry_after_s } => {
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", said);
            return Refused::from(problem).retry_after(retry_after_s);
        }
    };
    problem.into()
}

fn invalid(faults: Vec<Fault>) -> Refused {
    let problem = |fault: Fault| {
        let name = if fault.param == "email" { "recipient_email" } else { fault.param.as_str() };
        Problem::impossible(fault.reason, At::attribute(name))
    };
    Refused { problems: faults.into_iter().map(problem).collect(), retry_after_s: None }
}

pub(super) fn unavailable(why: Unavailable) -> Refused {
    let (retry_after_s, detail) = match why {
        Unavailable::Busy { retry_after_s } => (retry_after_s, "the service has too much to do"),
        Unavailable::DiskFull => (DISK_RETRY_S, "the service cannot write now"),
        Unavailable::Clock => (CLOCK_RETRY_S, "the service cannot write now"),
        Unavailable::OutcomeUnknown => {
            (RETRY_S, "it is not known whether this was written; the same Idempotency-Key settles it")
        }
        Unavailable::ViewsBehind => (RETRY_S, "the lists are behind what was written"),
        Unavailable::Stopping => (RETRY_S, "the service is stopping"),
    };
    let code = if why == Unavailable::OutcomeUnknown { "outcome-unknown" } else { "unavailable" };
    Refused::from(Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)).retry_after(retry_after_s)
}

pub(super) fn too_many(limit: TooMany) -> Refused {
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", limit.to_string());
    Refused::from(problem).retry_after(limit.retry_after_s)
}

pub(super) fn nobody(arrival: &Arrival, error: CallerError) -> Refused {
    match error {
        CallerError::Missing => unauthorized("unauthorized", "a Bearer token is needed"),
        CallerError::Malformed => unauthorized("unauthorized", "the header is not `Bearer <token>`"),
        CallerError::Unknown => unknown_token(),
        CallerError::Expired => unauthorized("session-expired", "the session has ended"),
        CallerError::BadTenant => bad_tenant(),
        CallerError::Unavailable(why) => failure(arrival, why, About::Inviting),
    }
}

fn unauthorized(code: &'static str, detail: &str) -> Refused {
    Problem::new(StatusCode::UNAUTHORIZED, code, detail).at(At::Header("Authorization")).into()
}

pub(super) fn unknown_token() -> Refused {
    unauthorized("unauthorized", "the token is unknown or revoked")
}

pub(super) fn bad_tenant() -> Refused {
    let at = At::Parameter("tenant".to_owned());
    Problem::malformed("invalid-parameter", "must be 1 to 32 of a-z, 0-9 and -", at).into()
}

pub(super) fn body(fault: BodyFault) -> Problem {
    let status = match fault {
        BodyFault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        BodyFault::TimedOut => StatusCode::REQUEST_TIMEOUT,
        BodyFault::Broken => StatusCode::BAD_REQUEST,
    };
    let code = match fault {
        BodyFault::TooLarge => "payload-too-large",
        BodyFault::TimedOut => "request-timeout",
        BodyFault::Broken => "malformed-body",
    };
    Problem::new(status, code, fault.to_string())
}

pub(super) fn json(fault: JsonFault) -> Problem {
    // RFC 6901: the whole document is the empty pointer.
    Problem::malformed("malformed-body", fault.to_string(), At::Pointer(String::new()))
}

pub(super) fn key(fault: KeyFault) -> Problem {
    Problem::malformed("invalid-idempotency-key", fault.to_string(), At::Header("Idempotency-Key"))
}

pub(super) fn trouble(trouble: &Trouble) -> Refused {
    match trouble {
        Trouble::NoRoute => Problem::new(StatusCode::NOT_FOUND, "not-found", "there is no such route").into(),
        Trouble::Method => {
            let detail = "this route has other methods: see Allow";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail).into()
        }
        Trouble::Unreadable => {
            Problem::new(StatusCode::BAD_REQUEST, "malformed-header", "a header is not UTF-8").into()
        }
        Trouble::Overloaded { retry_after_s } => unavailable(Unavailable::Busy { retry_after_s: *retry_after_s }),
        Trouble::Crashed => crashed(),
    }
}

pub(super) fn crashed() -> Refused {
    let detail = "something unexpected happened; X-Request-Id finds it in the service's log";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-error", detail).into()
}

/// A path id that is no id, or an invitation that is not in the organization.
pub(super) fn not_found(what: domain::What) -> Refused {
    refused(Refusal::NotFound(what), About::Inviting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::What;
    use domain::invitation::State;
    use uuid::Uuid;

    #[test]
    fn each_refusal_has_its_status() {
        let status = |refusal| refused(refusal, About::Inviting).status().as_u16();
        let table = [
            (Refusal::NotFound(What::Organization), 404),
            (Refusal::NotPermitted, 403),
            (Refusal::UsersOnly, 403),
            (Refusal::invalid("email", "is blank"), 422),
            (Refusal::AlreadyPending { invitation: Uuid::nil() }, 409),
            (Refusal::AlreadyMember, 409),
            (Refusal::AlreadyAccepted, 409),
            (Refusal::IdTaken, 409),
            (Refusal::EmployeeAddressTaken, 409),
            (Refusal::AccountExists, 409),
            (Refusal::NameTaken, 409),
            (Refusal::NotPending(State::Accepted), 409),
            (Refusal::WrongCode, 400),
            (Refusal::Locked, 423),
            (Refusal::InviterMayNot, 403),
            (Refusal::AddressNotProven, 403),
            (Refusal::InvitingDisabled, 403),
            (Refusal::TooSoon { retry_after_s: 7 }, 429),
        ];
        for (refusal, expected) in table {
            assert_eq!(status(refusal.clone()), expected, "{refusal:?}");
        }
    }

    #[test]
    fn what_is_over_is_gone_for_whoever_accepts_it() {
        for state in [State::Accepted, State::Cancelled, State::Declined, State::Expired] {
            assert_eq!(refused(Refusal::NotPending(state), About::Accepting).status(), 410, "{state}");
        }
    }

    #[test]
    fn a_fault_of_the_domain_points_at_the_documents_own_name() {
        let refused = refused(Refusal::invalid("email", "is blank"), About::Inviting);
        assert_eq!(refused.problems[0].at, Some(At::attribute("recipient_email")));
    }

    #[test]
    fn whoever_must_wait_learns_how_long() {
        assert_eq!(refused(Refusal::TooSoon { retry_after_s: 7 }, About::Inviting).retry_after_s, Some(7));
        assert_eq!(too_many(TooMany { retry_after_s: 0 }).retry_after_s, Some(1));
        for why in [
            Unavailable::Busy { retry_after_s: 3 },
            Unavailable::DiskFull,
            Unavailable::Clock,
            Unavailable::OutcomeUnknown,
            Unavailable::ViewsBehind,
            Unavailable::Stopping,
        ] {
            let refused = unavailable(why);
            assert_eq!(refused.status(), 503, "{why:?}");
            assert!(refused.retry_after_s.is_some_and(|s| s >= 1), "{why:?}");
        }
    }

    #[test]
    fn every_trouble_has_its_status() {
        let status = |t: Trouble| trouble(&t).status().as_u16();
        assert_eq!(status(Trouble::NoRoute), 404);
        assert_eq!(status(Trouble::Method), 405);
        assert_eq!(status(Trouble::Unreadable), 400);
        assert_eq!(status(Trouble::Overloaded { retry_after_s: 1 }), 503);
        assert_eq!(status(Trouble::Crashed), 500);
    }
}
