//! The operations of the dialect, one file each: what it takes, in the words of
//! the document, and how a request becomes a use case and its answer.

pub(super) mod employees_create;
pub(super) mod employees_index;
pub(super) mod employees_read;
pub(super) mod employees_update;
pub(super) mod integrations_create;
pub(super) mod integrations_index;
pub(super) mod integrations_invitation_email;
pub(super) mod integrations_read;
pub(super) mod notifications_index;
pub(super) mod users_client_register;
pub(super) mod users_login;
pub(super) mod users_logout;

use super::content::JsonMedia;
use crate::wire::Body;
use poem_openapi::Tags;

/// The body of an ordinary operation, described as `T`.
type Json<T> = Body<JsonMedia, T>;

/// The services of the dialect.
#[derive(Tags)]
enum Area {
    Employees,
    Integrations,
    Notifications,
    Users,
}
