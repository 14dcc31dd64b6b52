//! Everything about a unit that needs no order: done on the caller's task,
//! before the queue, so that the writer only checks, numbers and writes.
//!
//! After this step a personal member exists sealed (for the log) and in clear
//! (for the followers' memory), and claims are keys; no name stands in them.

use std::collections::HashSet;

use uuid::Uuid;

use crate::{
    Append, Claim, ClaimChange, ClaimGuard, ClaimsOf, CommandId, Lane, NewEvent, SUBJECT_FAMILY, StreamId, SubmitError,
    Unit, Vault, Version, canonical,
    index::{ClaimKey, ClaimSecret},
    log::Backend,
    payload::Parts,
    vault::{Header, hex},
};

/// Bytes of one unit.
const UNIT_BYTES: usize = 800 * 1024;
/// Bytes of one entry, as it is hashed.
const ENTRY_BYTES: usize = 60_000;
/// What an entry needs besides its texts: names of members, numbers, origin.
const ENTRY_FRAME: usize = 360;
/// What a unit and an event cost in the queue besides their texts.
const OVERHEAD: usize = 128;
/// The metadata member that holds the command id, in hex.
pub(crate) const COMMAND_ID: &str = "command_id";

/// A unit as the writer wants it. Cloned only where another node may be quicker.
#[derive(Clone)]
pub(super) struct Prepared {
    pub tenant: String,
    pub command_id: Option<CommandId>,
    pub fingerprint: Option<[u8; 32]>,
    pub guards: Vec<(StreamId, Version)>,
    pub claim_guards: Vec<KeyedGuard>,
    pub appends: Vec<PreparedAppend>,
    pub lane: Lane,
    pub bytes: usize,
}

#[derive(Clone)]
pub(super) struct PreparedAppend {
    pub stream: StreamId,
    pub expected: Version,
    pub events: Vec<PreparedEvent>,
}

#[derive(Clone)]
pub(super) struct PreparedEvent {
    pub id: Uuid,
    pub kind: String,
    pub schema: u32,
    pub payload_text: String,
    pub metadata_text: String,
    /// The payload in clear, if something in it is sealed.
    pub clear: Option<String>,
    pub claims: Vec<KeyedChange>,
}

/// A claim, its key, and the stream that must hold it still.
#[derive(Clone)]
pub(super) struct KeyedGuard {
    pub claim: Claim,
    pub key: ClaimKey,
    pub holder: Option<StreamId>,
}

/// What all events of a unit share.
#[derive(Clone, Copy)]
struct OfUnit<'u> {
    command: Option<CommandId>,
    claim_guards: &'u [KeyedGuard],
}

/// A claim change as the index knows it.
#[derive(Clone)]
pub(super) enum KeyedChange {
    Take { key: ClaimKey, claim: Claim },
    Release { family: &'static str },
}

/// What preparing needs.
pub(super) struct Preparing<'a> {
    pub log: &'a Backend,
    pub vault: &'a Vault,
    pub claims: &'a ClaimsOf,
    pub secret: &'a ClaimSecret,
}

