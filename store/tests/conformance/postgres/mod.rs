//! What only a database server can do: be shared by strangers, restart, lose a session.

pub mod cluster;
mod database;
mod outages;
mod pooled;
mod stock;
mod tls;
