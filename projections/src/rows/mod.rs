//! Rows as queries answer them, and the same rows made of aggregates: answers
//! to writes and to reads encode one type.

mod directory;
mod employee;
mod integration;
mod invitation;

pub use directory::{ApplicationRow, MemberRow, OrganizationRow, TenantRow, UserRow};
pub use employee::EmployeeRow;
pub use integration::{IntegrationRow, NotificationRow};
pub use invitation::InvitationRow;
