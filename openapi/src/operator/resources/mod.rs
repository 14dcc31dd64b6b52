//! What this dialect shows, and how rows become it. Absent values are null,
//! never omitted; times are UTC, RFC 3339, whole seconds.

mod directory;
mod employee;
mod invitation;
mod lists;
mod log;
mod upkeep;
mod words;

pub(super) use directory::*;
pub(super) use employee::*;
pub(super) use invitation::*;
pub(super) use lists::*;
pub(super) use log::*;
pub(super) use upkeep::*;
pub(super) use words::*;

use poem_openapi::Object;

/// An error.
#[derive(Debug, Object)]
#[oai(rename = "Error")]
pub(in crate::operator) struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Object)]
struct ErrorDetail {
    /// A fixed word for programs.
    code: String,
    /// A sentence for people.
    message: String,
    /// Empty where no parameter is at fault.
    params: Vec<ErrorParam>,
}

/// A parameter at fault.
#[derive(Debug, Object)]
struct ErrorParam {
    param: String,
    reason: String,
}
