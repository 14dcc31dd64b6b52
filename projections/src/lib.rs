//! Projections: from events to rows, what people list, count and look up.
//!
//! Promise: a view is a pure fold of the log. Rows and progress are written in
//! one transaction, so a view is always exactly the log up to its progress; it
//! can be deleted at any time and comes back equal. A query waits, bounded, for
//! the views it uses to reach the head of its arrival, and is never stale.
//!
//! With the feature `postgres` they can be copied to a database server, for others
//! to read.
//!
//! Views know nothing of HTTP or delivery, and folding one has no effects.

mod columns;
mod digest;
mod error;
mod fields;
mod file;
mod fold;
pub mod limits;
mod locks;
mod page;
#[cfg(feature = "postgres")]
mod publish;
mod query;
mod ranks;
mod rows;
mod scopes;
#[cfg(test)]
mod story;
mod views;

pub use error::ViewsError;
pub use fields::{EMPLOYEE_FIELDS, Field, FieldKind, INTEGRATION_FIELDS, NOTIFICATION_FIELDS};
pub use page::{InvitationQuery, InviteQuery, InviteSort, ListQuery, Page};
#[cfg(feature = "postgres")]
pub use publish::{Publication, PublicationFigures, PublishError};
pub use rows::{
    ApplicationRow, EmployeeRow, IntegrationRow, InvitationRow, MemberRow, NotificationRow, OrganizationRow, TenantRow,
    UserRow,
};
pub use views::{Views, ViewsOptions};
