//! The words of the envelope dialect: every `status` it can answer with, and
//! its HTTP status. The table is closed; the document and the answers are both
//! made from it.

use poem::http::StatusCode;

/// The member `status` of every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slug {
    ActionSuccessful,
    MissingParam,
    InvalidParam,
    InvalidContentType,
    NoParamsDecoded,
    InvalidEncodedParams,
    InvalidToken,
    SessionExpired,
    ClientRequired,
    PermissionDenied,
    RouteNotFound,
    ServiceNotFound,
    MethodNotAllowed,
    NotAcceptable,
    PayloadTooLarge,
    TooManyRequests,
    ApplicationCrash,
    MandrillEmailFailed,
    RouteNonExistent,
    IdentifyRequestError,
    ServiceUnavailable,
}

impl Slug {
    pub(super) const ALL: [Self; 21] = [
        Self::ActionSuccessful,
        Self::MissingParam,
        Self::InvalidParam,
        Self::InvalidContentType,
        Self::NoParamsDecoded,
        Self::InvalidEncodedParams,
        Self::InvalidToken,
        Self::SessionExpired,
        Self::ClientRequired,
        Self::PermissionDenied,
        Self::RouteNotFound,
        Self::ServiceNotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::PayloadTooLarge,
        Self::TooManyRequests,
        Self::ApplicationCrash,
        Self::MandrillEmailFailed,
        Self::RouteNonExistent,
        Self::IdentifyRequestError,
        Self::ServiceUnavailable,
    ];

    /// As it stands in the answer.
    pub(super) fn name(self) -> &'static str {
        self.row().0
    }

    pub(super) fn http(self) -> StatusCode {
        self.row().1
    }

    /// What people are told when nothing more exact is known.
    pub(super) fn message(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::ActionSuccessful => ("action-successful", StatusCode::OK, "The request was successful."),
            Self::MissingParam => ("missing-param", StatusCode::BAD_REQUEST, "A required parameter is missing."),
            Self::InvalidParam => ("invalid-param", StatusCode::BAD_REQUEST, "A parameter is invalid."),
            Self::InvalidContentType => {
                ("invalid-content-type", StatusCode::BAD_REQUEST, "The content type of the request cannot be read.")
            }
            Self::NoParamsDecoded => {
                ("no-params-decoded", StatusCode::BAD_REQUEST, "The body was decoded, but holds no parameters.")
            }
            Self::InvalidEncodedParams => {
                ("invalid-encoded-params", StatusCode::BAD_REQUEST, "The body could not be decoded.")
            }
            Self::InvalidToken => ("invalid-token", StatusCode::UNAUTHORIZED, "The token is unknown or revoked."),
            Self::SessionExpired => {
                ("session-expired", StatusCode::UNAUTHORIZED, "The session has ended; log in again.")
            }
            Self::ClientRequired => (
                "client-required",
                StatusCode::UNAUTHORIZED,
                "This user has no client, employee or liaison record; register as a client.",
            ),
            Self::PermissionDenied => ("permission-denied", StatusCode::FORBIDDEN, "This caller may not do that."),
            Self::RouteNotFound => ("route-not-found", StatusCode::NOT_FOUND, "This route is not deployed here."),
            Self::ServiceNotFound => ("service-not-found", StatusCode::NOT_FOUND, "This service is not deployed here."),
            Self::MethodNotAllowed => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "This route takes POST requests only.")
            }
            Self::NotAcceptable => {
                ("not-acceptable", StatusCode::NOT_ACCEPTABLE, "Answers are application/json, which Accept excludes.")
            }
            Self::PayloadTooLarge => {
                ("payload-too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 64 KiB.")
            }
            Self::TooManyRequests => {
                ("too-many-requests", StatusCode::TOO_MANY_REQUESTS, "Too many requests; try again later.")
            }
            Self::ApplicationCrash => (
                "application-crash",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong here. Please try again later.",
            ),
            Self::MandrillEmailFailed => {
                ("mandrill-email-failed", StatusCode::INTERNAL_SERVER_ERROR, "The e-mail could not be sent.")
            }
            Self::RouteNonExistent => {
                ("route-non-existent", StatusCode::INTERNAL_SERVER_ERROR, "There is no such route.")
            }
            Self::IdentifyRequestError => (
                "identify-request-error",
                StatusCode::INTERNAL_SERVER_ERROR,
                "The request could not be read far enough to find its route.",
            ),
            Self::ServiceUnavailable => (
                "service-unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The service cannot do this now; try again later.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_code_the_contract_gives_it() {
        let table: Vec<(&str, u16)> = Slug::ALL.iter().map(|s| (s.name(), s.http().as_u16())).collect();
        assert_eq!(
            table,
            vec![
                ("action-successful", 200),
                ("missing-param", 400),
                ("invalid-param", 400),
                ("invalid-content-type", 400),
                ("no-params-decoded", 400),
                ("invalid-encoded-params", 400),
                ("invalid-token", 401),
                ("session-expired", 401),
                ("client-required", 401),
                ("permission-denied", 403),
                ("route-not-found", 404),
                ("service-not-found", 404),
                ("method-not-allowed", 405),
                ("not-acceptable", 406),
                ("payload-too-large", 413),
                ("too-many-requests", 429),
                ("application-crash", 500),
                ("mandrill-email-failed", 500),
                ("route-non-existent", 500),
                ("identify-request-error", 500),
                ("service-unavailable", 503),
            ]
        );
    }
}
