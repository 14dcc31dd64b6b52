//! What operators may do beyond use cases, over the rooms that can.

use super::doctor;
use super::house::Rooms;
use async_trait::async_trait;
use delivery::{MailState, OperatorError, OutboxFilter, OutboxRow};
use domain::{Failure, TenantName, Timestamp};
use openapi::operator::{
    BackupDone, DoctorFinding, LogEntry, LogFrom, LogOf, LogPage, LogQuery, MAX_PAGE, OutboxEntry, OutboxFigures,
    OutboxPage, OutboxQuery, OutboxState, PowerFailure, Powers, RebuildProgress, Status,
};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{ReadError, Recorded, StreamId};
use uuid::Uuid;

pub(super) struct HousePowers {
    rooms: Rooms,
    started_at: Timestamp,
    rebuild: Arc<Mutex<Option<RebuildProgress>>>,
}

impl HousePowers {
    pub fn new(rooms: Rooms) -> Self {
        let started_at = rooms.clock.now();
        Self { rooms, started_at, rebuild: Arc::default() }
    }
}

fn lock(rebuild: &Mutex<Option<RebuildProgress>>) -> MutexGuard<'_, Option<RebuildProgress>> {
    rebuild.lock().unwrap_or_else(PoisonError::into_inner)
}

fn internal<E: Into<Box<dyn std::error::Error + Send + Sync>>>(error: E) -> PowerFailure {
    PowerFailure::Failed(Failure::internal(error))
}

#[async_trait]
impl Powers for HousePowers {
    fn status(&self) -> Status {
        let figures = self.rooms.delivery.figures();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ledger: self.rooms.ledger.ledger_id(),
            epoch: self.rooms.ledger.epoch(),
            head: self.rooms.ledger.head(),
            started_at: self.started_at,
            outbox: OutboxFigures { queued: figures.queued, sending: figures.sending, dead: figures.dead },
        }
    }

    async fn outbox(&self, query: OutboxQuery) -> Result<OutboxPage, PowerFailure> {
        let state = match query.state {
            None => None,
            Some(OutboxState::Queued) => Some(MailState::Queued),
            Some(OutboxState::Sending) => Some(MailState::Sending),
            Some(OutboxState::Dead) => Some(MailState::Dead),
            // What is over has left the outbox; the log tells of it.
            Some(OutboxState::Sent | OutboxState::Abandoned) => return Ok(OutboxPage::default()),
        };
        let limit = query.limit.clamp(1, MAX_PAGE);
        let filter = OutboxFilter { state, tenant: query.tenant, after: query.after, limit };
        let rows = self.rooms.delivery.list(&filter).map_err(not_now)?;
        let next = rows.last().filter(|_| rows.len() == limit).map(|row| row.id.clone());
        Ok(OutboxPage { entries: rows.into_iter().map(entry_of).collect(), next })
    }

    async fn retry_mail(&self, tenant: Option<&TenantName>, id: &str) -> Result<OutboxEntry, PowerFailure> {
        self.known(tenant, id)?;
        self.rooms.delivery.retry(id).await.map_err(not_now)?;
        self.known(tenant, id)
    }

    async fn abandon_mail(&self, tenant: Option<&TenantName>, id: &str) -> Result<OutboxEntry, PowerFailure> {
        let before = self.known(tenant, id)?;
        self.rooms.delivery.abandon(id).await.map_err(not_now)?;
        // What is over leaves the outbox.
        Ok(self.known(tenant, id).unwrap_or(OutboxEntry {
            state: OutboxState::Abandoned,
            next_attempt_at: None,
            ..before
        }))
    }

    async fn log(&self, query: LogQuery) -> Result<LogPage, PowerFailure> {
        let limit = query.limit.clamp(1, MAX_PAGE);
        let ledger = &self.rooms.ledger;
        let (head, events) = match &query.of {
            LogOf::All | LogOf::Picked(_) => (
                Ok(ledger.head()),
                match query.from {
                    LogFrom::After(position) => ledger.read_log(position, limit),
                    LogFrom::Before(position) => ledger.read_log_back(position, limit),
                },
            ),
            LogOf::Own(tenant) => (
                ledger.tenant_head(tenant.as_str()),
                match query.from {
                    LogFrom::After(number) => ledger.read_tenant(tenant.as_str(), number, limit),
                    LogFrom::Before(number) => ledger.read_tenant_back(tenant.as_str(), number, limit),
                },
            ),
        };
        let (head, events) = (head.map_err(internal)?, events.map_err(internal)?);
        let mine = |event: &&Arc<Recorded>| match &query.of {
            LogOf::Picked(tenant) => tenant.as_str() == event.tenant,
            LogOf::All | LogOf::Own(_) => true,
        };
        let last = events.last().filter(|_| events.len() == limit);
        let next = last.map(|event| if query.of.by_position() { event.position } else { event.tseq });
        let entries = events.iter().filter(mine).map(|e| log_entry(e, query.personal)).collect::<Result<_, _>>();
        Ok(LogPage { entries: entries.map_err(internal)?, next, head })
    }

    async fn history(
        &self,
        tenant: &TenantName,
        aggregate: &'static str,
        id: Uuid,
        personal: bool,
    ) -> Result<Vec<LogEntry>, PowerFailure> {
        let stream = StreamId::of(aggregate, tenant.as_str(), id);
        let events = self.rooms.ledger.read_stream(&stream, 0, None).map_err(internal)?;
        events.iter().map(|e| log_entry(e, personal)).collect::<Result<_, _>>().map_err(internal)
    }

    async fn start_rebuild(&self, view: Option<&str>) -> Result<RebuildProgress, PowerFailure> {
        if view.is_some_and(|view| !self.rooms.views.progress().iter().any(|(name, _)| *name == view)) {
            return Err(PowerFailure::Unknown("view"));
        }
        let progress = RebuildProgress {
            view: view.map(ToOwned::to_owned),
            position: 0,
            head: self.rooms.ledger.head(),
            started_at: self.rooms.clock.now(),
            finished_at: None,
            failed: None,
        };
        {
            let mut running = lock(&self.rebuild);
            if running.as_ref().is_some_and(|r| r.finished_at.is_none()) {
                return Err(PowerFailure::NotNow("another rebuild is running".to_owned()));
            }
            *running = Some(progress.clone());
        }
        let (rooms, rebuild, view) = (self.rooms.clone(), self.rebuild.clone(), progress.view.clone());
        tokio::task::spawn_blocking(move || {
            let mut on_progress = |position, head| {
                if let Some(running) = lock(&rebuild).as_mut() {
                    (running.position, running.head) = (position, head);
                }
            };
            let done = rooms.views.rebuild(view.as_deref(), &mut on_progress);
            if let Err(error) = &done {
                tracing::error!(error = error as &dyn std::error::Error, "the views could not be rebuilt");
            }
            if let Some(running) = lock(&rebuild).as_mut() {
                running.finished_at = Some(rooms.clock.now());
                running.failed = done.err().map(|e| e.to_string());
            }
        });
        Ok(progress)
    }

    fn rebuild(&self) -> Option<RebuildProgress> {
        lock(&self.rebuild).clone()
    }

    async fn backup(&self, folder: &Path) -> Result<BackupDone, PowerFailure> {
        if let Some(server) = self.rooms.ledger.server() {
            return Err(PowerFailure::NotNow(format!(
                "the log lies in {server}: back it up there first, then state and keys: where they lie, or state.db and keys.db of a stopped service"
            )));
        }
        let (from, to) = (self.rooms.data.clone(), folder.to_owned());
        let head = self.rooms.ledger.head();
        let copied =
            tokio::task::spawn_blocking(move || store::backup(&from, &to, &mut |_| {})).await.map_err(internal)?;
        copied.map_err(|error| PowerFailure::NotNow(error.to_string()))?;
        Ok(BackupDone { folder: folder.display().to_string(), head })
    }

    async fn doctor(&self) -> Vec<DoctorFinding> {
        doctor::examine(&self.rooms).await
    }
}

