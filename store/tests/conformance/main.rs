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
        stories_for!(memory, Memory, $($story),+);
        #[cfg(feature = "postgres")]
        stories_for!(pooled, Pooled, $($story),+);
        kept_stories!($($story),+);
    };
}

/// Runs stories for every kind of backend that outlives its process.
macro_rules! kept_stories {
    ($($story:ident),+ $(,)?) => {
        stories_for!(sqlite, Sqlite, $($story),+);
        #[cfg(feature = "postgres")]
        stories_for!(postgres, Postgres, $($story),+);
        #[cfg(feature = "eventstore")]
        stories_for!(eventstore, EventStore, $($story),+);
    };
}

/// Runs stories for every kind of backend that several nodes may share, with its keys.
#[cfg(any(feature = "postgres", feature = "eventstore"))]
macro_rules! shared_stories {
    ($($story:ident),+ $(,)?) => {
        #[cfg(feature = "postgres")]
        stories_for!(shared, Shared, $($story),+);
        #[cfg(feature = "postgres")]
        stories_for!(pooled, Pooled, $($story),+);
        #[cfg(feature = "eventstore")]
        stories_for!(eventstore, EventStore, $($story),+);
    };
}

macro_rules! stories_for {
    ($module:ident, $kind:ident, $($story:ident),+) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story($crate::bench::Bench::new($crate::bench::Kind::$kind)).await;
            })+
        }
    };
}

mod bench;
mod claims;
mod durable;
#[cfg(feature = "eventstore")]
mod eventstore;
#[cfg(feature = "postgres")]
mod leases;
mod model;
mod moving;
#[cfg(any(feature = "postgres", feature = "eventstore"))]
mod nodes;
mod numbers;
mod order;
#[cfg(feature = "postgres")]
mod postgres;
mod receipts;
mod restoring;
mod sealing;
mod state;
#[cfg(any(feature = "postgres", feature = "eventstore"))]
mod told;
mod units;
mod vault;
