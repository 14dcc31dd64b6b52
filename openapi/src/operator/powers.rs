//! What operators may do beyond use cases: look into outbox and log, rebuild
//! views, copy the ledger, ask after its health.
//!
//! This room knows neither store nor delivery, so the composition root
//! implements [`Powers`] over them. Everything here is plain data; who may ask
//! for it is checked before any of it is called.

use async_trait::async_trait;
use domain::mail::Reason;
use domain::{Failure, TenantName, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use uuid::Uuid;

/// Most entries of the log, or mails of the outbox, in one answer.
pub const MAX_PAGE: usize = 1_000;

/// Why a power was not used.
#[derive(Debug, thiserror::Error)]
pub enum PowerFailure {
    /// No such mail, view or folder.
    #[error("there is no such {0}")]
    Unknown(&'static str),
    /// It exists, but this cannot be done to it as it stands; the words are for the operator.
    #[error("{0}")]
    NotNow(String),
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// The program and its ledger, as they are now.
#[derive(Clone, Debug)]
pub struct Status {
    pub version: String,
    /// The ledger's random id, `origin` of every entry.
    pub ledger: Uuid,
    /// Which life of the ledger this is; the other half of `origin`.
    pub epoch: u32,
    /// Position of the last event.
    pub head: u64,
    pub started_at: Timestamp,
    pub outbox: OutboxFigures,
}

/// Mails by where they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxFigures {
    pub queued: u64,
    pub sending: u64,
    /// Given up until somebody decides.
    pub dead: u64,
}

/// Where a mail of the outbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxState {
    Queued,
    /// Leased by the courier.
    Sending,
    /// A dead letter: only an operator's word moves it.
    Dead,
    /// Accepted by the provider, and recorded.
    Sent,
    /// Given up by an operator, or no longer wanted.
    Abandoned,
}

/// One mail of the outbox. The recipient is not in it: that is personal, and
/// stands in the event that asked.
#[derive(Clone, Debug)]
pub struct OutboxEntry {
    /// As [`Powers::retry_mail`] takes it.
    pub id: String,
    pub tenant: TenantName,
    /// `invitation`, `employee` or `user`.
    pub aggregate: String,
    pub aggregate_id: Uuid,
    /// Of an invitation the generation; else the version of the asking event.
    pub number: u64,
    pub part: u8,
    pub state: OutboxState,
    pub attempts: u32,
    /// What the last attempt ended with.
    pub reason: Option<Reason>,
    pub asked_at: Timestamp,
    pub next_attempt_at: Option<Timestamp>,
}

/// Which mails of the outbox.
#[derive(Clone, Debug, Default)]
pub struct OutboxQuery {
    /// `None` is every tenant.
    pub tenant: Option<TenantName>,
    pub state: Option<OutboxState>,
    /// Starts after the mail of this id.
    pub after: Option<String>,
    /// At most [`MAX_PAGE`].
    pub limit: usize,
}

/// Oldest first.
#[derive(Clone, Debug, Default)]
pub struct OutboxPage {
    pub entries: Vec<OutboxEntry>,
    /// [`OutboxQuery::after`] of the next page; `None` at the end.
    pub next: Option<String>,
}

/// One event of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    pub position: u64,
    pub tenant: String,
    pub tseq: u64,
    pub stream: String,
    pub version: u64,
    pub event_id: Uuid,
    pub kind: String,
    pub schema: u32,
    pub at: Timestamp,
    /// `personal` is in clear where that was asked for, else it is left out.
    pub payload: Value,
    pub metadata: BTreeMap<String, String>,
    /// RFC 6962 leaf hash, in lower-case hex.
    pub leaf: String,
}

/// Where a page of the log begins, by position or by the tenant's own number: see [`LogOf`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFrom {
    /// Ascending, from the event after this one.
    After(u64),
    /// Descending, from the event before this one.
    Before(u64),
}

/// Whose events, and by which numbers they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogOf {
    /// Everybody's, by position.
    All,
    /// By position; those of other tenants are looked at and left out.
    Picked(TenantName),
    /// By the tenant's own numbers, as if there were no other tenant.
    Own(TenantName),
}

