//! What every dialect needs from HTTP before its own words begin.
//!
//! Extractors here never fail and never answer: they document a parameter or a
//! body and hand over what arrived, so that each dialect checks in the order
//! its contract says, and answers in its own form. [`shell`] gives the same
//! form to what happens around the operations: unknown routes, methods that
//! are not declared, overload, panics.

mod arrival;
mod body;
mod caller;
mod charge;
mod json;
mod late;
pub mod media;
mod members;
mod observe;
mod parameters;
mod reply;
mod routes;
mod security;
mod shell;
mod types;
pub mod values;

pub use arrival::{Arrival, arrival, peer};
pub use body::{Body, BodyFault, MAX_BODY, Media};
pub use caller::{Caller, CallerError, KeyFault, MAX_KEY, authenticate, bearer, caller, idempotency, tenant_of};
pub use charge::invite;
pub use json::{JsonFault, MAX_DEPTH, parse};
pub use members::{Member, Members};
pub use observe::{Answered, Observer};
pub use parameters::{HeaderParam, PathParam, QueryParam, query, uuid};
pub use reply::{Answers, Reply, content, described, header, json_response};
pub use security::{Bearer, Scheme, Secured};
pub use shell::{Trouble, Words, shell};
pub use types::{
    Day, EmailText, Ignored, KeyText, Latitude, Line, Longitude, MessageText, NameText, Number, PageNumber, PageSize,
    PartSize, Position, SafeInteger, Skill, TenantText, Time,
};
