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

mod envelope;
mod every_dialect;
mod inviting;
mod races;
mod secrets;
mod time;
