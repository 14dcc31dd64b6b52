//! Outbox, rebuilding, backups, health.

use super::{HealthName, MailState};
use crate::operator::powers::{BackupDone, DoctorFinding, OutboxEntry, OutboxFigures, RebuildProgress};
use domain::Timestamp;
use poem_openapi::Object;
use uuid::Uuid;

/// Mails by where they stand.
#[derive(Debug, Object)]
pub(in crate::operator) struct OutboxCounts {
    queued: u64,
    sending: u64,
    /// Given up until somebody decides.
    dead: u64,
}

impl From<OutboxFigures> for OutboxCounts {
    fn from(f: OutboxFigures) -> Self {
        Self { queued: f.queued, sending: f.sending, dead: f.dead }
    }
}

/// One mail.
#[derive(Debug, Object)]
pub(in crate::operator) struct OutboxMail {
    id: String,
    tenant: String,
    /// `invitation`, `employee` or `user`.
    aggregate: String,
    aggregate_id: Uuid,
    /// Of an invitation the generation; else the version of the asking event.
    number: u64,
    part: u8,
    state: MailState,
    attempts: u32,
    /// What the last attempt ended with.
    reason: Option<String>,
    asked_at: String,
    next_attempt_at: Option<String>,
}

impl From<OutboxEntry> for OutboxMail {
    fn from(entry: OutboxEntry) -> Self {
        Self {
            id: entry.id,
            tenant: entry.tenant.to_string(),
            aggregate: entry.aggregate,
            aggregate_id: entry.aggregate_id,
            number: entry.number,
            part: entry.part,
            state: entry.state.into(),
            attempts: entry.attempts,
            reason: entry.reason.map(|r| r.name().to_owned()),
            asked_at: entry.asked_at.rfc3339(),
            next_attempt_at: entry.next_attempt_at.map(Timestamp::rfc3339),
        }
    }
}

/// A part of the outbox.
#[derive(Debug, Object)]
pub(in crate::operator) struct OutboxPart {
    pub items: Vec<OutboxMail>,
    /// `after` of the next part; null at the end.
    pub next: Option<String>,
}

/// How far a rebuild has come.
#[derive(Debug, Object)]
pub(in crate::operator) struct Rebuild {
    /// Null is all views.
    view: Option<String>,
    position: u64,
    head: u64,
    started_at: String,
    /// Null while it runs.
    finished_at: Option<String>,
    /// Why it stopped before the end.
    failed: Option<String>,
}

impl From<RebuildProgress> for Rebuild {
    fn from(p: RebuildProgress) -> Self {
        Self {
            view: p.view,
            position: p.position,
            head: p.head,
            started_at: p.started_at.rfc3339(),
            finished_at: p.finished_at.map(Timestamp::rfc3339),
            failed: p.failed,
        }
    }
}

/// A finished copy.
#[derive(Debug, Object)]
pub(in crate::operator) struct Backup {
    folder: String,
    /// Position of the last event in the copy.
    head: u64,
}

impl From<BackupDone> for Backup {
    fn from(done: BackupDone) -> Self {
        Self { folder: done.folder, head: done.head }
    }
}

/// One thing the doctor looked at.
#[derive(Debug, Object)]
pub(in crate::operator) struct Finding {
    check: String,
    health: HealthName,
    found: String,
    /// What to do about it.
    advice: Option<String>,
}

impl From<DoctorFinding> for Finding {
    fn from(f: DoctorFinding) -> Self {
        Self { check: f.check.to_owned(), health: f.health.into(), found: f.found, advice: f.advice }
    }
}

/// All the doctor looked at.
#[derive(Debug, Object)]
pub(in crate::operator) struct DoctorReport {
    /// False when anything is wrong.
    pub healthy: bool,
    pub findings: Vec<Finding>,
}

/// How far a view has read.
#[derive(Debug, Object)]
pub(in crate::operator) struct ViewProgress {
    pub view: String,
    pub position: u64,
}

/// The program and its ledger.
#[derive(Debug, Object)]
pub(in crate::operator) struct ServiceStatus {
    pub version: String,
    /// The ledger's random id.
    pub ledger: Uuid,
    /// Which life of the ledger this is. It changes when events were given up at a
    /// restore: what was read of the log before may not be in it any more.
    pub epoch: u32,
    /// Position of the last event.
    pub head: u64,
    pub started_at: String,
    pub views: Vec<ViewProgress>,
    /// The view that met an event it cannot fold, if one did.
    pub stopped_view: Option<String>,
    pub outbox: OutboxCounts,
}
