//! The envelope dialect, `/api/v1/`: every answer is
//! `{"status": "...", "data": ...}`, every request a POST with its token among
//! the parameters.
//!
//! Promise: checks run in one order for every route (see [`call`]), all faults
//! of parameters are told at once, and absent values are null. Decoding and
//! encoding only; what an operation means is a use case of the domain.

mod call;
mod content;
mod document;
mod employee_changes;
mod examples;
mod filter;
mod listing;
mod operations;
mod params;
mod refusal;
mod reply;
mod resources;
mod sending;
mod slug;

use crate::wire::{Trouble, Words, shell};
use crate::{Dialect, Service, spec};
use operations::employees_create::EmployeesCreate;
use operations::employees_index::EmployeesIndex;
use operations::employees_read::EmployeesRead;
use operations::employees_update::EmployeesUpdate;
use operations::integrations_create::IntegrationsCreate;
use operations::integrations_index::IntegrationsIndex;
use operations::integrations_invitation_email::IntegrationsInvitationEmail;
use operations::integrations_read::IntegrationsRead;
use operations::notifications_index::NotificationsIndex;
use operations::users_client_register::UsersClientRegister;
use operations::users_login::UsersLogin;
use operations::users_logout::UsersLogout;
use poem::endpoint::BoxEndpoint;
use poem::{Request, Response};
use refusal::Refused;
use slug::Slug;

/// Before every route's name.
const PREFIX: &str = "/api/v1/";

type Api = (
    EmployeesCreate,
    EmployeesIndex,
    EmployeesRead,
    EmployeesUpdate,
    IntegrationsCreate,
    IntegrationsIndex,
    IntegrationsInvitationEmail,
    IntegrationsRead,
    NotificationsIndex,
    UsersClientRegister,
    UsersLogin,
    UsersLogout,
);

/// Its operations, behind their shell.
#[must_use]
pub fn endpoint(service: Service) -> BoxEndpoint<'static> {
    let of = || service.clone();
    let api: Api = (
        EmployeesCreate(of()),
        EmployeesIndex(of()),
        EmployeesRead(of()),
        EmployeesUpdate(of()),
        IntegrationsCreate(of()),
        IntegrationsIndex(of()),
        IntegrationsInvitationEmail(of()),
        IntegrationsRead(of()),
        NotificationsIndex(of()),
        UsersClientRegister(of()),
        UsersLogin(of()),
        UsersLogout(of()),
    );
    shell(Own, api, &service)
}

/// Its OpenAPI document before [`spec::finish`].
#[must_use]
pub fn source() -> spec::Source {
    document::source()
}

struct Own;

impl Words for Own {
    const DIALECT: Dialect = Dialect::Envelope;

    fn trouble(&self, trouble: &Trouble, _: &Request) -> Response {
        reply::refusal(&match trouble {
            Trouble::NoRoute => Refused::new(Slug::RouteNonExistent),
            Trouble::Method => Refused::new(Slug::MethodNotAllowed),
            Trouble::Unreadable => Refused::new(Slug::IdentifyRequestError),
            Trouble::Overloaded { retry_after_s } => Refused::later(Slug::ServiceUnavailable, *retry_after_s),
            Trouble::Crashed => Refused::new(Slug::ApplicationCrash),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_operation_answers_is_answered_in_the_dialects_words() {
        let request = Request::builder().finish();
        let answer = |trouble| Own.trouble(&trouble, &request).status().as_u16();
        assert_eq!(answer(Trouble::NoRoute), 500);
        assert_eq!(answer(Trouble::Method), 405);
        assert_eq!(answer(Trouble::Unreadable), 500);
        assert_eq!(answer(Trouble::Overloaded { retry_after_s: 1 }), 503);
        assert_eq!(answer(Trouble::Crashed), 500);
    }
}
