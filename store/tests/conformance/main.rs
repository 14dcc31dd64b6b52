//! What every backend of the ledger must do, told as stories and run for each.
//!
//! Whoever adds a backend adds a `Kind` to `bench.rs`: every story then runs for it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by panicking"
)]

/// Runs stories for every kind of backend.
macro_rules! stories {
    ($($story:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story($crate::bench::Bench::new($crate::bench::Kind::Memory)).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story($crate::bench::Bench::new($crate::bench::Kind::Sqlite)).await;
            })+
        }
    };
}

mod bench;
mod claims;
mod durable;
mod model;
mod numbers;
mod order;
mod receipts;
mod restoring;
mod sealing;
mod units;
