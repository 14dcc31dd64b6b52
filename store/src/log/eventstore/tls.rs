//! Which library speaks TLS.
//!
//! The client's background task makes its own one the process's default, and ends
//! for good if there is a default already. So the first client of a process is made
//! before anything else that speaks TLS, and nothing goes on until that has happened.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use eventstore::{Client, ClientSettings};
use rustls::crypto::CryptoProvider;

use super::unfit;
use crate::{OpenError, locks::lock, log::waiting::Waiting};

/// How long the first client may take.
const INSTALLED_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// The client that is made for nothing but its choice asks nobody, and need not be able to read whom the machine believes.
const NOBODY: &str = "esdb://localhost:1?tlsCAFile=/dev/null";

/// Has the process's default chosen, for others who need one and would choose otherwise: a
/// ledger may have state and keys in PostgreSQL, which is opened first, and its log here.
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "nothing else here speaks TLS"))]
pub(crate) fn choose() -> Result<(), OpenError> {
    if CryptoProvider::get_default().is_some() {
        return Ok(());
    }
    let waiting = Waiting::start("tls")?;
    let settings: ClientSettings = NOBODY.parse().map_err(|fault| OpenError::Server(Box::new(fault)))?;
    with_provider(|| {
        let made = Client::with_runtime_handle(waiting.handle().clone(), settings);
        made.map(drop).map_err(|fault| OpenError::Server(fault.into()))
    })
}

/// Makes a client; the first one of the process alone, and to the end of its installing.
pub(super) fn with_provider<T>(make: impl FnOnce() -> Result<T, OpenError>) -> Result<T, OpenError> {
    static FIRST: Mutex<()> = Mutex::new(());
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    let _alone = lock(&FIRST);
    if INSTALLED.load(SeqCst) {
        return make();
    }
    if CryptoProvider::get_default().is_some() {
        let fix = "open the log before anything that speaks TLS";
        return Err(unfit("the process has another default for TLS than the client of EventStoreDB", fix));
    }
    let made = make()?;
    let begun = Instant::now();
    while CryptoProvider::get_default().is_none() {
        if begun.elapsed() >= INSTALLED_WITHIN {
            return Err(OpenError::Server("its client did not start".into()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    INSTALLED.store(true, SeqCst);
    Ok(made)
}
