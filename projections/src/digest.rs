//! Digests of views: SHA-256 over every row of every table of a view, in order,
//! and over its counts by the names of their lists.

use crate::ViewsError;
use crate::fold::View;
use crate::ranks;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use sha2::{Digest, Sha256};

/// One per view, of one moment.
pub(crate) fn of_all(connection: &mut Connection) -> Result<Vec<(String, String)>, ViewsError> {
    let moment = connection.transaction()?;
    View::ALL.into_iter().map(|view| Ok((view.name().to_owned(), of(&moment, view)?))).collect()
}

fn of(connection: &Connection, view: View) -> Result<String, ViewsError> {
    let mut digest = Sha256::new();
    for table in view.tables() {
        digest.update(table.name.as_bytes());
        let mut select = connection.prepare(&format!("SELECT * FROM {} ORDER BY {}", table.name, table.key))?;
        let columns = select.column_count();
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                update(&mut digest, row, column)?;
            }
        }
    }
    let mut scopes = connection.prepare("SELECT number, name FROM scope WHERE view = ?1 ORDER BY name")?;
    let mut scopes = scopes.query([view.name()])?;
    while let Some(scope) = scopes.next()? {
        let nodes = ranks::Nodes::of(scope.get(0)?);
        let mut select = connection.prepare_cached(ranks::Nodes::SELECT)?;
        let mut rows = select.query((nodes.first, nodes.last))?;
        let mut named = false;
        while let Some(row) = rows.next()? {
            // A list that lost its last member is as one that never was.
            if !named {
                update(&mut digest, scope, 1)?;
                named = true;
            }
            digest.update((row.get::<_, i64>(0)? - nodes.first).to_be_bytes());
            update(&mut digest, row, 1)?;
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A value with its type and length, so that neighbours cannot run together.
fn update(digest: &mut Sha256, row: &Row<'_>, column: usize) -> Result<(), ViewsError> {
    match row.get_ref(column)? {
        ValueRef::Null => digest.update([0]),
        ValueRef::Integer(number) => {
            digest.update([1]);
            digest.update(number.to_be_bytes());
        }
        ValueRef::Real(number) => {
            digest.update([2]);
            digest.update(number.to_be_bytes());
        }
        ValueRef::Text(bytes) => framed(digest, 3, bytes),
        ValueRef::Blob(bytes) => framed(digest, 4, bytes),
    }
    Ok(())
}

fn framed(digest: &mut Sha256, tag: u8, bytes: &[u8]) {
    digest.update([tag]);
    digest.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(bytes);
}
