//! The ledger: the log, its index and its one writer.
//!
//! Promise: `submit` answers after the commit point, once, with what is true;
//! readers see positions in order, without gaps, and never one that could still
//! vanish. The threads (writer, flusher, sweeper) end when the last `Ledger` of
//! theirs is closed or dropped, after what waits is written.

mod batch;
#[cfg(test)]
mod faults;
mod figures;
mod numbered;
mod opening;
mod prepare;
mod queue;
mod reads;
mod shared;
mod sweep;
mod tail;
mod writer;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
};

use tokio::sync::{broadcast, oneshot, watch};
use uuid::Uuid;

use crate::{
    ClaimsOf, Mark, OpenError, Position, ReadError, Receipt, SubmitError, Unit, Vault,
    index::{ClaimSecret, Disk, Following, Index, Kept, follow},
    locks::{lock, read},
    log::{Backend, folder_of},
    own,
};
use figures::Counts;
pub use figures::Figures;
pub(crate) use opening::{open_payload, open_row, parts_of};
use prepare::Preparing;
pub(crate) use prepare::{COMMAND_ID, subject_claim};
use queue::{Queue, Queued};
pub use reads::KnownReceipt;
pub(crate) use reads::fetch_keys;
use sweep::Sweep;
use tail::Tail;
use writer::Writer;

/// The clock: microseconds since the epoch, UTC.
pub type NowFn = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How long a command's receipt is kept at least, µs.
const RECEIPTS_FOR: i64 = 48 * 3_600 * 1_000_000;
/// Stretches of what other nodes appended that a listener may be behind.
const OTHERS_KEPT: usize = 1_024;
/// Below so many free bytes callers' units are refused, unless the options say otherwise.
const MIN_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// Where the log lies.
#[derive(Clone, Debug)]
pub enum BackendOptions {
    Memory,
    /// `ledger.db` and `index.db` in this folder.
    Sqlite {
        folder: PathBuf,
    },
    /// A database that several nodes may share, and `index.db` in this node's own folder.
    #[cfg(feature = "postgres")]
    Postgres {
        url: crate::DatabaseUrl,
        folder: PathBuf,
        /// No other process may write to this log at the same time.
        alone: bool,
    },
    /// One stream of a server that several nodes may share, and `index.db` in this node's own folder.
    #[cfg(feature = "eventstore")]
    EventStore {
        url: crate::DatabaseUrl,
        /// The stream's name; what belongs to the ledger as a whole stands in another one, `{stream}_origin`.
        stream: String,
        folder: PathBuf,
        /// The process that opened this log alone before, if one still has it, ends at its next look at the log.
        alone: bool,
    },
}

/// What a ledger needs to open.
#[derive(Clone)]
pub struct LedgerOptions {
    pub backend: BackendOptions,
    /// Must not rely on `personal` of payloads whose key is destroyed: it is `{"erased": true}` then.
    pub claims: ClaimsOf,
    pub vault: Vault,
    pub now: NowFn,
    /// Below this many free bytes callers' units are refused, so that followers can still flush.
    pub min_free_bytes: u64,
}

impl LedgerOptions {
    pub fn new(backend: BackendOptions, claims: ClaimsOf, vault: Vault, now: NowFn) -> Self {
        Self { backend, claims, vault, now, min_free_bytes: MIN_FREE_BYTES }
    }
}

/// The log with its index and writer. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    handle: Arc<Handle>,
}

/// Owns the threads: they end with it.
struct Handle {
    inner: Arc<Inner>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    writer: JoinHandle<()>,
    flusher: JoinHandle<()>,
    sweeper: JoinHandle<()>,
    /// Ends by itself once the index's filter is full.
    filler: JoinHandle<()>,
}

/// What callers and threads share.
struct Inner {
    log: Backend,
    index: Index,
    vault: Vault,
    claims: ClaimsOf,
    now: NowFn,
    queue: Queue,
    tail: Tail,
    sweep: Sweep,
    counts: Counts,
    head: watch::Sender<Position>,
    /// First and last of what other nodes have appended.
    others: broadcast::Sender<(Position, Position)>,
    /// Position and leaf of the last event.
    mark: RwLock<(Position, [u8; 32])>,
    failed: watch::Sender<bool>,
    closing: AtomicBool,
    no_space: AtomicBool,
    /// The server that has the log could not be asked the last time.
    unreachable: AtomicBool,
    folder: Option<PathBuf>,
    min_free_bytes: u64,
}

