//! The domain: aggregates, commands, events, refusals, use cases.
//!
//! No I/O, no clock, no randomness, no HTTP. `decide` is pure, `evolve` is
//! total; a use case stages commands on a unit of work that somebody else
//! commits. Nothing personal stands outside an event's member `personal`,
//! which is sealed before it is stored (see [`personal`]).

mod address;
pub mod application;
pub mod bus;
pub mod claims;
pub mod employee;
pub mod integration;
pub mod invitation;
pub mod ledger;
pub mod mail;
pub mod membership;
pub mod organization;
mod patch;
pub mod permission;
pub mod personal;
mod principal;
mod refusal;
mod root;
pub mod said;
pub mod tenant;
pub mod text;
mod time;
mod told;
pub mod use_cases;
pub mod user;

#[cfg(test)]
mod golden;

pub use address::{Address, AddressError, MAX_ADDRESS_BYTES, MAX_LOCAL_BYTES};
pub use bus::{CommandBus, UseCase};
pub use patch::Patch;
pub use principal::{Actor, Channel, Context, IdempotencyKey, MAX_TENANT_NAME, Scope, TenantName};
pub use refusal::{Failure, Fault, Refusal, Unavailable, What};
pub use root::{DecodeError, Encoded, Event, Fact, Folded, Ordered, Origin, Root};
pub use time::{Clock, Timestamp};
pub use told::told;
