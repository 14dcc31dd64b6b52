//! What can be asked of the views. Each query runs on one reading connection
//! and in one transaction, so that rows and counts are of one moment.

mod directory;
mod employees;
mod integrations;
mod invitations;
mod listing;
mod notifications;
mod rows;
#[cfg(test)]
mod tests;

use crate::ViewsError;
use crate::error::FoldError;
use crate::page::Cut;
use crate::ranks::{self, Slots, Window};
use crate::scopes::{self, Scope};
use domain::{Failure, Refusal, Unavailable};
use rusqlite::Connection;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Views(#[from] ViewsError),
}

impl From<rusqlite::Error> for QueryError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Views(source.into())
    }
}

impl From<FoldError> for QueryError {
    fn from(source: FoldError) -> Self {
        Self::Views(source.into())
    }
}

impl From<QueryError> for Failure {
    fn from(fault: QueryError) -> Self {
        match fault {
            QueryError::Refused(refusal) => Self::Refused(refusal),
            QueryError::Views(ViewsError::Closed) => Unavailable::Stopping.into(),
            QueryError::Views(source) => Self::internal(source),
        }
    }
}

/// The coordinates of one page of a list, and how many there are in all.
fn ranked(
    connection: &Connection,
    scope: Scope<'_>,
    slots: Slots,
    cut: Cut,
    descending: bool,
) -> Result<(u64, Vec<u64>), QueryError> {
    let Some(scope) = scopes::find(connection, scope)? else { return Ok((0, vec![])) };
    let window = Window { slots, skip: cut.offset(), count: cut.size, descending };
    Ok(ranks::window(connection, scope, window)?)
}
