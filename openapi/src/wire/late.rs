//! Which requests do not wait for what other services acknowledged before.
//!
//! All others begin with that wait, so that whatever they read is as new as they are.
//! A unit that writes needs none: it is decided where the log ends, as the writer finds
//! it in its turn, on everything it has read, its caller's rights included. What is left
//! is whatever an operation reads beside its unit. The operations named here read one
//! thing: whose token it is. A program's token that is not known here waits after all; a
//! session has an end, and gets a new token with new rights, and always waits.

use super::caller::bearer;
use identity::TokenKind;
use poem::Request;
use poem::http::Method;

/// Invitations made by programs, POSTed: the many small ones that the rate of a ledger is measured by.
const INVITING: [&str; 2] = ["/api/v2/organizations/{organization}/invites", "/api/users/invitations"];

/// Whether this request is decided without waiting first.
pub(super) fn may(template: &str, request: &Request) -> bool {
    let is_program = |token: &str| !token.starts_with(TokenKind::Session.prefix());
    *request.method() == Method::POST
        && INVITING.contains(&template)
        && matches!(bearer(request), Ok(Some(token)) if is_program(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_invitation_does_not_wait_and_everything_else_does() {
        let asked = |method: Method, template: &str, header: &str, value: &str| {
            may(template, &Request::builder().method(method).header(header, value).finish())
        };
        for inviting in INVITING {
            assert!(asked(Method::POST, inviting, "Authorization", "Bearer il_app_x"));
            assert!(asked(Method::POST, inviting, "Authorization", "Bearer il_dep_x"));
            assert!(!asked(Method::GET, inviting, "Authorization", "Bearer il_app_x"));
            assert!(!asked(Method::POST, inviting, "Authorization", "Bearer il_ses_x"));
            assert!(!asked(Method::POST, inviting, "Authorization", "Basic x"));
            assert!(!asked(Method::POST, inviting, "Cookie", "il_session_default=il_ses_x"));
        }
        assert!(!asked(Method::POST, "/api/ledger/invitations", "Authorization", "Bearer il_app_x"));
    }
}
