//! Catching up: the index from the log, at every start and at a rebuild.

use std::collections::HashSet;

use super::{
    Disk, Pinned,
    disk::Standing,
    layer::{ClaimKey, ClaimSecret, Head, Kept, Layer},
};
use crate::{
    ClaimChange, ClaimsOf, CommandId, Mark, Metadata, OpenError, Position, ReadError, StreamId, Vault,
    ledger::{COMMAND_ID, fetch_keys, open_payload, parts_of, subject_claim},
    log::{Backend, Row},
};

/// Rows read at once.
const PAGE: usize = 1_024;
/// Events gathered before they are written, and what may stay in memory at the end.
const FLUSH_EVENTS: u64 = 16_384;
/// Events between two words about progress.
const TELL_EVERY: u64 = 262_144;

/// What following needs.
pub(crate) struct Following<'a> {
    pub log: &'a Backend,
    pub vault: &'a Vault,
    pub claims: &'a ClaimsOf,
    pub secret: &'a ClaimSecret,
    /// Units before this time are too old for their receipts to be kept, µs.
    pub receipts_since: i64,
}

/// What the index knew before a layer is laid over it.
pub(crate) trait Known {
    fn first(&self, stream: &StreamId) -> Result<Option<Position>, ReadError>;
    /// What a stream may hold in a family; one that was given away since is no matter.
    fn held(&self, holder: Position, family: &'static str) -> Result<Vec<ClaimKey>, ReadError>;
    fn receipt(&self, command: &CommandId) -> Result<Option<Kept>, ReadError>;
}

impl Known for Option<&Disk> {
    fn first(&self, stream: &StreamId) -> Result<Option<Position>, ReadError> {
        self.map_or(Ok(None), |disk| disk.first(&disk.front(), stream))
    }

    fn held(&self, holder: Position, family: &'static str) -> Result<Vec<ClaimKey>, ReadError> {
        self.map_or(Ok(Vec::new()), |disk| disk.held(&disk.front(), holder, family))
    }

    fn receipt(&self, command: &CommandId) -> Result<Option<Kept>, ReadError> {
        self.map_or(Ok(None), |disk| disk.receipt(&disk.front(), command))
    }
}

impl Known for Pinned<'_> {
    fn first(&self, stream: &StreamId) -> Result<Option<Position>, ReadError> {
        Ok(self.head(stream)?.map(|head| head.first))
    }

    fn held(&self, holder: Position, family: &'static str) -> Result<Vec<ClaimKey>, ReadError> {
        let mut keys = Pinned::held(self, holder, family)?;
        let mut gone = Ok(());
        keys.retain(|key| match self.holder(key) {
            Ok(found) => found == Some(holder),
            Err(fault) => {
                gone = Err(fault);
                false
            }
        });
        gone.map(|()| keys)
    }

    fn receipt(&self, command: &CommandId) -> Result<Option<Kept>, ReadError> {
        Pinned::receipt(self, command)
    }
}

/// Brings the file up to the log's end, rebuilding it if it does not fit. Hands
/// back the file, what of the end is in memory only, and how far the file goes.
pub(crate) fn follow(
    following: &Following<'_>,
    disk: Option<Disk>,
) -> Result<(Option<Disk>, Layer, Position), OpenError> {
    let Some(disk) = disk else {
        let (layer, flushed) = following.catch_up(None, 0)?;
        return Ok((None, layer, flushed));
    };
    let from = match disk.standing(following.secret) {
        Standing::Empty => Some(0),
        Standing::Follows(mark) if following.fits(&mark)? => Some(mark.position),
        Standing::Follows(_) | Standing::Unfit => None,
    };
    if let Some(from) = from {
        match following.catch_up(Some(&disk), from) {
            Err(fault) if is_damage(&fault) => {}
            caught_up => return caught_up.map(|(layer, flushed)| (Some(disk), layer, flushed)),
        }
    }
    tracing::warn!("the index does not fit the log: rebuilding it");
    let disk = disk.restart()?;
    let (layer, flushed) = following.catch_up(Some(&disk), 0)?;
    Ok((Some(disk), layer, flushed))
}

/// Whether the index file may be what is damaged. If it was the log, the rebuild says so again.
fn is_damage(fault: &OpenError) -> bool {
    matches!(fault, OpenError::Index(ReadError::Sqlite(_) | ReadError::Damaged { .. }))
}

