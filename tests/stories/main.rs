//! Stories told to the whole service over HTTP, judged by answers, mails and the log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what went wrong by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod contract_accept;
mod contract_callers;
mod contract_employees;
mod contract_envelope;
mod contract_everywhere;
mod contract_jsonapi;
mod contract_jsonapi_list;
mod contract_keys;
mod contract_links;
mod contract_platform;
mod contract_platform_inviting;
mod contract_sessions;
mod coverage;
mod damage;
mod envelope;
mod every_dialect;
mod inviting;
mod log_lines;
mod pressure;
mod races;
mod restoring;
mod secrets;
mod seeds;
mod starting;
mod stopping;
mod tenants_log;
mod time;
