//! Every bound of this room, by name.

use std::time::Duration;

/// How long a query waits for its views to reach the head of its arrival.
pub const READ_WAIT: Duration = Duration::from_secs(2);
/// Rows of one page at most; larger sizes are cut to it.
pub const MAX_PAGE: u64 = 1_000;
/// Values of one filter that names several.
pub const MAX_FILTER_VALUES: usize = 100;
/// Rows one sweep may ask for.
pub const MAX_DUE: usize = 10_000;

/// Events folded in one transaction at most.
pub(crate) const TAKE: usize = 2_048;
/// Further behind than this, the log is read ahead on another thread.
pub(crate) const READ_AHEAD_FROM: u64 = 8_192;
/// Blocks of events read ahead and not folded yet.
pub(crate) const READ_AHEAD: usize = 2;
/// Blocks of one transaction while the log is read ahead: rows of one moment lie all over
/// the indexes, and the more of them are written together, the fewer pages are written twice.
pub(crate) const HURRIED_BLOCKS: usize = 8;
/// Page cache of the writing connection meanwhile, KiB.
pub(crate) const HURRIED_CACHE_KIB: u32 = 48 * 1_024;
/// Pages in the write-ahead log meanwhile, before it is carried over.
pub(crate) const HURRIED_CHECKPOINT_PAGES: u32 = 16_384;
/// For how many events the projector lets the log grow before it folds what came, while nobody waits for it:
/// a transaction costs as much as folding some dozens of events, and the more it folds, the fewer pages it writes
/// twice. A query may wait for as many, some milliseconds.
pub(crate) const LINGER_FOR: u64 = 1_024;
/// For how many looks at most.
pub(crate) const LINGER_LOOKS: u32 = 5;
/// Between two of them.
pub(crate) const LINGER: Duration = Duration::from_millis(40);
/// How long the projector rests after a fault of the disk or the log before it tries again.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// A rebuilt file this close to the head is swapped in; the rest is folded while queries wait.
pub(crate) const SWAP_WITHIN: u64 = 1_024;

/// Connections that answer queries; as many queries run at once, others wait their turn.
pub(crate) const READERS: usize = 4;
/// Page cache of the writing connection, KiB.
pub(crate) const WRITER_CACHE_KIB: u32 = 4 * 1_024;
/// Page cache of one reading connection, KiB.
pub(crate) const READER_CACHE_KIB: u32 = 1_024;
/// Statements kept prepared per connection.
pub(crate) const STATEMENTS: usize = 96;
/// Pages in the write-ahead log before it is carried over.
pub(crate) const CHECKPOINT_PAGES: u32 = 4_096;
/// Bytes a write-ahead log is cut back to.
pub(crate) const WAL_BYTES: u32 = 64 * 1_024 * 1_024;
/// How long a connection waits for another one's lock.
pub(crate) const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Rank nodes the writer keeps between transactions.
pub(crate) const NODES_KEPT: usize = 2_048;
/// Scope numbers the writer keeps between transactions.
pub(crate) const SCOPES_KEPT: usize = 16_384;

/// Rows of one statement on their way into the copy.
#[cfg(feature = "postgres")]
pub(crate) const COPY_PAGE: usize = 1_000;
/// A copy further behind than this, in events, is made anew: which rows they touched is kept in memory meanwhile.
#[cfg(feature = "postgres")]
pub(crate) const COPY_FOLLOWS: u64 = 50_000;
/// How long the views may move on before the copy follows.
#[cfg(feature = "postgres")]
pub(crate) const COPY_LINGER: Duration = Duration::from_millis(100);
/// How often the copy is looked at while nothing moves.
#[cfg(feature = "postgres")]
pub(crate) const COPY_LOOK: Duration = Duration::from_secs(5);
/// After a fault of the copy's server.
#[cfg(feature = "postgres")]
pub(crate) const COPY_PAUSE: Duration = Duration::from_secs(1);
