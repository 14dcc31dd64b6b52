//! Finding a page: from the root down, skipping children that lie before it.

use super::node::Node;
use super::{BITS, ROOT, Slots, key_of};
use crate::error::FoldError;
use rusqlite::{Connection, OptionalExtension};

/// Which members of a list are wanted: `count` of them after the first `skip`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub slots: Slots,
    pub skip: u64,
    pub count: u64,
    pub descending: bool,
}

/// Members of the whole list in the chosen slots, and the wanted coordinates in order.
pub(crate) fn window(connection: &Connection, scope: u32, wanted: Window) -> Result<(u64, Vec<u64>), FoldError> {
    let Some(root) = load(connection, scope, ROOT, 0)? else { return Ok((0, vec![])) };
    let total = root.total(wanted.slots);
    let mut walk = Walk { connection, scope, wanted, found: vec![] };
    if wanted.skip < total {
        walk.descend(ROOT, 0, &root)?;
    }
    Ok((total, walk.found))
}

struct Walk<'a> {
    connection: &'a Connection,
    scope: u32,
    /// `skip` and `count` are what is left of them.
    wanted: Window,
    found: Vec<u64>,
}

impl Walk<'_> {
    fn descend(&mut self, level: u8, bucket: u64, node: &Node) -> Result<(), FoldError> {
        let mut children: Vec<(u16, u64)> = node.children(self.wanted.slots).collect();
        if self.wanted.descending {
            children.reverse();
        }
        for (child, count) in children {
            if self.wanted.count == 0 {
                break;
            }
            if self.wanted.skip >= count {
                self.wanted.skip -= count;
                continue;
            }
            let below = BITS.get(usize::from(level)).map_or(0, |bits| bucket << bits) | u64::from(child);
            if level == 0 {
                self.found.push(below);
                self.wanted.count -= 1;
                continue;
            }
            let node =
                load(self.connection, self.scope, level - 1, below)?.ok_or(FoldError::Row("a rank node is missing"))?;
            self.descend(level - 1, below, &node)?;
        }
        Ok(())
    }
}

pub(super) fn load(connection: &Connection, scope: u32, level: u8, bucket: u64) -> Result<Option<Node>, FoldError> {
    let mut select = connection.prepare_cached("SELECT body FROM node WHERE key = ?1")?;
    let found = select
        .query_row([key_of(scope, level, bucket)], |row| {
            Ok(row.get_ref(0)?.as_blob().ok().and_then(|body| Node::decode(level, body)))
        })
        .optional()?;
    match found {
        Some(node) => node.map(Some).ok_or(FoldError::Row("a rank node")),
        None => Ok(None),
    }
}