impl LogOf {
    /// Whether positions may be told.
    #[must_use]
    pub fn by_position(&self) -> bool {
        match self {
            Self::All | Self::Picked(_) => true,
            Self::Own(_) => false,
        }
    }

    /// The number of an event among those that are meant.
    #[must_use]
    pub fn number(&self, entry: &LogEntry) -> u64 {
        if self.by_position() { entry.position } else { entry.tseq }
    }
}

/// Which events of the log.
#[derive(Clone, Debug)]
pub struct LogQuery {
    pub of: LogOf,
    pub from: LogFrom,
    /// At most [`MAX_PAGE`] events are looked at.
    pub limit: usize,
    /// Personal members in clear.
    pub personal: bool,
}

/// A part of the log, in the order asked for.
#[derive(Clone, Debug)]
pub struct LogPage {
    pub entries: Vec<LogEntry>,
    /// The last one looked at: the next page begins there. `None` when there is no more.
    pub next: Option<u64>,
    /// The last event at the moment of asking.
    pub head: u64,
}

/// How far a rebuild of the views has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuildProgress {
    /// `None` is all views.
    pub view: Option<String>,
    pub position: u64,
    pub head: u64,
    pub started_at: Timestamp,
    /// `None` while it runs.
    pub finished_at: Option<Timestamp>,
    /// Why it stopped before the end.
    pub failed: Option<String>,
}

/// What a backup copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupDone {
    pub folder: String,
    /// Position of the last event in the copy.
    pub head: u64,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    Fine,
    /// Works, but somebody should look.
    Warning,
    Wrong,
}

/// One thing the doctor looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctorFinding {
    /// A fixed word: `views`, `dead_letters`, `clock`, `disk`, `keys`, `sqlite`, …
    pub check: &'static str,
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do about it; for fine findings none.
    pub advice: Option<String>,
}

/// Implemented by the composition root. All of it may be asked while the
/// service is under load, so nothing here waits without a bound.
#[async_trait]
pub trait Powers: Send + Sync + 'static {
    fn status(&self) -> Status;

    /// # Errors
    /// When the outbox cannot be read.
    async fn outbox(&self, query: OutboxQuery) -> Result<OutboxPage, PowerFailure>;

    /// Has a queued or dead mail sent at the next opportunity.
    ///
    /// # Errors
    /// `Unknown`; `NotNow` for one that is being sent or is over.
    async fn retry_mail(&self, tenant: Option<&TenantName>, id: &str) -> Result<OutboxEntry, PowerFailure>;

    /// Gives a mail up for good, and has that recorded on what asked for it.
    ///
    /// # Errors
    /// `Unknown`; `NotNow` for one that is being sent or is over.
    async fn abandon_mail(&self, tenant: Option<&TenantName>, id: &str) -> Result<OutboxEntry, PowerFailure>;

    /// # Errors
    /// When the log cannot be read.
    async fn log(&self, query: LogQuery) -> Result<LogPage, PowerFailure>;

    /// All events of one aggregate, oldest first; empty when it has none.
    ///
    /// # Errors
    /// When the log cannot be read.
    async fn history(
        &self,
        tenant: &TenantName,
        aggregate: &'static str,
        id: Uuid,
        personal: bool,
    ) -> Result<Vec<LogEntry>, PowerFailure>;

    /// Starts rebuilding one view or all of them, beside the live ones.
    ///
    /// # Errors
    /// `Unknown` view; `NotNow` while another rebuild runs.
    async fn start_rebuild(&self, view: Option<&str>) -> Result<RebuildProgress, PowerFailure>;

    /// The rebuild that runs, else the last one since the start.
    fn rebuild(&self) -> Option<RebuildProgress>;

    /// Copies ledger, state and keys to an empty or new folder of this machine.
    ///
    /// # Errors
    /// `NotNow` when the folder is not empty or cannot be written.
    async fn backup(&self, folder: &Path) -> Result<BackupDone, PowerFailure>;

    /// Looks at everything a running ledger knows about its own health.
    async fn doctor(&self) -> Vec<DoctorFinding>;
}
