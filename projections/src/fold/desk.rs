//! What a view folds into: the connection inside its transaction, and the counts.

use crate::error::FoldError;
use crate::ranks::Ranks;
use crate::scopes::{Scope, Scopes};
use rusqlite::{CachedStatement, Connection, Params};

pub(crate) struct Desk<'a> {
    pub connection: &'a Connection,
    pub ranks: &'a mut Ranks,
    pub scopes: &'a mut Scopes,
}

impl<'a> Desk<'a> {
    pub(crate) fn prepare(&self, sql: &'static str) -> Result<CachedStatement<'a>, FoldError> {
        Ok(self.connection.prepare_cached(sql)?)
    }

    pub(crate) fn execute(&self, sql: &'static str, params: impl Params) -> Result<(), FoldError> {
        self.prepare(sql)?.execute(params)?;
        Ok(())
    }

    /// A new member of a list.
    pub(crate) fn add(&mut self, scope: Scope<'_>, at: u64, slot: u8) -> Result<(), FoldError> {
        let scope = self.scopes.number(self.connection, scope)?;
        self.ranks.add(self.connection, scope, at, slot)
    }

    /// A member leaves a list.
    pub(crate) fn take(&mut self, scope: Scope<'_>, at: u64, slot: u8) -> Result<(), FoldError> {
        let scope = self.scopes.number(self.connection, scope)?;
        self.ranks.take(self.connection, scope, at, slot)
    }

    /// A member changes its slot, its place, or both.
    pub(crate) fn shift(&mut self, scope: Scope<'_>, from: (u64, u8), to: (u64, u8)) -> Result<(), FoldError> {
        if from == to {
            return Ok(());
        }
        let scope = self.scopes.number(self.connection, scope)?;
        self.ranks.take(self.connection, scope, from.0, from.1)?;
        self.ranks.add(self.connection, scope, to.0, to.1)
    }
}
