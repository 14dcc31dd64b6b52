//! A house for black-box tests: the whole service in this process, over a
//! folder of its own, with a clock that stands still and real HTTP.
//!
//! The role is the client object: what a test may do is what its client is.

#![allow(dead_code, unused_imports, reason = "each test program uses its part")]

pub mod client;
pub mod events;
pub mod house;
pub mod keyed;
mod letter;
pub mod post_office;
pub mod program;
pub mod said;
pub mod service;
pub mod wire;

pub use client::{Browser, Client, User};
pub use events::Event;
pub use house::House;
pub use letter::Letter;

/// What every password in tests is.
pub const PASSWORD: &str = "correct horse battery";
