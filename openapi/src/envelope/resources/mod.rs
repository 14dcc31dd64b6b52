//! The resources of the dialect, as they stand in `data`.
//!
//! Each is made from a row of the views, so that an answer to a write and a
//! later read are the same. Absent values are null and never omitted: the
//! types serialize every field.

mod client;
mod employee;
mod integration;
mod invitation;
mod notification;
mod session;

pub(super) use client::Client;
pub(super) use employee::Employee;
pub(super) use integration::Integration;
pub(super) use invitation::Invitation;
pub(super) use notification::Notification;
pub(super) use session::Session;

/// Public integers are small; the type of the document has a sign.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
