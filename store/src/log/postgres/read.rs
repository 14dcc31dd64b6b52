//! Reading rows, on connections that others may have at the same time.

use std::time::Duration;

use sqlx::{FromRow as _, Row as _, postgres::PgRow};

use super::{super::Row, PostgresLog};
use crate::{Position, ReadError, StreamId};

/// How long a read may take: one of the whole log takes its time.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// The columns of a row, as `row` reads them.
pub(super) const COLUMNS: &str = "position, tenant, tseq, aggregate_type, aggregate_id, sequence, event_id, event_type, \
                                  event_version, at, payload::text, metadata::text, sealed, leaf";

impl PostgresLog {
    pub(crate) fn after(&self, after: Position, limit: usize) -> Result<Vec<Row>, ReadError> {
        self.rows(
            format!("SELECT {COLUMNS} FROM ledger.events WHERE position > $1 ORDER BY position LIMIT $2"),
            after,
            limit,
        )
    }

    pub(crate) fn before(&self, before: Position, limit: usize) -> Result<Vec<Row>, ReadError> {
        self.rows(
            format!("SELECT {COLUMNS} FROM ledger.events WHERE position < $1 ORDER BY position DESC LIMIT $2"),
            before,
            limit,
        )
    }

    pub(crate) fn at(&self, positions: &[Position]) -> Result<Vec<Row>, ReadError> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<i64> = positions.iter().map(|position| bound(*position)).collect();
        let sql = format!(
            "SELECT {COLUMNS} FROM unnest($1::bigint[]) WITH ORDINALITY AS wanted (place, turn) \
             JOIN ledger.events ON position = place ORDER BY turn"
        );
        let readers = self.readers.clone();
        self.asked(async move {
            let mut on = readers.session().await?;
            let asked = sqlx::query(&sql).persistent(readers.keep_statements()).bind(wanted);
            let rows = asked.fetch_all(&mut *on).await?;
            on.end().await.map(|()| rows)
        })
    }

    fn rows(&self, sql: String, from: Position, limit: usize) -> Result<Vec<Row>, ReadError> {
        let (from, limit) = (bound(from), i64::try_from(limit).unwrap_or(i64::MAX));
        let readers = self.readers.clone();
        self.asked(async move {
            let mut on = readers.session().await?;
            let asked = sqlx::query(&sql).persistent(readers.keep_statements()).bind(from).bind(limit);
            let rows = asked.fetch_all(&mut *on).await?;
            on.end().await.map(|()| rows)
        })
    }

    fn asked(
        &self,
        asking: impl Future<Output = Result<Vec<PgRow>, sqlx::Error>> + Send + 'static,
    ) -> Result<Vec<Row>, ReadError> {
        let asked =
            self.waiting.run(async { tokio::time::timeout(READ_WITHIN, asking).await }).map_err(ReadError::Server)?;
        decoded(asked.map_err(|late| ReadError::Server(late.into()))?)
    }
}

/// A position beyond i64 asks for everything before the end.
pub(super) fn bound(position: Position) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

fn decoded(asked: Result<Vec<PgRow>, sqlx::Error>) -> Result<Vec<Row>, ReadError> {
    let server = |fault: sqlx::Error| ReadError::Server(fault.into());
    asked.map_err(server)?.iter().map(|row| Row::from_row(row).map_err(server)).collect()
}

impl sqlx::FromRow<'_, PgRow> for Row {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let number = |at: usize| row.try_get::<i64, _>(at).map(i64::cast_unsigned);
        let (kind, id): (&str, &str) = (row.try_get(3)?, row.try_get(4)?);
        let schema: &str = row.try_get(8)?;
        // In an answer to several statements at once it comes as text, and cannot be lent.
        let leaf: Vec<u8> = row.try_get(13)?;
        Ok(Row {
            position: number(0)?,
            tenant: row.try_get(1)?,
            tseq: number(2)?,
            stream: StreamId::from(format!("{kind}-{id}")),
            version: number(5)?,
            event_id: row.try_get(6)?,
            kind: row.try_get(7)?,
            schema: schema.parse().map_err(|fault| sqlx::Error::Decode(Box::new(fault)))?,
            at: row.try_get(9)?,
            payload: row.try_get(10)?,
            metadata: row.try_get(11)?,
            sealed: row.try_get(12)?,
            leaf: leaf.try_into().map_err(|_| sqlx::Error::Decode("a leaf has 32 bytes".into()))?,
        })
    }
}
