//! The hook that metrics plug into.

use crate::Dialect;
use std::time::Duration;

/// One request that was answered.
#[derive(Clone, Debug)]
pub struct Answered {
    pub dialect: Dialect,
    /// The declared path; empty for paths nobody declared, so that labels stay few.
    pub route: &'static str,
    pub method: &'static str,
    pub status: u16,
    pub took: Duration,
}

/// Told of every answered request. Must not block.
pub trait Observer: Send + Sync + 'static {
    fn answered(&self, answered: &Answered);
}
