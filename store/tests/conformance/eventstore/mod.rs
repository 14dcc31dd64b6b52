//! What only EventStoreDB can do: answer late, twice or not at all, elect another
//! leader, ask who one is, and be written to by strangers.

mod outages;
mod sealed;
pub mod server;
mod streams;

use std::sync::{Arc, OnceLock};

use server::Cluster;
use uuid::Uuid;

use crate::bench::Bench;

/// A stream nobody else has.
#[derive(Clone)]
pub struct Place {
    pub url: String,
    pub stream: String,
    /// The server it lies on, unless that is a real one.
    pub cluster: Option<Arc<Cluster>>,
}

impl Place {
    /// On the server that `ESDB_URL` names, or on one that all tests of this process share.
    pub fn shared() -> Place {
        static SHARED: OnceLock<Arc<Cluster>> = OnceLock::new();
        match std::env::var("ESDB_URL") {
            Ok(url) => Place { url, stream: name(), cluster: None },
            Err(_) => Place::on(SHARED.get_or_init(|| Arc::new(Cluster::start(1)))),
        }
    }

    /// On the first node of a server of this test's own.
    pub fn on(cluster: &Arc<Cluster>) -> Place {
        Place { url: cluster.url(0), stream: name(), cluster: Some(cluster.clone()) }
    }

    pub fn cluster(&self) -> &Arc<Cluster> {
        self.cluster.as_ref().unwrap()
    }
}

fn name() -> String {
    format!("ledger_{}", Uuid::new_v4().simple())
}

/// A bench on a server of so many nodes that nobody else has.
fn own(nodes: usize) -> Bench {
    Bench::eventstore(Place::on(&Arc::new(Cluster::start(nodes))))
}