impl Following<'_> {
    fn fits(&self, mark: &Mark) -> Result<bool, ReadError> {
        if mark.ledger_id != self.log.origin().id {
            return Ok(false);
        }
        let at = self.log.at(&[mark.position])?;
        Ok(mark.position == 0 || at.first().is_some_and(|row| row.leaf == mark.leaf))
    }

    fn catch_up(&self, disk: Option<&Disk>, from: Position) -> Result<(Layer, Position), OpenError> {
        let (mut layer, mut flushed, mut told) = (Layer::default(), from, from);
        let mut missing = HashSet::new();
        let mut after = from;
        loop {
            let page = self.log.after(after, PAGE)?;
            fetch_keys(self.vault, &page).map_err(ReadError::from)?;
            for row in &page {
                match self.apply(&mut layer, &disk, row) {
                    Err(ReadError::KeyMissing { subject }) => {
                        missing.insert(subject);
                    }
                    applied => drop(applied?),
                }
                after = row.position;
            }
            if after - told >= TELL_EVERY {
                told = after;
                tracing::info!(position = after, "the index is catching up");
            }
            if let Some(disk) = disk
                && layer.events >= FLUSH_EVENTS
                && missing.is_empty()
            {
                disk.flush(&layer, self.log.origin().id, self.secret)?;
                layer = Layer::default();
                flushed = after;
            }
            if page.len() < PAGE {
                break;
            }
        }
        match missing.len() {
            0 => Ok((layer, flushed)),
            count => Err(OpenError::MissingKeys { missing: count as u64 }),
        }
    }

    /// Lays an event over what is known. Hands back its payload in clear if something in it is sealed.
    pub(crate) fn apply(&self, layer: &mut Layer, known: &dyn Known, row: &Row) -> Result<Option<String>, ReadError> {
        let parts = parts_of(row)?;
        let clear = open_payload(row, parts, self.vault)?;
        let first = match row.version {
            1 => row.position,
            _ => first_of(layer, known, &row.stream)?
                .ok_or(ReadError::Damaged { position: row.position, what: "its stream has no first event" })?,
        };
        layer.grow(&row.stream, Head { first, version: row.version }, row.position);
        layer.number(&row.tenant, row.tseq, row.position);
        layer.last = Some((row.position, row.leaf));
        let changes = (self.claims)(&row.stream, &row.kind, clear.as_ref().unwrap_or(&row.payload));
        for change in subject_claim(parts).into_iter().chain(changes) {
            match change {
                ClaimChange::Take { family, name } => {
                    layer.take(ClaimKey::of(self.secret, family, &name), family, first);
                }
                ClaimChange::Release { family } => release(layer, known, first, family)?,
            }
        }
        if row.at >= self.receipts_since
            && let Some(command) = command_of(row)?
        {
            let kept = match layer.receipts.get(&command) {
                Some(kept) => Some(*kept),
                None => known.receipt(&command)?,
            };
            let begun = kept.unwrap_or(Kept { first: row.position, last: row.position, fingerprint: None });
            layer.receipts.insert(command, Kept { last: row.position, ..begun });
        }
        Ok(clear)
    }
}

fn first_of(layer: &Layer, known: &dyn Known, stream: &StreamId) -> Result<Option<Position>, ReadError> {
    match layer.streams.get(stream) {
        Some(grown) => Ok(Some(grown.head.first)),
        None => known.first(stream),
    }
}

fn release(layer: &mut Layer, known: &dyn Known, holder: Position, family: &'static str) -> Result<(), ReadError> {
    let mut keys = layer.held.get(&(holder, family)).cloned().unwrap_or_default();
    keys.extend(known.held(holder, family)?);
    for key in keys {
        // One that another layer gave away since is not this stream's any more.
        if layer.claims.get(&key).is_none_or(|holding| holding.holder == Some(holder)) {
            layer.release(key, family);
        }
    }
    Ok(())
}

/// The command an event came from, as its metadata says.
fn command_of(row: &Row) -> Result<Option<CommandId>, ReadError> {
    // Most events have none: that is seen without parsing.
    if !row.metadata.contains(COMMAND_ID) {
        return Ok(None);
    }
    let damaged = |_| ReadError::Damaged { position: row.position, what: "its metadata is no map of strings" };
    let text = Metadata::look(&row.metadata, Some(COMMAND_ID)).map_err(damaged)?;
    Ok(text.and_then(|hex| command_in(&hex)))
}

fn command_in(hex: &str) -> Option<CommandId> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut id = [0; 32];
    for (byte, pair) in id.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(CommandId(id))
}