impl HousePowers {
    fn known(&self, tenant: Option<&TenantName>, id: &str) -> Result<OutboxEntry, PowerFailure> {
        let row = self.rooms.delivery.find(id).map_err(not_now)?;
        let row = row.filter(|row| tenant.is_none_or(|t| *t == row.tenant));
        row.map(entry_of).ok_or(PowerFailure::Unknown("mail"))
    }
}

fn not_now(error: OperatorError) -> PowerFailure {
    match error {
        OperatorError::NoId(_) | OperatorError::NotFound(_) => PowerFailure::Unknown("mail"),
        error @ OperatorError::Busy(_) => PowerFailure::NotNow(error.to_string()),
        error @ (OperatorError::State(_) | OperatorError::Read(_) | OperatorError::Record(_)) => internal(error),
    }
}

fn state_of(state: MailState) -> OutboxState {
    match state {
        MailState::Queued => OutboxState::Queued,
        MailState::Sending => OutboxState::Sending,
        MailState::Dead => OutboxState::Dead,
    }
}

fn entry_of(row: OutboxRow) -> OutboxEntry {
    OutboxEntry {
        id: row.id,
        tenant: row.tenant,
        aggregate: row.aggregate.to_owned(),
        aggregate_id: row.aggregate_id,
        number: row.number,
        part: row.part,
        state: state_of(row.state),
        attempts: row.attempts,
        reason: row.reason,
        asked_at: row.asked_at,
        next_attempt_at: row.next_attempt_at,
    }
}

/// What is personal is left out unless it was asked for.
fn log_entry(event: &Recorded, personal: bool) -> Result<LogEntry, ReadError> {
    let mut payload = event.tree()?;
    if !personal && let Some(members) = payload.as_object_mut() {
        members.remove("personal");
    }
    Ok(LogEntry {
        position: event.position,
        tenant: event.tenant.clone(),
        tseq: event.tseq,
        stream: event.stream.as_str().to_owned(),
        version: event.version,
        event_id: event.event_id,
        kind: event.kind.clone(),
        schema: event.schema,
        at: Timestamp(event.at),
        payload,
        metadata: event.metadata.to_map(),
        leaf: event.leaf.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}
