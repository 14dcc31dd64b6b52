//! Stories told to the whole service over HTTP, judged by answers, mails and the log.

#[path = "../support/mod.rs"]
mod support;

mod every_dialect;
mod inviting;
mod races;
mod secrets;
mod time;