impl Preparing<'_> {
    pub(super) fn prepare(&self, unit: Unit) -> Result<Prepared, SubmitError> {
        check_form(&unit)?;
        let mut bytes = OVERHEAD;
        let guards = unit.claim_guards.into_iter().map(|ClaimGuard { claim, holder, key }| KeyedGuard {
            key: key.unwrap_or_else(|| self.key(&claim)),
            claim,
            holder,
        });
        let claim_guards: Vec<KeyedGuard> = guards.collect();
        let mut appends = Vec::with_capacity(unit.appends.len());
        for append in unit.appends {
            let of = OfUnit { command: unit.command_id, claim_guards: &claim_guards };
            appends.push(self.append(append, of, &mut bytes)?);
        }
        Ok(Prepared {
            tenant: unit.tenant,
            command_id: unit.command_id,
            fingerprint: unit.fingerprint,
            guards: unit.guards,
            claim_guards,
            appends,
            lane: unit.lane,
            bytes,
        })
    }

    fn append(&self, append: Append, of: OfUnit<'_>, bytes: &mut usize) -> Result<PreparedAppend, SubmitError> {
        let Append { stream, expected, events } = append;
        let mut prepared = Vec::with_capacity(events.len());
        for (event, version) in events.into_iter().zip(expected + 1..) {
            let event = self.event(event, &stream, version, of)?;
            *bytes += event.payload_text.len() + event.metadata_text.len() + OVERHEAD;
            *bytes += self.log.envelope_bytes(&stream, &event.metadata_text);
            if *bytes > UNIT_BYTES {
                return Err(SubmitError::TooLarge);
            }
            prepared.push(event);
        }
        Ok(PreparedAppend { stream, expected, events: prepared })
    }

    fn event(
        &self,
        event: NewEvent,
        stream: &StreamId,
        version: Version,
        of: OfUnit<'_>,
    ) -> Result<PreparedEvent, SubmitError> {
        let NewEvent { id, kind, schema, payload, mut metadata } = event;
        if kind.contains('\0') {
            return Err(SubmitError::Malformed("a kind that is no word"));
        }
        if metadata.contains_key(COMMAND_ID) {
            return Err(SubmitError::Malformed("metadata holds a command id of its own"));
        }
        if let Some(command) = of.command {
            metadata.insert(COMMAND_ID.to_owned(), hex(&command.0));
        }
        let mut metadata_text = String::with_capacity(160);
        canonical::write_strings(&metadata, &mut metadata_text);
        let mut clear = String::with_capacity(512);
        canonical::write(&payload, &mut clear).map_err(|refused| SubmitError::Malformed(refused.reason()))?;
        // Whoever follows keeps it for a while.
        clear.shrink_to_fit();
        let parts = Parts::of(&clear).ok_or(SubmitError::Malformed("a payload is not an object"))?;
        let header = Header { event_id: id, stream: stream.as_str(), version, kind: &kind, schema };
        let sealed = self.seal(parts, &header)?;
        let payload_bytes = sealed.as_ref().map_or(clear.len(), String::len);
        let texts = payload_bytes + metadata_text.len() + 2 * stream.as_str().len() + kind.len();
        if texts + ENTRY_FRAME > ENTRY_BYTES {
            return Err(SubmitError::TooLarge);
        }
        let claims = self.claims_of(stream, &kind, parts, of.claim_guards)?;
        let (payload_text, clear) = match sealed {
            Some(sealed) => (sealed, Some(clear)),
            None => (clear, None),
        };
        Ok(PreparedEvent { id, kind, schema, payload_text, metadata_text, clear, claims })
    }

    /// The payload's text with its personal member sealed; none if it has no such member.
    fn seal(&self, parts: Parts<'_>, header: &Header<'_>) -> Result<Option<String>, SubmitError> {
        let Some(personal) = parts.personal else { return Ok(None) };
        if !personal.starts_with('{') {
            return Err(SubmitError::Malformed("a personal member is not an object"));
        }
        let subject = parts.subject.ok_or(SubmitError::Malformed("a personal member without a subject"))?;
        let sealed = self.vault.seal(subject, header, personal.as_bytes())?;
        Ok(parts.with_personal(&format!("\"{sealed}\"")))
    }

    fn claims_of(
        &self,
        stream: &StreamId,
        kind: &str,
        parts: Parts<'_>,
        guards: &[KeyedGuard],
    ) -> Result<Vec<KeyedChange>, SubmitError> {
        let subject = subject_claim(parts);
        if subject.is_some() {
            self.check_commitment(parts)?;
        }
        let changes = subject.into_iter().chain((self.claims)(stream, kind, parts.text));
        Ok(changes
            .map(|change| match change {
                ClaimChange::Take { family, name } => {
                    let claim = Claim { family, name };
                    // What is taken was looked at before, as a rule, and an HMAC costs.
                    let known = guards.iter().find(|guard| guard.claim == claim).map(|guard| guard.key);
                    KeyedChange::Take { key: known.unwrap_or_else(|| self.key(&claim)), claim }
                }
                ClaimChange::Release { family } => KeyedChange::Release { family },
            })
            .collect())
    }

    fn check_commitment(&self, parts: Parts<'_>) -> Result<(), SubmitError> {
        let commitment = parts.commitment.and_then(|text| serde_json::from_str::<&str>(text).ok());
        let subject = parts.subject.ok_or(SubmitError::Malformed("a commitment without a subject"))?;
        Ok(self.vault.check(subject, commitment.unwrap_or_default())?)
    }

    fn key(&self, claim: &Claim) -> ClaimKey {
        ClaimKey::of(self.secret, claim.family, &claim.name)
    }
}

/// The claim of an event that commits to a subject's key: it is the first to name the subject.
pub(crate) fn subject_claim(parts: Parts<'_>) -> Option<ClaimChange> {
    parts.commitment?;
    Some(ClaimChange::Take { family: SUBJECT_FAMILY, name: parts.subject?.to_string() })
}

fn check_form(unit: &Unit) -> Result<(), SubmitError> {
    let mut streams = HashSet::with_capacity(unit.appends.len());
    for append in &unit.appends {
        if append.events.is_empty() {
            return Err(SubmitError::Malformed("an append without events"));
        }
        if !streams.insert(&append.stream) {
            return Err(SubmitError::Malformed("two appends to one stream"));
        }
        // A server keeps type and id apart, and no text with a NUL.
        if !append.stream.as_str().contains('-') || append.stream.as_str().contains('\0') {
            return Err(SubmitError::Malformed("a stream without an aggregate type"));
        }
        if append.stream.tenant() != unit.tenant {
            return Err(SubmitError::Malformed("an append to another tenant's stream"));
        }
    }
    Ok(())
}
