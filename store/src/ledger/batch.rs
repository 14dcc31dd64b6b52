//! One batch: units checked against the log's end and against each other, then numbered.
//!
//! A unit is checked whole before anything of it is staged; only claims change
//! on the way, and are put back if the unit is refused. So a refused unit leaves
//! no trace, and staging one that holds cannot fail.

use super::prepare::{KeyedChange, Prepared};
use crate::{
    Claim, CommandId, Position, ReadError, Receipt, StreamId, StreamReceipt, SubmitError, Version,
    index::{ClaimKey, Head, Holding, Kept, Layer, Pinned},
    log::{Backend, Origin, Row},
};

/// How far the log's last time may be ahead of the clock, µs.
const CLOCK_TOLERANCE: i64 = 5_000_000;

/// Claims as they were before a unit moved them.
type Undo = Vec<(ClaimKey, Option<Holding>)>;

/// What became of a unit; told once the batch is on disk.
pub(super) enum Outcome {
    Landed(Receipt),
    /// Nothing to write, and every guard held.
    Held(Position),
    /// The command had landed before.
    Repeated(Kept),
    Refused(SubmitError),
}

/// An event to write, with the clear payload its readers will want if something in it is sealed.
pub(super) struct Staged {
    pub row: Row,
    pub clear: Option<String>,
}

/// What checking needs to know, besides the batch itself.
pub(super) struct Ground<'a> {
    pub index: Pinned<'a>,
    pub log: &'a Backend,
    pub now: i64,
    pub last_at: i64,
    /// Callers' units are refused, for want of space.
    pub no_space: bool,
}

#[derive(Default)]
pub(super) struct Batch {
    pub layer: Layer,
    pub staged: Vec<Staged>,
    /// The log's end before the batch.
    base: Position,
    /// The last position given.
    pub head: Position,
    pub at: i64,
    pub text: String,
}

impl Batch {
    pub(super) fn after(head: Position, text: String) -> Self {
        Self { base: head, head, text, ..Self::default() }
    }

