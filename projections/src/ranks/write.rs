//! Counting: changes are gathered in memory and written once per transaction,
//! because most of a batch falls into the same nodes.

use super::node::Node;
use super::read::load;
use super::{Nodes, ROOT, key_of, locate};
use crate::error::FoldError;
use crate::fold::View;
use crate::limits::NODES_KEPT;
use rusqlite::Connection;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

struct Kept {
    level: u8,
    node: Node,
    changed: bool,
}

/// The writer's nodes. They are ahead of the file until [`Ranks::flush`], and
/// must be forgotten when the transaction is rolled back.
#[derive(Default)]
pub(crate) struct Ranks {
    nodes: HashMap<i64, Kept>,
    /// Keys of changed nodes, so that a small transaction does not look at all of them.
    changed: Vec<i64>,
    body: Vec<u8>,
}

impl Ranks {
    /// Counts a member at a coordinate.
    pub(crate) fn add(&mut self, connection: &Connection, scope: u32, at: u64, slot: u8) -> Result<(), FoldError> {
        for level in 0..=ROOT {
            let (bucket, child) = locate(level, at);
            if !self.node(connection, (scope, level, bucket))?.add(child, slot) {
                return Err(FoldError::Row("a list is too long"));
            }
        }
        Ok(())
    }

    /// Counts a member no longer.
    pub(crate) fn take(&mut self, connection: &Connection, scope: u32, at: u64, slot: u8) -> Result<(), FoldError> {
        for level in 0..=ROOT {
            let (bucket, child) = locate(level, at);
            if !self.node(connection, (scope, level, bucket))?.take(child, slot) {
                return Err(FoldError::Row("a list has lost a member"));
            }
        }
        Ok(())
    }

    /// The node, to be changed.
    fn node(
        &mut self,
        connection: &Connection,
        (scope, level, bucket): (u32, u8, u64),
    ) -> Result<&mut Node, FoldError> {
        let key = key_of(scope, level, bucket);
        let kept = match self.nodes.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let node = load(connection, scope, level, bucket)?.unwrap_or_default();
                entry.insert(Kept { level, node, changed: false })
            }
        };
        if !kept.changed {
            kept.changed = true;
            self.changed.push(key);
        }
        Ok(&mut kept.node)
    }

    /// Writes what changed, within the caller's transaction.
    pub(crate) fn flush(&mut self, connection: &Connection) -> Result<(), FoldError> {
        let mut replace = connection.prepare_cached("INSERT OR REPLACE INTO node (key, body) VALUES (?1, ?2)")?;
        let mut delete = connection.prepare_cached("DELETE FROM node WHERE key = ?1")?;
        self.changed.sort_unstable();
        for key in &self.changed {
            let Some(kept) = self.nodes.get_mut(key) else { continue };
            kept.changed = false;
            if kept.node.is_empty() {
                delete.execute([key])?;
            } else {
                kept.node.encode(kept.level, &mut self.body);
                replace.execute((key, &self.body))?;
            }
        }
        self.changed.clear();
        if self.nodes.len() > NODES_KEPT {
            self.nodes.clear();
        }
        Ok(())
    }

    pub(crate) fn forget(&mut self) {
        self.nodes.clear();
        self.changed.clear();
    }
}

/// Deletes every count of one view, and its scopes.
pub(crate) fn clear(connection: &Connection, view: View) -> Result<(), rusqlite::Error> {
    let numbers: Vec<u32> = connection
        .prepare("SELECT number FROM scope WHERE view = ?1")?
        .query_map([view.name()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut delete = connection.prepare("DELETE FROM node WHERE key >= ?1 AND key <= ?2")?;
    for number in numbers {
        let nodes = Nodes::of(number);
        delete.execute((nodes.first, nodes.last))?;
    }
    connection.execute("DELETE FROM scope WHERE view = ?1", [view.name()])?;
    Ok(())
}
