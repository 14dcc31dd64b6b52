//! What an event of the log means for mail: it asks for some, settles one, or neither.

use crate::row::{Key, Kind, Phase, Row};
use domain::employee::{self, Employee};
use domain::invitation::{self, Invitation};
use domain::mail::Reason;
use domain::user::{self, User};
use domain::{DecodeError, Event, Root, TenantName, Timestamp};
use store::{Ledger, ReadError, Recorded, StreamId};
use uuid::Uuid;

/// Why an event cannot be followed. Nothing after it is, until somebody looks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("the event at position {position} cannot be read")]
    Decode {
        position: u64,
        #[source]
        source: DecodeError,
    },
    #[error("the stream of the event at position {position} has no name of ours")]
    Stream { position: u64 },
}

pub(crate) enum Meaning {
    /// Rows to send, as they begin.
    Asks(Vec<Row>),
    Settles(Settled),
    Nothing,
}

/// The result of one mail, as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub kind: Kind,
    pub stream: StreamId,
    pub number: u64,
    pub part: u8,
    /// `None`: it was sent.
    pub failed: Option<Reason>,
}

/// What one event says, in the few words that matter here.
enum Said {
    Asks { number: u64, parts: u8, waited: bool },
    Sent { number: u64, part: u8 },
    Failed { number: u64, part: u8, reason: Reason },
    Nothing,
}

/// # Errors
/// When the event is one of ours and is not what it promises.
pub(crate) fn meaning(event: &Recorded) -> Result<Meaning, AskError> {
    let Some(kind) = Kind::of(event.stream.aggregate_type()) else { return Ok(Meaning::Nothing) };
    let said = match kind {
        Kind::Invitation => invitation_says(decode::<Invitation>(event)?),
        Kind::Employee => employee_says(decode::<Employee>(event)?, event.version),
        Kind::User => user_says(decode::<User>(event)?, event.version),
    };
    let settled =
        |number, part, failed| Meaning::Settles(Settled { kind, stream: event.stream.clone(), number, part, failed });
    Ok(match said {
        Said::Nothing => Meaning::Nothing,
        Said::Sent { number, part } => settled(number, part, None),
        Said::Failed { number, part, reason } => settled(number, part, Some(reason)),
        Said::Asks { number, parts, waited } => {
            Meaning::Asks((0..parts).map(|part| row(event, kind, number, part, waited)).collect::<Result<_, _>>()?)
        }
    })
}

fn decode<A: Root>(event: &Recorded) -> Result<A::Event, AskError> {
    A::Event::decode(A::TYPE, &event.kind, event.schema, &event.payload)
        .map_err(|source| AskError::Decode { position: event.position, source })
}

fn invitation_says(event: invitation::Event) -> Said {
    use invitation::Event;
    match event {
        Event::Created(e) => Said::Asks { number: 1, parts: 1, waited: e.waited },
        Event::ResendRequested(e) => Said::Asks { number: e.generation.into(), parts: 1, waited: e.waited },
        Event::EmailSent(e) => Said::Sent { number: e.generation.into(), part: 0 },
        Event::EmailFailed(e) => Said::Failed { number: e.generation.into(), part: 0, reason: e.reason },
        Event::Accepted(_)
        | Event::Cancelled(_)
        | Event::Updated(_)
        | Event::Declined(_)
        | Event::Expired(_)
        | Event::AcceptRefused(_) => Said::Nothing,
    }
}

fn employee_says(event: employee::Event, version: u64) -> Said {
    use employee::Event;
    match event {
        Event::Updated(e) if e.email_changed => Said::Asks { number: version, parts: 2, waited: e.waited },
        Event::NoticeSent(e) => Said::Sent { number: e.asked, part: e.part },
        Event::NoticeFailed(e) => Said::Failed { number: e.asked, part: e.part, reason: e.reason },
        Event::Created(_) | Event::Updated(_) | Event::OffBoarded(_) => Said::Nothing,
    }
}

fn user_says(event: user::Event, version: u64) -> Said {
    use user::Event;
    match event {
        Event::AccountNoticeRequested(_) => Said::Asks { number: version, parts: 1, waited: false },
        Event::NoticeSent(e) => Said::Sent { number: e.asked, part: 0 },
        Event::NoticeFailed(e) => Said::Failed { number: e.asked, part: 0, reason: e.reason },
        Event::Created(_)
        | Event::Updated(_)
        | Event::ClientRegistered(_)
        | Event::RightsChanged(_)
        | Event::EmployeeLinked(_)
        | Event::AddressVerified(_) => Said::Nothing,
    }
}

