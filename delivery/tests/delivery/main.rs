//! Delivery over a ledger, a vault and a state in memory, and real providers
//! on this machine: a folder, an HTTP server, an SMTP server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on says so by failing"
)]

mod courier;
mod crash;
mod file;
mod follower;
mod house;
mod logs;
mod mandrill;
mod provider;
mod runner;
mod smtp;
