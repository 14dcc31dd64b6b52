//! A server of the tests' own that speaks EventStoreDB's protocol: streams with
//! revisions, appends at an expected one, repeats that are written once, nodes of which
//! one leads, and the faults that a network and a cluster have. Everything it does
//! is done as the real one does it, as far as a client can tell.

#![expect(clippy::result_large_err, reason = "a status is what tonic answers with")]

mod connection;
mod node;
mod sealed;
mod service;
mod streams;
mod wire;

use std::{
    net::TcpListener,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

pub use node::{Append, Gate, Node, Read};
use sealed::Certificates;
pub use streams::{Kept, Streams};
pub use wire::{Empty, Expected, ProposedMessage, Uuid, UuidValue};

/// Nodes with one log between them.
pub struct Cluster {
    pub nodes: Vec<Arc<Node>>,
    pub streams: Arc<Mutex<Streams>>,
    ports: Vec<u16>,
    leader: Arc<AtomicU64>,
    /// What it proves with who it is, if it speaks TLS.
    certificates: Option<Certificates>,
}

impl Cluster {
    /// So many nodes, of which the first leads.
    pub fn start(nodes: usize) -> Cluster {
        Cluster::with(nodes, None)
    }

    /// The same over TLS, for whoever asks for `localhost`.
    pub fn sealed(nodes: usize) -> Cluster {
        Cluster::with(nodes, Some(Certificates::make()))
    }

    fn with(nodes: usize, certificates: Option<Certificates>) -> Cluster {
        let listeners: Vec<TcpListener> = (0..nodes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        let streams = Arc::new(Mutex::new(Streams::default()));
        let leader = Arc::new(AtomicU64::new(u64::from(ports[0])));
        let seal = certificates.as_ref().map(Certificates::acceptor);
        let nodes: Vec<_> =
            ports.iter().map(|port| Node::new(&streams, &ports, *port, &leader, seal.clone())).collect();
        for (node, listener) in nodes.iter().zip(listeners) {
            node.start_on(listener);
        }
        Cluster { nodes, streams, ports, leader, certificates }
    }

    /// The address of one node, which tells of the others.
    pub fn url(&self, node: usize) -> String {
        format!("esdb://127.0.0.1:{}?tls=false", self.ports[node])
    }

    /// The address of all nodes.
    pub fn url_of_all(&self) -> String {
        let all: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("esdb://{}?tls=false", all.join(","))
    }

    /// The port of one node, for an address that says more.
    pub fn port(&self, node: usize) -> u16 {
        self.ports[node]
    }

    /// The settings of an address that believe the authority with this file, if the server speaks TLS.
    pub fn believing(&self, authority: &str) -> String {
        format!("tlsCAFile={}", self.file(authority).display())
    }

    /// A certificate of a server that speaks TLS.
    pub fn file(&self, name: &str) -> PathBuf {
        self.certificates.as_ref().unwrap().file(name)
    }

    /// Lets nobody in from now on but with this log-in.
    pub fn admit(&self, user: &str, password: &str) {
        self.nodes.iter().for_each(|node| node.admit(user, password));
    }

    pub fn elect(&self, node: usize) {
        self.leader.store(u64::from(self.ports[node]), SeqCst);
    }

    /// What stands in a stream.
    pub fn kept(&self, stream: &str) -> Vec<Kept> {
        self.streams.lock().unwrap().kept.get(stream).cloned().unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &self.nodes {
            node.stop();
        }
    }
}
