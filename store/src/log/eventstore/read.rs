//! Reading rows, by any thread.

use eventstore::RecordedEvent;

use super::{
    super::{Fault, Row},
    EventStoreLog,
    link::{NotRead, Page},
    wire,
};
use crate::{Position, ReadError};

/// Events read at once.
pub(super) const PAGE: usize = 1_024;

impl EventStoreLog {
    pub(crate) fn after(&self, after: Position, limit: usize) -> Result<Vec<Row>, ReadError> {
        let mut rows: Vec<Row> = Vec::new();
        while rows.len() < limit {
            let count = PAGE.min(limit - rows.len());
            // The revision of the next one is the position of the one before it.
            let found = self.page(Page::From(after + rows.len() as u64), count)?;
            let at_end = found.len() < count;
            rows.extend(found);
            if at_end {
                break;
            }
        }
        Ok(rows)
    }

    pub(crate) fn before(&self, before: Position, limit: usize) -> Result<Vec<Row>, ReadError> {
        let mut rows: Vec<Row> = Vec::new();
        while rows.len() < limit {
            let before = rows.last().map_or(before, |row| row.position);
            let page = match before {
                0 | 1 => break,
                // The server's own numbers end there.
                _ if i64::try_from(before).is_err() => Page::FromEnd,
                _ => Page::Down(before - 2),
            };
            let count = PAGE.min(limit - rows.len());
            let found = self.page(page, count)?;
            let at_end = found.len() < count;
            rows.extend(found);
            if at_end {
                break;
            }
        }
        Ok(rows)
    }

    pub(crate) fn at(&self, positions: &[Position]) -> Result<Vec<Row>, ReadError> {
        let mut rows = Vec::with_capacity(positions.len());
        for run in positions.chunk_by(|one, next| *next == one + 1) {
            if let Some(first) = run.first().filter(|first| **first > 0) {
                rows.extend(self.after(first - 1, run.len())?);
            }
        }
        Ok(rows)
    }

    fn page(&self, page: Page, count: usize) -> Result<Vec<Row>, ReadError> {
        match self.events(page, count).map_err(ReadError::Server)? {
            Ok(events) => events.into_iter().map(|event| wire::row_of(event, &self.origin)).collect(),
            // A ledger without events has no stream yet.
            Err(NotRead::NoStream) => Ok(Vec::new()),
            Err(NotRead::Unreachable(fault)) => Err(ReadError::Server(fault)),
        }
    }

    /// A page of the stream, read on the client's own thread.
    pub(super) fn events(&self, page: Page, count: usize) -> Result<Result<Vec<RecordedEvent>, NotRead>, Fault> {
        let (link, stream) = (self.link.clone(), self.stream.clone());
        self.waiting.run(async move { link.read(&stream, page, count).await })
    }
}