impl Ledger {
    /// Opens the log and brings its index up to date.
    ///
    /// A file that is not ours, damaged or newer is refused by name and left as it
    /// is; an index that does not fit is rebuilt, which takes time with the log's length.
    pub fn open(options: LedgerOptions) -> Result<Ledger, OpenError> {
        let log = Backend::open(&options.backend)?;
        own::check_open(&log)?;
        let folder = folder_of(&options.backend).map(PathBuf::from);
        let secret = ClaimSecret::new(&options.vault.secret("claims"));
        let following = Following {
            log: &log,
            vault: &options.vault,
            claims: &options.claims,
            secret: &secret,
            receipts_since: (options.now)() - RECEIPTS_FOR,
        };
        let disk = folder.as_deref().map(Disk::open).transpose()?;
        let (disk, memory, flushed) = follow(&following, disk)?;
        reads::check_recent_keys(&log, &options.vault)?;
        log.fits_keys(&options.vault.secret("which keys"))?;
        // What the index has reached: another node may have appended since.
        let reached = memory.last.map_or(flushed, |(position, _)| position);
        let index = Index::new(log.origin().id, secret, disk, memory, flushed);
        let last = log.at(&[reached])?.pop();
        let (position, leaf, at) = last.map_or((0, [0; 32], 0), |row| (row.position, row.leaf, row.at));
        let inner = Arc::new(Inner {
            log,
            index,
            vault: options.vault,
            claims: options.claims,
            now: options.now,
            queue: Queue::default(),
            tail: Tail::default(),
            sweep: Sweep::default(),
            counts: Counts::default(),
            head: watch::Sender::new(position),
            others: broadcast::Sender::new(OTHERS_KEPT),
            mark: RwLock::new((position, leaf)),
            failed: watch::Sender::new(false),
            closing: AtomicBool::new(false),
            no_space: AtomicBool::new(false),
            unreachable: AtomicBool::new(false),
            folder,
            min_free_bytes: options.min_free_bytes,
        });
        inner.look_at_space();
        if let Some(shared) = inner.log.shared() {
            let waiting = Arc::downgrade(&inner);
            shared.watch(Box::new(move || {
                if let Some(inner) = waiting.upgrade() {
                    inner.queue.wake();
                }
            }));
        }
        let held_in_clear = Arc::downgrade(&inner);
        inner.vault.when_forgotten(Box::new(move || {
            if let Some(inner) = held_in_clear.upgrade() {
                inner.tail.clear();
            }
        }));
        let threads = Threads::start(&inner, position, at)?;
        Ok(Ledger { handle: Arc::new(Handle { inner, threads: Mutex::new(Some(threads)) }) })
    }

    /// The ledger's random id.
    pub fn ledger_id(&self) -> Uuid {
        self.inner().log.origin().id
    }

    /// Which life of the ledger this is: it changes when a shortened log is restored.
    pub fn epoch(&self) -> u32 {
        self.inner().log.origin().last_epoch()
    }

    /// Writes a unit, or says why not. Sealing happens here, on the caller's task; the
    /// answer comes after the commit. Dropping the future does not take the unit back.
    pub async fn submit(&self, unit: Unit) -> Result<Receipt, SubmitError> {
        let inner = self.inner();
        let preparing =
            Preparing { log: &inner.log, vault: &inner.vault, claims: &inner.claims, secret: &inner.index.secret };
        let unit = preparing.prepare(unit)?;
        let (answer, told) = oneshot::channel();
        if let Err(refusal) = inner.queue.push(Queued { unit, answer }) {
            if matches!(refusal, SubmitError::Busy { .. }) {
                inner.counts.busy.fetch_add(1, Relaxed);
            }
            return Err(refusal);
        }
        // The writer ended without an answer: it may have fallen after its commit.
        told.await.unwrap_or(Err(SubmitError::Unknown))
    }

