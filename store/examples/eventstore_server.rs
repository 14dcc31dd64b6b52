//! The tests' own server of EventStoreDB's protocol by itself, for measurements: prints
//! its address, keeps everything in memory, and runs until it is killed.
//!
//! `cargo run --release -p store --features eventstore --example eventstore_server`

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool of the benches")]

#[path = "../tests/conformance/eventstore/server/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests need all of it")]
mod server;

fn main() {
    let cluster = server::Cluster::start(1);
    println!("{}", cluster.url(0));
    loop {
        std::thread::park();
    }
}
