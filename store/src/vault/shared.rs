//! Keys that other nodes may destroy: what they have destroyed is forgotten here.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::{Forgotten, Inner, Standing, Vault, VaultError};
use crate::{OpenError, locks::lock};

/// How often it is asked what was destroyed, whether or not a key is used.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// Asks for as long as the vault is there.
pub(super) fn watch(inner: &Arc<Inner>) -> Result<(), OpenError> {
    let watched = Arc::downgrade(inner);
    let thread = std::thread::Builder::new().name("keys-news".into());
    thread.spawn(move || ask_on(&watched)).map(drop).map_err(OpenError::Thread)
}

fn ask_on(watched: &Weak<Inner>) {
    let mut failed = false;
    while let Some(inner) = watched.upgrade() {
        match inner.forget_destroyed() {
            Ok(()) => failed = false,
            // Without an answer no key in memory is used.
            Err(fault) if !failed => {
                failed = true;
                tracing::warn!(error = &fault as &dyn std::error::Error, "the keys cannot be reached");
            }
            Err(_) => {}
        }
        drop(inner);
        std::thread::sleep(ASK_EVERY);
    }
}

impl Inner {
    /// Forgets what others have destroyed up to now.
    pub(super) fn forget_destroyed(&self) -> Result<(), VaultError> {
        let mut any = false;
        let asked = self.keys.news(|subject| {
            any = true;
            self.cache.insert(subject, Standing::Destroyed);
        });
        if any {
            lock(&self.forgetting).iter().for_each(|forgotten| forgotten());
        }
        asked
    }
}

impl Vault {
    /// Has this called whenever another node has destroyed keys: what is held in clear
    /// elsewhere is to be forgotten then.
    pub(crate) fn when_forgotten(&self, forgotten: Forgotten) {
        if self.is_far() {
            lock(&self.inner.forgetting).push(forgotten);
        }
    }
}