    /// The database server the log lies in, and its version; none if it lies in the folder.
    pub fn server(&self) -> Option<&str> {
        self.inner().log.server()
    }

    /// Whether other nodes may append to this log.
    pub fn is_shared(&self) -> bool {
        self.inner().log.is_shared()
    }

    /// Whether that server answers: as long as it does not, units are turned away.
    pub fn reachable(&self) -> bool {
        !self.inner().unreachable.load(Relaxed)
    }

    /// Whether the log failed: nothing more is accepted, and the process should end.
    pub fn failed(&self) -> bool {
        *self.inner().failed.borrow()
    }

    /// Turns true when the log fails.
    pub fn watch_failed(&self) -> watch::Receiver<bool> {
        self.inner().failed.subscribe()
    }

    /// Counts for the metrics page.
    pub fn figures(&self) -> Figures {
        let inner = self.inner();
        let head = self.head();
        inner.counts.figures(head, inner.queue.len(), head.saturating_sub(inner.index.flushed()))
    }

    /// Accepts nothing more, writes what waits, flushes the index and tidies the files.
    pub async fn close(&self) {
        let handle = self.handle.clone();
        // A panic in there has been printed, and there is nobody left to tell.
        let _ = tokio::task::spawn_blocking(move || handle.end()).await;
    }

    fn inner(&self) -> &Inner {
        &self.handle.inner
    }
}

impl Threads {
    fn start(inner: &Arc<Inner>, head: Position, last_at: i64) -> Result<Self, OpenError> {
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let (flushing, sweeping, filling) = (inner.clone(), inner.clone(), inner.clone());
        let writer = Writer::new(inner.clone(), head, last_at);
        let flusher = thread("index")
            .spawn(move || flushing.index.run_flusher(|| flushing.oldest_receipt()))
            .map_err(OpenError::Thread)?;
        let sweeper = thread("sweep").spawn(move || sweeping.sweep.run(&sweeping)).map_err(OpenError::Thread)?;
        let filler =
            thread("filter").spawn(move || filling.index.fill_filter(&filling.closing)).map_err(OpenError::Thread)?;
        let writer = thread("writer").spawn(move || writer.run()).map_err(OpenError::Thread)?;
        Ok(Self { writer, flusher, sweeper, filler })
    }
}

impl Handle {
    fn end(&self) {
        self.inner.closing.store(true, Relaxed);
        self.inner.queue.close();
        let Some(threads) = lock(&self.threads).take() else { return };
        // Panics have been printed by the threads themselves.
        let _ = threads.writer.join();
        self.inner.index.close_flusher();
        let _ = threads.flusher.join();
        self.inner.sweep.close();
        let _ = threads.sweeper.join();
        let _ = threads.filler.join();
        if !*self.inner.failed.borrow() {
            self.inner.index.tidy();
            if let Err(fault) = self.inner.log.checkpoint_last() {
                tracing::warn!(error = &fault as &dyn std::error::Error, "the log could not be checkpointed");
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end();
    }
}

impl Inner {
    fn fail(&self) {
        self.failed.send_replace(true);
        for Queued { answer, .. } in self.queue.abandon() {
            let _ = answer.send(Err(SubmitError::Stopped));
        }
    }

    fn look_at_space(&self) {
        if let Some(free) = self.folder.as_deref().and_then(sweep::free_bytes) {
            self.counts.free_bytes.store(free, Relaxed);
            self.no_space.store(free < self.min_free_bytes, Relaxed);
        }
    }

    /// The receipt a unit got when it landed.
    fn receipt_of(&self, kept: &Kept) -> Result<Receipt, ReadError> {
        let events = kept.last.saturating_sub(kept.first).saturating_add(1);
        let rows = self.log.after(kept.first.saturating_sub(1), usize::try_from(events).unwrap_or(usize::MAX))?;
        Ok(writer::receipt_from(&rows, kept))
    }

    fn oldest_receipt(&self) -> Option<Position> {
        self.position_at((self.now)() - RECEIPTS_FOR).ok().filter(|position| *position > 0)
    }

    fn head_mark(&self) -> Mark {
        let (position, leaf) = *read(&self.mark);
        Mark { ledger_id: self.log.origin().id, position, leaf }
    }
}
