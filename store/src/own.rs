//! Events about the ledger itself: written by the store, while nobody serves, into a
//! stream of their own.
//!
//! They fence by standing in the log: after `Moved` or `Abandoned` nobody appends but
//! who moves the ledger, whichever process it is and whatever it was told before.

use serde_json::Value;
use uuid::Uuid;

use crate::{
    BackendOptions, NewEvent, OpenError, Position, ReadError, StreamId, canonical,
    log::{Backend, Origin, Place, Row},
};

/// What events about the ledger itself have for a tenant; no tenant's name.
pub const NO_TENANT: &str = "_";
/// Kinds of them that say who may append next.
pub(crate) const MOVED: &str = "Moved";
pub(crate) const OPENED: &str = "Opened";
const ABANDONED: &str = "Abandoned";
/// Rows read at once on the way back to the newest of them.
const PAGE: usize = 4_096;

/// Who may append to a log, as its last event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Whoever serves it.
    Open,
    /// The ledger goes on elsewhere, at the place that bears this mark.
    Moved { to: String, arrival: Uuid },
    /// A move to here was given up.
    Abandoned,
}

/// Where a log ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    pub place: Place,
    pub at: i64,
    /// Events about the ledger itself so far.
    pub own: u64,
}

impl Standing {
    pub(crate) fn after(last: Option<&Row>) -> Self {
        let Some(row) = last.filter(|row| row.tenant == NO_TENANT) else { return Self::Open };
        match row.kind.as_str() {
            MOVED => Self::Moved { to: member(row, "to"), arrival: arrival_of(row) },
            ABANDONED => Self::Abandoned,
            _ => Self::Open,
        }
    }

    /// What is told to whoever wants to serve it.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let (reason, fix) = match self {
            Self::Open => return Ok(()),
            Self::Moved { to, .. } => (
                format!("the ledger has moved to {to}"),
                "serve it from there; as long as it was not opened there, `move --cancel` reopens it here",
            ),
            Self::Abandoned => (
                "a move to this place was given up".to_owned(),
                "serve the ledger where it came from, and move it to another place",
            ),
        };
        Err(OpenError::Closed { reason, fix })
    }
}

/// The mark that an event about a move names.
pub(crate) fn arrival_of(row: &Row) -> Uuid {
    Uuid::try_parse(&member(row, "arrival")).unwrap_or_default()
}

fn member(row: &Row, name: &str) -> String {
    let payload: Value = serde_json::from_str(&row.payload).unwrap_or_default();
    payload[name].as_str().unwrap_or_default().to_owned()
}

/// The same, for who has not opened anything yet.
pub fn check_open_at(log: &BackendOptions) -> Result<(), OpenError> {
    Backend::look(log)?.as_ref().map_or(Ok(()), check_open)
}

/// Refuses a log that nobody may serve: one that was left, or that is not whole yet.
pub(crate) fn check_open(log: &Backend) -> Result<(), OpenError> {
    if log.arrival()?.is_some() {
        let reason = "a ledger is being moved to this place and is not open yet".to_owned();
        return Err(OpenError::Closed { reason, fix: "run the same `move` again, or give it up with `move --cancel`" });
    }
    Standing::after(log.before(Position::MAX, 1)?.first()).check()
}

/// So many events about the ledger itself stand before a position, if `before` reads rows descending.
pub(crate) fn count_before(
    position: Position,
    before: impl Fn(Position, usize) -> Result<Vec<Row>, ReadError>,
) -> Result<u64, ReadError> {
    let mut position = position;
    loop {
        let rows = before(position, PAGE)?;
        if let Some(row) = rows.iter().find(|row| row.tenant == NO_TENANT) {
            return Ok(row.version);
        }
        match rows.last() {
            Some(row) => position = row.position,
            None => return Ok(0),
        }
    }
}

impl End {
    pub(crate) fn of(log: &Backend) -> Result<(Self, Option<Row>), ReadError> {
        let Some(last) = log.before(Position::MAX, 1)?.pop() else { return Ok((Self::default(), None)) };
        let own = count_before(last.position + 1, |before, limit| log.before(before, limit))?;
        Ok((Self { place: (last.position, last.leaf), at: last.at, own }, Some(last)))
    }

    /// The end once this row stands there.
    pub(crate) fn then(self, row: &Row) -> Self {
        let own = if row.tenant == NO_TENANT { row.version } else { self.own };
        Self { place: (row.position, row.leaf), at: row.at, own }
    }

    /// The row that an event about the ledger itself is here.
    pub(crate) fn append(self, event: NewEvent, origin: &Origin, now: i64) -> Result<Row, &'static str> {
        let NewEvent { id, kind, schema, payload, metadata } = event;
        let (mut payload_text, mut metadata_text, mut text) = (String::new(), String::new(), String::new());
        canonical::write(&payload, &mut payload_text).map_err(canonical::Refused::reason)?;
        canonical::write_strings(&metadata, &mut metadata_text);
        let mut row = Row {
            position: self.place.0 + 1,
            tenant: NO_TENANT.to_owned(),
            // Nothing else stands in their stream, nor has their tenant another one.
            tseq: self.own + 1,
            stream: StreamId::new(&format!("ledger-{NO_TENANT}/{}", origin.id)),
            version: self.own + 1,
            event_id: id,
            kind,
            schema,
            at: now.max(self.at),
            payload: payload_text,
            metadata: metadata_text,
            sealed: false,
            leaf: [0; 32],
        };
        row.leaf = row.leaf_of(origin, &mut text);
        Ok(row)
    }
}
