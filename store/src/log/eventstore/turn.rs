//! Turns without a lock: read to the end, check, append there or be overtaken.

use std::time::{Duration, Instant};

use eventstore::{EventData, ExpectedRevision, RecordedEvent};

use super::{
    super::{AppendFault, Fault, Place, Row, Shared, Turn, TurnFault},
    EventStoreLog,
    link::{NotAppended, NotRead, Page},
    origin,
    read::PAGE,
    wire,
};

/// How long, and how often at least, an append is repeated before those who wait are told that its outcome is unknown.
const SETTLE_WITHIN: Duration = Duration::from_secs(8);
const ATTEMPTS: u32 = 3;
/// Between attempts.
const SETTLE_EVERY: Duration = Duration::from_millis(50);

type Events = Result<Vec<RecordedEvent>, NotRead>;

impl Shared for EventStoreLog {
    /// There is nobody to listen to: the log is polled for news.
    fn watch(&self, _wake: Box<dyn Fn() + Send + Sync>) {}

    fn news(&self, since: Place) -> Result<Vec<Row>, TurnFault> {
        // With the event known last, which shows that the log still goes through it.
        let known = usize::from(since.0 > 0);
        let page = Page::From(since.0.saturating_sub(1));
        let (events, ours) = self.events_and_hold(page, PAGE + known).map_err(TurnFault::Unreachable)?;
        match ours {
            Ok(true) => {}
            Ok(false) | Err(NotRead::NoStream) => {
                return Err(TurnFault::Diverged("a service that has it otherwise has taken it"));
            }
            Err(NotRead::Unreachable(fault)) => return Err(TurnFault::Unreachable(fault)),
        }
        let events = match events {
            Ok(events) => events,
            Err(NotRead::NoStream) if known == 0 => return Ok(Vec::new()),
            Err(NotRead::NoStream) => return Err(TurnFault::Diverged("its stream is gone")),
            Err(NotRead::Unreachable(fault)) => return Err(TurnFault::Unreachable(fault)),
        };
        let rows: Result<Vec<Row>, _> = events.into_iter().map(|event| wire::row_of(event, &self.origin)).collect();
        let mut rows = rows.map_err(|fault| {
            tracing::error!(error = &fault as &dyn std::error::Error, "the log holds what the ledger has not written");
            TurnFault::Diverged("an event in it is not the ledger's")
        })?;
        if known > 0 {
            if rows.first().is_none_or(|row| (row.position, row.leaf) != since) {
                return Err(TurnFault::Diverged("it ends before this node's last event, or with another one"));
            }
            rows.remove(0);
        }
        if rows.iter().zip(since.0 + 1..).any(|(row, expected)| row.position != expected) {
            return Err(TurnFault::Diverged("an event is missing in it"));
        }
        Ok(rows)
    }

    fn begin(&self, since: Place, _local: i64) -> Result<Turn, TurnFault> {
        let news = self.news(since)?;
        // Nobody waits for this node, but there may be more than one page.
        if news.len() >= PAGE { Ok(Turn::FarBehind) } else { Ok(Turn::Taken { now: None, news }) }
    }

    /// Nobody waits.
    fn kept(&self) -> Option<Duration> {
        None
    }

    fn let_go(&self) {}
}

impl EventStoreLog {
    /// Appends to the end that the turn began at, if it is the end still.
    pub(crate) fn append(&self, rows: &[Row]) -> Result<(), AppendFault> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let expected = match first.position.checked_sub(2) {
            None => ExpectedRevision::NoStream,
            Some(revision) => ExpectedRevision::Exact(revision),
        };
        let events: Result<Vec<EventData>, Fault> = rows.iter().map(|row| wire::event_of(row, &self.origin)).collect();
        let events = events.map_err(|fault| not_appended(&*fault))?;
        let (begun, mut attempts, mut unanswered) = (Instant::now(), 0, None);
        loop {
            attempts += 1;
            match self.attempt(expected, events.clone()) {
                Ok(revision) if revision + 1 == last.position => return Ok(()),
                Ok(_) | Err(NotAppended::WrongRevision) => match self.stand(rows) {
                    Ok(true) => return Ok(()),
                    Ok(false) => return Err(AppendFault::Overtaken),
                    // What an attempt before this one came to is not known yet.
                    Err(fault) => unanswered = Some(fault),
                },
                Err(NotAppended::Elsewhere) => {}
                Err(NotAppended::Refused(fault)) => match unanswered {
                    None => return Err(not_appended(&*fault)),
                    Some(_) => tracing::debug!(error = &*fault, "an append is not settled yet"),
                },
                Err(NotAppended::Unanswered(fault)) => {
                    tracing::warn!(error = &*fault, "an append without an answer is repeated");
                    unanswered = Some(fault);
                }
            }
            if attempts >= ATTEMPTS && begun.elapsed() >= SETTLE_WITHIN {
                return Err(unanswered.map_or(AppendFault::Busy, AppendFault::Unsettled));
            }
            std::thread::sleep(SETTLE_EVERY);
        }
    }

    /// A page, and whether this process still has the log as it took it: asked together.
    fn events_and_hold(&self, page: Page, count: usize) -> Result<(Events, Result<bool, NotRead>), Fault> {
        let (link, stream, hold) = (self.link.clone(), self.stream.clone(), self.hold.get().copied());
        self.waiting.run(async move {
            match hold {
                None => (link.read(&stream, page, count).await, Ok(true)),
                Some(hold) => {
                    tokio::join!(link.read(&stream, page, count), origin::stands(&link, &stream, hold))
                }
            }
        })
    }

    fn attempt(&self, expected: ExpectedRevision, events: Vec<EventData>) -> Result<u64, NotAppended> {
        let (link, stream) = (self.link.clone(), self.stream.clone());
        self.waiting
            .run(async move { link.append(&stream, expected, events).await })
            .unwrap_or_else(|fault| Err(NotAppended::Unanswered(fault)))
    }

    /// Whether these very events stand in their places.
    fn stand(&self, rows: &[Row]) -> Result<bool, Fault> {
        let Some(first) = rows.first() else { return Ok(true) };
        let found = match self.events(Page::From(first.position - 1), rows.len())? {
            Ok(found) => found,
            Err(NotRead::NoStream) => return Ok(false),
            Err(NotRead::Unreachable(fault)) => return Err(fault),
        };
        Ok(found.len() == rows.len() && found.iter().zip(rows).all(|(event, row)| event.id == wire::id_of(&row.leaf)))
    }
}

fn not_appended(fault: &(dyn std::error::Error + 'static)) -> AppendFault {
    tracing::error!(error = fault, "a batch was not appended");
    AppendFault::Busy
}
