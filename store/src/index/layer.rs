//! What a run of events adds to the index, in memory: one layer per batch, per
//! generation not yet flushed, and per page while catching up.

use std::sync::Arc;

use ahash::AHashMap as HashMap;
use ring::hmac;
use uuid::Uuid;

use crate::{
    CommandId, Position, SUBJECT_FAMILY, StreamId, Version,
    vault::{keyed, keyed_by},
};

/// What turns claims' names into keys.
pub(crate) struct ClaimSecret {
    mac: hmac::Key,
    /// Tells one secret from another; stands in the file, and gives nothing of it away.
    pub mark: [u8; 32],
}

impl ClaimSecret {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self { mac: hmac::Key::new(hmac::HMAC_SHA256, secret), mark: keyed(secret, &[b"mark"]) }
    }
}

/// A claim without its name: no address stands in the index.
///
/// Subjects are random already and kept as they are, so that their rows lie in
/// the order they were made; everything else is an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClaimKey(pub [u8; 17]);

impl ClaimKey {
    pub(crate) fn of(secret: &ClaimSecret, family: &str, name: &str) -> Self {
        let mut key = [0; 17];
        if family == SUBJECT_FAMILY
            && let Ok(subject) = Uuid::try_parse(name)
        {
            key[0] = 1;
            key[1..].copy_from_slice(subject.as_bytes());
        } else {
            key[1..].copy_from_slice(&keyed_by(&secret.mac, &[family.as_bytes(), b"\0", name.as_bytes()])[..16]);
        }
        Self(key)
    }

    /// Subjects are never released, so nobody asks which of them a stream holds.
    pub(crate) fn is_subject(&self) -> bool {
        self.0[0] == 1
    }
}

/// The end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Position of its version 1; stands for the stream in the index.
    pub first: Position,
    pub version: Version,
}

/// How a stream grew within a layer.
#[derive(Clone, Debug)]
pub(crate) struct Grown {
    pub head: Head,
    /// Its version 1 is in this layer.
    pub created: bool,
    /// Its later versions in this layer, ascending.
    pub later: Vec<(Version, Position)>,
}

/// Who holds a claim, by the first position of the stream; none once released.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    pub holder: Option<Position>,
    pub family: &'static str,
}

/// The unit a command became.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub first: Position,
    pub last: Position,
    pub fingerprint: Option<[u8; 32]>,
}

/// A tenant's numbering.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbered {
    pub last: u64,
    /// Where the events with the numbers up to `last` are; none is left out.
    pub positions: Vec<Position>,
}

impl Numbered {
    /// Number and position of each event.
    pub(crate) fn each(&self) -> impl Iterator<Item = (u64, Position)> {
        let first = self.last + 1 - self.positions.len() as u64;
        (first..).zip(self.positions.iter().copied())
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    pub streams: HashMap<StreamId, Grown>,
    pub claims: HashMap<ClaimKey, Holding>,
    /// Candidates only: `claims` says whether they are still held.
    pub held: HashMap<(Position, &'static str), Vec<ClaimKey>>,
    pub receipts: HashMap<CommandId, Kept>,
    pub tenants: HashMap<Arc<str>, Numbered>,
    /// Events in the layer.
    pub events: u64,
    /// Position and leaf of the last of them.
    pub last: Option<(Position, [u8; 32])>,
}

impl Layer {
    pub(crate) fn grow(&mut self, stream: &StreamId, head: Head, position: Position) {
        if let Some(grown) = self.streams.get_mut(stream) {
            grown.head = head;
            grown.later.push((head.version, position));
        } else if head.version == 1 {
            self.streams.insert(stream.clone(), Grown { head, created: true, later: Vec::new() });
        } else {
            let later = vec![(head.version, position)];
            self.streams.insert(stream.clone(), Grown { head, created: false, later });
        }
        self.events += 1;
    }

    pub(crate) fn take(&mut self, key: ClaimKey, family: &'static str, holder: Position) -> Option<Holding> {
        if !key.is_subject() {
            self.held.entry((holder, family)).or_default().push(key);
        }
        self.claims.insert(key, Holding { holder: Some(holder), family })
    }

    pub(crate) fn release(&mut self, key: ClaimKey, family: &'static str) -> Option<Holding> {
        self.claims.insert(key, Holding { holder: None, family })
    }

    /// Numbers an event of a tenant.
    pub(crate) fn number(&mut self, tenant: &str, tseq: u64, position: Position) {
        let numbered = match self.tenants.get_mut(tenant) {
            Some(numbered) => numbered,
            None => self.tenants.entry(Arc::from(tenant)).or_default(),
        };
        numbered.last = tseq;
        numbered.positions.push(position);
    }

    /// Lays a later layer over this one.
    pub(crate) fn merge(&mut self, later: Layer) {
        for (stream, grown) in later.streams {
            match self.streams.get_mut(&stream) {
                Some(known) => {
                    known.head = grown.head;
                    known.later.extend(grown.later);
                }
                None => {
                    self.streams.insert(stream, grown);
                }
            }
        }
        self.claims.extend(later.claims);
        for (holder, keys) in later.held {
            self.held.entry(holder).or_default().extend(keys);
        }
        self.receipts.extend(later.receipts);
        for (tenant, numbered) in later.tenants {
            let known = self.tenants.entry(tenant).or_default();
            known.last = numbered.last;
            known.positions.extend(numbered.positions);
        }
        self.events += later.events;
        self.last = later.last.or(self.last);
    }
}
