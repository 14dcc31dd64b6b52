//! The log in memory: for tests and for looking at the program without a disk.

use std::sync::RwLock;

use uuid::Uuid;

use super::{Origin, Row};
use crate::{
    Position,
    locks::{read, write},
};

pub(crate) struct MemoryLog {
    origin: Origin,
    rows: RwLock<Vec<Row>>,
}

impl MemoryLog {
    pub(crate) fn new() -> Self {
        Self { origin: Origin::new(Uuid::new_v4(), vec![(1, 1)]), rows: RwLock::default() }
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn append(&self, new: &[Row]) {
        write(&self.rows).extend_from_slice(new);
    }

    pub(crate) fn after(&self, after: Position, limit: usize) -> Vec<Row> {
        let rows = read(&self.rows);
        let from = index(after).min(rows.len());
        rows[from..rows.len().min(from.saturating_add(limit))].to_vec()
    }

    pub(crate) fn before(&self, before: Position, limit: usize) -> Vec<Row> {
        let rows = read(&self.rows);
        let end = index(before.saturating_sub(1)).min(rows.len());
        rows[end.saturating_sub(limit)..end].iter().rev().cloned().collect()
    }

    pub(crate) fn at(&self, positions: &[Position]) -> Vec<Row> {
        let rows = read(&self.rows);
        positions.iter().filter_map(|position| rows.get(index(position.checked_sub(1)?)).cloned()).collect()
    }
}

fn index(position: Position) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
