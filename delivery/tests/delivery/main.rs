//! Delivery over a ledger, a vault and a state in memory, and real providers
//! on this machine: a folder, an HTTP server, an SMTP server.

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
