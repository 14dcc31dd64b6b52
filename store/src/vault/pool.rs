//! Keys made ahead, so that no commit of `keys.db` stands between a command and its answer.
//!
//! A block is written by this boot and handed out from its memory only; what is
//! left of it at the end is never used. The first block is made at the first
//! asking, so that a command that needs no key writes none.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::Notify;
use uuid::Uuid;

use super::{Key, VaultError, keys::Keys};
use crate::{OpenError, locks::lock};

/// Keys written in one transaction.
const BLOCK: usize = 1_024;
/// Below so many ready keys another block is made.
const LOW: usize = 1_536;
/// How long a subject is waited for while a block is being written: a disk that
/// others use, too, may take seconds for it, as for any commit.
const WAIT: Duration = Duration::from_secs(10);
/// Between attempts while no block can be written.
const RETRY: Duration = Duration::from_millis(250);
/// After so many attempts in a row that failed nobody waits for the next one.
const ATTEMPTS: u32 = 3;

pub(super) struct Pool {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    keys: Arc<Keys>,
    stock: Mutex<Stock>,
    /// Tells the maker that the stock runs low.
    low: Condvar,
    /// Tells those who wait that there is a block, or that it failed.
    filled: Notify,
}

#[derive(Default)]
struct Stock {
    ready: VecDeque<(Uuid, Key)>,
    asked: bool,
    closed: bool,
    /// Attempts in a row that failed.
    failed: u32,
}

impl Pool {
    pub(super) fn start(keys: Arc<Keys>) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared { keys, stock: Mutex::default(), low: Condvar::new(), filled: Notify::new() });
        let maker = shared.clone();
        let thread =
            std::thread::Builder::new().name("keys".into()).spawn(move || maker.run()).map_err(OpenError::Thread)?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn take(&self) -> Result<(Uuid, Key), VaultError> {
        let wait = tokio::time::sleep(WAIT);
        tokio::pin!(wait);
        loop {
            let filled = self.shared.filled.notified();
            if let Some(found) = self.shared.pop()? {
                return Ok(found);
            }
            tokio::select! {
                () = filled => {}
                () = &mut wait => return Err(VaultError::Empty),
            }
        }
    }

    pub(super) fn close(&self) {
        lock(&self.shared.stock).closed = true;
        self.shared.low.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            // It ends by itself; a panic in it has been printed already.
            let _ = thread.join();
            if let Err(fault) = self.shared.keys.tidy() {
                tracing::warn!(error = &fault as &dyn std::error::Error, "the keys could not be checkpointed");
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// One key, if there is one; refused while none can be made.
    fn pop(&self) -> Result<Option<(Uuid, Key)>, VaultError> {
        let mut stock = lock(&self.stock);
        let found = stock.ready.pop_front();
        if stock.ready.len() < LOW && !stock.asked {
            stock.asked = true;
            self.low.notify_one();
        }
        if found.is_none() && stock.failed >= ATTEMPTS { Err(VaultError::Empty) } else { Ok(found) }
    }

    fn run(&self) {
        let mut stock = lock(&self.stock);
        loop {
            while !stock.asked && !stock.closed {
                stock = self.low.wait(stock).unwrap_or_else(PoisonError::into_inner);
            }
            if stock.closed {
                return;
            }
            drop(stock);
            let made = self.keys.make_block(BLOCK);
            stock = lock(&self.stock);
            match made {
                Ok(block) => {
                    stock.ready.extend(block);
                    stock.asked = stock.ready.len() < LOW;
                    stock.failed = 0;
                    self.filled.notify_waiters();
                }
                Err(fault) => {
                    tracing::error!(error = &fault as &dyn std::error::Error, "a block of keys could not be written");
                    stock.failed = stock.failed.saturating_add(1);
                    self.filled.notify_waiters();
                    let (woken, _) = self.low.wait_timeout(stock, RETRY).unwrap_or_else(PoisonError::into_inner);
                    stock = woken;
                }
            }
        }
    }
}