fn row(event: &Recorded, kind: Kind, number: u64, part: u8, waited: bool) -> Result<Row, AskError> {
    let strange = || AskError::Stream { position: event.position };
    let id = event.stream.as_str().rsplit('/').next().and_then(|id| Uuid::parse_str(id).ok());
    let metadata = event.metadata.to_map();
    let named = |member: &str| metadata.get(member).and_then(|id| Uuid::parse_str(id).ok());
    let asked_at = Timestamp(event.at);
    Ok(Row {
        tenant: TenantName::parse(event.stream.tenant()).map_err(|_| strange())?,
        aggregate: kind,
        id: id.ok_or_else(strange)?,
        number,
        part,
        position: event.position,
        version: event.version,
        tseq: event.tseq,
        event: event.event_id,
        request: named("request_id"),
        correlation: named("correlation_id"),
        asked_at,
        waited,
        phase: Phase::Waiting,
        due: asked_at,
        attempts: 0,
        failures: 0,
        unknowns: 0,
        round: 0,
    })
}

/// The row of a settled mail: the one its asking event made.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn row_of(ledger: &Ledger, settled: &Settled) -> Result<Option<Key>, ReadError> {
    let first = settled.kind == Kind::Invitation && settled.number == 1;
    let events = match settled.kind {
        Kind::Invitation if first => ledger.read_stream(&settled.stream, 0, Some(1))?,
        // Which version asked for a later generation stands nowhere else.
        Kind::Invitation => ledger.read_stream(&settled.stream, 1, None)?,
        Kind::Employee | Kind::User => {
            ledger.read_stream(&settled.stream, settled.number.saturating_sub(1), Some(settled.number))?
        }
    };
    let asks = |event: &&Recorded| match meaning(event) {
        Ok(Meaning::Asks(rows)) => rows.iter().any(|row| row.number == settled.number),
        Ok(Meaning::Settles(_) | Meaning::Nothing) | Err(_) => false,
    };
    Ok(events.iter().find(asks).map(|event| Key { position: event.position, part: settled.part }))
}

/// The rows of an invitation's other sendings: those before this one.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn replaced_by(ledger: &Ledger, row: &Row) -> Result<Vec<Key>, ReadError> {
    if row.aggregate != Kind::Invitation || row.number <= 1 {
        return Ok(vec![]);
    }
    let asks = sendings(ledger, row)?;
    Ok(asks.into_iter().filter(|(number, _)| *number < row.number).map(|(_, key)| key).collect())
}

/// Whether an invitation has been sent again since, so that nobody wants this
/// mail of it any more.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn is_replaced(ledger: &Ledger, row: &Row) -> Result<bool, ReadError> {
    Ok(row.aggregate == Kind::Invitation && sendings(ledger, row)?.iter().any(|(number, _)| *number > row.number))
}

/// Generation and row of each time an aggregate asked for mail.
fn sendings(ledger: &Ledger, row: &Row) -> Result<Vec<(u64, Key)>, ReadError> {
    let events = ledger.read_stream(&row.stream(), 0, None)?;
    Ok(events
        .iter()
        .filter_map(|event| match meaning(event) {
            Ok(Meaning::Asks(rows)) => Some(rows),
            Ok(Meaning::Settles(_) | Meaning::Nothing) | Err(_) => None,
        })
        .flatten()
        .map(|row| (row.number, row.key()))
        .collect())
}

/// The newest result the log has of a row's mail, if one was recorded since.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn result_since(ledger: &Ledger, row: &Row, since: Timestamp) -> Result<Option<Settled>, ReadError> {
    let after = match row.aggregate {
        Kind::Invitation => 1,
        Kind::Employee | Kind::User => row.number,
    };
    let events = ledger.read_stream(&row.stream(), after, None)?;
    Ok(events.iter().rev().take_while(|event| event.at >= since.0).find_map(|event| match meaning(event) {
        Ok(Meaning::Settles(s)) if s.number == row.number && s.part == row.part => Some(s),
        Ok(Meaning::Settles(_) | Meaning::Asks(_) | Meaning::Nothing) | Err(_) => None,
    }))
}
