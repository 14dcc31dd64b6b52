//! What the server keeps, and by which rules: those of the real server's `CheckCommit`.

use std::collections::{BTreeMap, HashMap};

use tonic::Status;

use super::wire::{
    AppendPosition, AppendResp, AppendResult, AppendSuccess, CurrentRevision, Empty, Expected, From, LogPosition,
    ProposedMessage, ReadContent, ReadEvent, ReadResp, RecordedEvent, StreamIdentifier, StreamNotFound, Uuid,
    UuidValue, WrongCurrent, WrongExpected, WrongExpectedVersion,
};

/// What the real server takes in one append unless it is told otherwise.
const MOST_APPENDED: usize = 1024 * 1024;

/// When every event came, in ticks of 100 ns: the server's clock stands, and nobody asks for it.
const CREATED: &str = "17000000000000000";

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub id: uuid::Uuid,
    pub kind: String,
    pub data: Vec<u8>,
    pub metadata: Vec<u8>,
    content_type: String,
    /// In the whole log of the server.
    position: u64,
}

#[derive(Default)]
pub struct Streams {
    pub kept: BTreeMap<String, Vec<Kept>>,
    written: u64,
}

impl Streams {
    /// All of it or nothing.
    pub fn append(
        &mut self,
        stream: &str,
        expected: Expected,
        proposed: &[ProposedMessage],
    ) -> Result<AppendResp, Status> {
        let events = self.checked(proposed)?;
        let kept = self.kept.entry(stream.to_owned()).or_default();
        let current = kept.len() as i64 - 1;
        let wrong = || Ok(overtaken(current, expected));
        let first = match expected {
            Expected::Any(_) => current + 1,
            Expected::StreamExists(_) if current < 0 => return wrong(),
            Expected::StreamExists(_) => current + 1,
            Expected::NoStream(_) => 0,
            Expected::Revision(revision) => revision as i64 + 1,
        };
        if first > current + 1 {
            return wrong();
        }
        let last = first + events.len() as i64 - 1;
        if first <= current {
            // What stands there already is not written twice, and anything else is an error.
            let stands = kept.get(first as usize..=last as usize).is_some_and(|standing| {
                standing.iter().zip(&events).all(|(one, other)| one.id == other.id) && !events.is_empty()
            });
            return if stands { Ok(landed(last, kept[last as usize].position)) } else { wrong() };
        }
        for mut event in events {
            self.written += 1;
            event.position = self.written;
            kept.push(event);
        }
        Ok(landed(last, self.written))
    }

    fn checked(&self, proposed: &[ProposedMessage]) -> Result<Vec<Kept>, Status> {
        let (mut events, mut size) = (Vec::with_capacity(proposed.len()), 0);
        for message in proposed {
            let needed = |name: &str| {
                let missing = || Status::invalid_argument(format!("Required Metadata Property '{name}' is missing"));
                message.metadata.get(name).filter(|value| !value.is_empty()).cloned().ok_or_else(missing)
            };
            let (kind, content_type) = (needed("type")?, needed("content-type")?);
            size += message.data.len() + message.custom_metadata.len() + 2 * kind.len();
            if size > MOST_APPENDED {
                return Err(Status::invalid_argument(format!("Maximum Append Size of {MOST_APPENDED} Exceeded.")));
            }
            let id = id_of(message.id.as_ref()).filter(|id| !id.is_nil());
            let id = id.ok_or_else(|| Status::invalid_argument("Empty eventId provided."))?;
            let (data, metadata) = (message.data.clone(), message.custom_metadata.clone());
            events.push(Kept { id, kind, data, metadata, content_type, position: 0 });
        }
        Ok(events)
    }

    /// The answers to a read, in their order. A client of that compatibility is told where the stream ends.
    pub fn read(&self, stream: &str, from: From, backwards: bool, count: u64, compatibility: u32) -> Vec<ReadResp> {
        let kept = self.kept.get(stream).map(Vec::as_slice).unwrap_or_default();
        if kept.is_empty() {
            let stream_identifier = Some(StreamIdentifier { stream_name: stream.into() });
            return vec![said(ReadContent::StreamNotFound(StreamNotFound { stream_identifier }))];
        }
        let (end, count) = (kept.len() as u64, usize::try_from(count).unwrap_or(usize::MAX));
        let from = match from {
            From::Revision(revision) => revision,
            From::Start(_) => 0,
            From::End(_) if backwards => end - 1,
            From::End(_) => end,
        };
        let revisions: Vec<u64> = match backwards {
            // From beyond the end, as much as lies within the count.
            true => (0..=from).rev().take(count).filter(|revision| *revision < end).collect(),
            false => (from..end).take(count).collect(),
        };
        let mut told: Vec<ReadResp> =
            revisions.iter().map(|revision| recorded(stream, *revision, &kept[*revision as usize])).collect();
        if compatibility >= 1 && !backwards {
            if told.is_empty() && from != end {
                told.push(said(ReadContent::FirstStreamPosition(end)));
            }
            told.push(said(ReadContent::LastStreamPosition(end - 1)));
        }
        told
    }
}

fn said(content: ReadContent) -> ReadResp {
    ReadResp { content: Some(content) }
}

fn recorded(stream: &str, revision: u64, kept: &Kept) -> ReadResp {
    let metadata = HashMap::from([
        ("type".to_owned(), kept.kind.clone()),
        ("content-type".to_owned(), kept.content_type.clone()),
        ("created".to_owned(), CREATED.to_owned()),
    ]);
    said(ReadContent::Event(ReadEvent {
        event: Some(RecordedEvent {
            id: Some(Uuid { value: Some(UuidValue::Text(kept.id.to_string())) }),
            stream_identifier: Some(StreamIdentifier { stream_name: stream.into() }),
            stream_revision: revision,
            prepare_position: kept.position,
            commit_position: kept.position,
            metadata,
            custom_metadata: kept.metadata.clone(),
            data: kept.data.clone(),
        }),
        no_position: Some(Empty {}),
    }))
}

fn landed(last: i64, position: u64) -> AppendResp {
    let current = match u64::try_from(last) {
        Ok(revision) => CurrentRevision::Revision(revision),
        Err(_) => CurrentRevision::NoStream(Empty {}),
    };
    let position = AppendPosition::Position(LogPosition { commit_position: position, prepare_position: position });
    let success = AppendSuccess { current: Some(current), position: Some(position) };
    AppendResp { result: Some(AppendResult::Success(success)) }
}

fn overtaken(current: i64, expected: Expected) -> AppendResp {
    let current = match u64::try_from(current) {
        Ok(revision) => WrongCurrent::Revision(revision),
        Err(_) => WrongCurrent::NoStream(Empty {}),
    };
    let expected = match expected {
        Expected::Revision(revision) => WrongExpected::Revision(revision),
        Expected::NoStream(nothing) => WrongExpected::NoStream(nothing),
        Expected::Any(nothing) => WrongExpected::Any(nothing),
        Expected::StreamExists(nothing) => WrongExpected::StreamExists(nothing),
    };
    let wrong = WrongExpectedVersion { current: Some(current), expected: Some(expected) };
    AppendResp { result: Some(AppendResult::WrongExpectedVersion(wrong)) }
}

fn id_of(id: Option<&Uuid>) -> Option<uuid::Uuid> {
    Some(match id?.value.as_ref()? {
        UuidValue::Structured(bits) => uuid::Uuid::from_u64_pair(
            bits.most_significant_bits.cast_unsigned(),
            bits.least_significant_bits.cast_unsigned(),
        ),
        UuidValue::Text(text) => text.parse().ok()?,
    })
}