    /// Checks a unit and stages it if it holds.
    pub(super) fn admit(&mut self, unit: Prepared, ground: &Ground<'_>) -> Outcome {
        match self.check(&unit, ground) {
            Ok(None) => {}
            Ok(Some(kept)) => return Outcome::Repeated(kept),
            Err(refusal) => return Outcome::Refused(refusal),
        }
        if unit.appends.is_empty() {
            return Outcome::Held(self.head);
        }
        if ground.no_space && unit.lane == crate::Lane::Caller {
            return Outcome::Refused(SubmitError::DiskFull);
        }
        if ground.last_at - ground.now > CLOCK_TOLERANCE {
            return Outcome::Refused(SubmitError::ClockBehind);
        }
        let heads = match self.heads_of(&unit, ground) {
            Ok(heads) => heads,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        let tseq = match self.tenant(&unit.tenant, ground) {
            Ok(tseq) => tseq,
            Err(fault) => return Outcome::Refused(fault.into()),
        };
        if let Err(refusal) = self.move_claims(&unit, &heads, ground) {
            return Outcome::Refused(refusal);
        }
        self.at = ground.now.max(ground.last_at);
        Outcome::Landed(self.stage(unit, heads, tseq, ground.log.origin()))
    }

    /// The command's earlier landing, or nothing if all the unit relies on still stands.
    fn check(&self, unit: &Prepared, ground: &Ground<'_>) -> Result<Option<Kept>, SubmitError> {
        if let Some(command) = &unit.command_id
            && let Some(kept) = self.receipt(command, ground)?
        {
            return match (kept.fingerprint, unit.fingerprint) {
                (Some(known), Some(given)) if known != given => Err(SubmitError::OtherBody),
                (Some(_) | None, Some(_) | None) => Ok(Some(kept)),
            };
        }
        for (stream, expected) in &unit.guards {
            let actual = self.version(stream, ground)?;
            if actual != *expected {
                return Err(SubmitError::Conflict { stream: stream.clone(), expected: *expected, actual });
            }
        }
        for guard in &unit.claim_guards {
            let holder = self.holder(&guard.key, ground)?;
            let wanted = match &guard.holder {
                None => None,
                // A stream that does not exist holds nothing; 0 is nobody's position.
                Some(stream) => Some(self.head(stream, ground)?.map_or(0, |head| head.first)),
            };
            if holder != wanted {
                let holder = holder.map(|first| self.stream_at(first, ground)).transpose()?;
                return Err(SubmitError::ClaimChanged { claim: guard.claim.clone(), holder });
            }
        }
        Ok(None)
    }

    /// The ends of the streams the unit appends to, each where the unit expects it.
    fn heads_of(&self, unit: &Prepared, ground: &Ground<'_>) -> Result<Vec<Head>, SubmitError> {
        let mut next = self.head;
        let mut heads = Vec::with_capacity(unit.appends.len());
        for append in &unit.appends {
            let head = self.head(&append.stream, ground)?;
            let actual = head.map_or(0, |head| head.version);
            if actual != append.expected {
                let stream = append.stream.clone();
                return Err(SubmitError::Conflict { stream, expected: append.expected, actual });
            }
            heads.push(head.unwrap_or(Head { first: next + 1, version: 0 }));
            next += append.events.len() as u64;
        }
        Ok(heads)
    }

    /// Releases and takes in the order of the events; all put back if one is refused.
    fn move_claims(&mut self, unit: &Prepared, heads: &[Head], ground: &Ground<'_>) -> Result<(), SubmitError> {
        let mut undo = Undo::new();
        for (append, head) in unit.appends.iter().zip(heads) {
            for change in append.events.iter().flat_map(|event| &event.claims) {
                let moved = match change {
                    KeyedChange::Take { key, claim } => self.take(key, claim, head.first, ground, &mut undo),
                    KeyedChange::Release { family } => {
                        self.release(head.first, family, ground, &mut undo).map(|()| None)
                    }
                };
                let refusal = match moved {
                    Ok(None) => continue,
                    Ok(Some((claim, holder))) => {
                        // The holder may be another stream of this very unit, which has no row yet.
                        let mut siblings = unit.appends.iter().zip(heads);
                        match siblings.find(|(_, head)| head.first == holder) {
                            Some((sibling, _)) => SubmitError::Claimed { claim, holder: sibling.stream.clone() },
                            None => match self.stream_at(holder, ground) {
                                Ok(holder) => SubmitError::Claimed { claim, holder },
                                Err(fault) => fault.into(),
                            },
                        }
                    }
                    Err(fault) => fault.into(),
                };
                for (key, before) in undo.into_iter().rev() {
                    match before {
                        Some(holding) => self.layer.claims.insert(key, holding),
                        None => self.layer.claims.remove(&key),
                    };
                }
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Takes a claim, or tells who holds it.
    fn take(
        &mut self,
        key: &ClaimKey,
        claim: &Claim,
        taker: Position,
        ground: &Ground<'_>,
        undo: &mut Undo,
    ) -> Result<Option<(Claim, Position)>, ReadError> {
        match self.holder(key, ground)? {
            Some(holder) if holder == taker => Ok(None),
            Some(holder) => Ok(Some((claim.clone(), holder))),
            None => {
                undo.push((*key, self.layer.take(*key, claim.family, taker)));
                Ok(None)
            }
        }
    }

    fn release(
        &mut self,
        holder: Position,
        family: &'static str,
        ground: &Ground<'_>,
        undo: &mut Undo,
    ) -> Result<(), ReadError> {
        let mut keys = self.layer.held.get(&(holder, family)).cloned().unwrap_or_default();
        if holder <= self.base {
            keys.extend(ground.index.held(holder, family)?);
        }
        for key in keys {
            if self.holder(&key, ground)? == Some(holder) {
                undo.push((key, self.layer.release(key, family)));
            }
        }
        Ok(())
    }

    fn stage(&mut self, unit: Prepared, heads: Vec<Head>, mut tseq: u64, origin: &Origin) -> Receipt {
        let first = self.head + 1;
        let mut streams = Vec::with_capacity(unit.appends.len());
        for (append, mut head) in unit.appends.into_iter().zip(heads) {
            let events = append.events.len() as u64;
            let (first_tseq, first_position) = (tseq + 1, self.head + 1);
            for event in append.events {
                tseq += 1;
                head.version += 1;
                self.head += 1;
                let mut row = Row {
                    position: self.head,
                    tenant: unit.tenant.clone(),
                    tseq,
                    stream: append.stream.clone(),
                    version: head.version,
                    event_id: event.id,
                    kind: event.kind,
                    schema: event.schema,
                    at: self.at,
                    payload: event.payload_text,
                    metadata: event.metadata_text,
                    sealed: event.clear.is_some(),
                    leaf: [0; 32],
                };
                row.leaf = row.leaf_of(origin, &mut self.text);
                self.layer.grow(&append.stream, head, row.position);
                self.layer.number(&unit.tenant, tseq, row.position);
                self.layer.last = Some((row.position, row.leaf));
                self.staged.push(Staged { row, clear: event.clear });
            }
            let version = head.version;
            streams.push(StreamReceipt { stream: append.stream, version, events, first_tseq, first_position });
        }
        if let Some(command) = unit.command_id {
            self.layer.receipts.insert(command, Kept { first, last: self.head, fingerprint: unit.fingerprint });
        }
        Receipt { first, last: self.head, at: self.at, streams, repeated: false }
    }

    fn receipt(&self, command: &CommandId, ground: &Ground<'_>) -> Result<Option<Kept>, ReadError> {
        match self.layer.receipts.get(command) {
            Some(kept) => Ok(Some(*kept)),
            None => ground.index.receipt(command),
        }
    }

    fn head(&self, stream: &StreamId, ground: &Ground<'_>) -> Result<Option<Head>, ReadError> {
        if let Some(grown) = self.layer.streams.get(stream) {
            return Ok(Some(grown.head));
        }
        ground.index.head(stream)
    }

    fn version(&self, stream: &StreamId, ground: &Ground<'_>) -> Result<Version, ReadError> {
        Ok(self.head(stream, ground)?.map_or(0, |head| head.version))
    }

    fn holder(&self, key: &ClaimKey, ground: &Ground<'_>) -> Result<Option<Position>, ReadError> {
        match self.layer.claims.get(key) {
            Some(holding) => Ok(holding.holder),
            None => ground.index.holder(key),
        }
    }

    fn tenant(&self, tenant: &str, ground: &Ground<'_>) -> Result<u64, ReadError> {
        match self.layer.tenants.get(tenant) {
            Some(numbered) => Ok(numbered.last),
            None => ground.index.tenant(tenant),
        }
    }

    /// The stream that begins at a position, in this batch or in the log.
    fn stream_at(&self, first: Position, ground: &Ground<'_>) -> Result<StreamId, ReadError> {
        if let Some(staged) = self.staged.iter().find(|staged| staged.row.position == first) {
            return Ok(staged.row.stream.clone());
        }
        let row = ground.log.at(&[first])?.pop();
        row.map(|row| row.stream)
            .ok_or(ReadError::Damaged { position: first, what: "it holds a claim and is not there" })
    }
}
