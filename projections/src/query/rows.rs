//! Reading rows back.

use super::QueryError;
use crate::columns::{Cells, signed};
use crate::error::FoldError;
use rusqlite::{Connection, OptionalExtension, Params};

/// The first row of a statement.
pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&mut Cells<'_, '_>) -> Result<T, FoldError>,
) -> Result<Option<T>, QueryError> {
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params, |row| Ok(read(&mut Cells::of(row)))).optional()?;
    Ok(found.transpose()?)
}

/// All rows of a statement that bounds itself.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&mut Cells<'_, '_>) -> Result<T, FoldError>,
) -> Result<Vec<T>, QueryError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(&mut Cells::of(row))?);
    }
    Ok(found)
}

/// The rows at coordinates that a list named; each of them is there.
pub(super) fn at<T>(
    connection: &Connection,
    sql: &'static str,
    coordinates: &[u64],
    read: impl Fn(&mut Cells<'_, '_>) -> Result<T, FoldError>,
) -> Result<Vec<T>, QueryError> {
    coordinates
        .iter()
        .map(|at| {
            let row = one(connection, sql, [signed(*at)], &read)?;
            row.ok_or_else(|| FoldError::Row("a listed row is missing").into())
        })
        .collect()
}
