//! What belongs to the ledger as a whole: which one it is, which keys are its own, and
//! which service has it. It stands in a stream beside the log's, so that the first event
//! of that one has position 1.

use eventstore::{EventData, ExpectedRevision, RecordedEvent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    super::{Fault, Origin},
    Begin, OLDEST_SERVER,
    link::{Link, NotAppended, NotRead, Page},
    unfit, wire,
};
use crate::{OpenError, Position, vault::hex};

/// How the ledger writes events; raised when an older program could not read them.
const FORMAT: u32 = 1;
/// Says that several services have the ledger.
const SHARED: &str = "ServicesShare";
/// The first events: one for the ledger, one for its keys. One for every time it was taken follows.
const MOST: usize = 2;
/// The epoch of a ledger that was never shortened.
const FIRST_EPOCH: [(Position, u32); 1] = [(1, 1)];
/// An event that marks a ledger which is on its way here, by its own id.
const ARRIVING: &str = "LedgerArriving";
/// How often a start begins anew because another one was quicker.
const RACES: usize = 5;
/// Settings of a stream under which the server forgets events.
const FORGETTING: [&str; 3] = ["$maxAge", "$maxCount", "$tb"];

#[derive(Serialize, Deserialize)]
struct LedgerBegun {
    format: u32,
    ledger_id: Uuid,
    /// (first position, epoch), ascending.
    epochs: Vec<(Position, u32)>,
}

#[derive(Serialize, Deserialize)]
struct KeysNoted {
    keys: String,
}

/// Refuses a server or a stream that a log cannot rest on; names the server.
pub(super) async fn check_server(link: &Link, stream: &str) -> Result<String, OpenError> {
    let (major, minor, patch) = link.version().await?;
    if (major, minor) < OLDEST_SERVER {
        let (oldest, month) = OLDEST_SERVER;
        let reason = format!("the server is EventStoreDB {major}.{minor}.{patch}");
        return Err(unfit(reason, format!("upgrade it to {oldest}.{month} or newer")));
    }
    let settings = match link.read(&format!("$${stream}"), Page::FromEnd, 1).await {
        Ok(found) => found.last().and_then(|event| event.as_json::<Value>().ok()).unwrap_or_default(),
        Err(NotRead::NoStream) => Value::Null,
        Err(NotRead::Unreachable(fault)) => return Err(link.open_error(fault)),
    };
    if let Some(name) = FORGETTING.iter().find(|name| settings.get(name).is_some_and(|set| !set.is_null())) {
        let reason = format!("the stream {stream} has {name} set, so that its server forgets events");
        return Err(unfit(reason, format!("remove {name} from the stream's metadata")));
    }
    Ok(format!("EventStoreDB {major}.{minor}.{patch}, stream {stream}"))
}

/// Which ledger it is; begun here if there is none and it may be.
pub(super) async fn prepare(link: &Link, stream: &str, begin: Begin<'_>) -> Result<Option<Origin>, OpenError> {
    for _ in 0..RACES {
        if let Some(begun) = noted(link, stream).await?.first() {
            return origin_of(begun).map(Some);
        }
        // The log says so itself.
        let found = first_of(link, stream).await?;
        let found = found.map(|first| wire::ledger_of(&first).ok_or_else(|| foreign(stream))).transpose()?;
        let origin = match (found, begin) {
            (None, Begin::Never) => return Ok(None),
            (Some(id), Begin::Never) => return Ok(Some(Origin::new(id, FIRST_EPOCH.to_vec()))),
            (Some(id), Begin::Anew | Begin::As(_)) => Origin::new(id, FIRST_EPOCH.to_vec()),
            (None, Begin::Anew) => Origin::new(Uuid::new_v4(), FIRST_EPOCH.to_vec()),
            (None, Begin::As(origin)) => origin.clone(),
        };
        let begun = LedgerBegun { format: FORMAT, ledger_id: origin.id, epochs: origin.epochs().to_vec() };
        note(link, stream, ExpectedRevision::NoStream, event("LedgerBegun", &begun)?).await?;
    }
    Err(OpenError::Server("other starts were quicker every time".into()))
}

/// The mark of a ledger that is on its way here: the last event, if it is one.
pub(super) async fn arrival(link: &Link, stream: &str) -> Result<Option<Uuid>, OpenError> {
    let last = match link.read(&name(stream), Page::FromEnd, 1).await {
        Ok(found) => found.into_iter().next(),
        Err(NotRead::NoStream) => None,
        Err(NotRead::Unreachable(fault)) => return Err(link.open_error(fault)),
    };
    Ok(last.filter(|event| event.event_type == ARRIVING).map(|event| event.id))
}

/// Marks it. Comes after `KeysNoted`, whose place is the second.
pub(super) async fn arrive(link: &Link, stream: &str, arrival: Uuid) -> Result<(), OpenError> {
    let arriving = event(ARRIVING, &serde_json::json!({}))?.id(arrival);
    note(link, stream, ExpectedRevision::Any, arriving).await
}

pub(super) async fn arrived(link: &Link, stream: &str) -> Result<(), OpenError> {
    note(link, stream, ExpectedRevision::Any, event("LedgerArrived", &serde_json::json!({}))?).await
}

/// Notes which keys belong to the ledger, if that is not noted yet, and compares.
pub(super) async fn fits_keys(link: &Link, stream: &str, mark: &[u8; 32]) -> Result<(), OpenError> {
    for _ in 0..RACES {
        if let Some(noted) = noted(link, stream).await?.get(1) {
            let KeysNoted { keys } = noted.as_json().map_err(|_| foreign(stream))?;
            if keys == hex(mark) {
                return Ok(());
            }
            let reason = "these are not the keys of the ledger on the server";
            return Err(unfit(
                reason,
                "name the folder or the database that has them (`data`, `keys`), or restore them",
            ));
        }
        let keys = event("KeysNoted", &KeysNoted { keys: hex(mark) })?;
        note(link, stream, ExpectedRevision::Exact(0), keys).await?;
    }
    Err(OpenError::Server("other starts were quicker every time".into()))
}

/// How a process has the ledger, as the last event of the stream says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hold {
    /// By its own event, and nobody else.
    Alone(Uuid),
    /// With whoever does not want it alone.
    Shared,
}

impl Hold {
    fn stands_by(self, last: &RecordedEvent) -> bool {
        match self {
            Hold::Alone(taken) => last.id == taken,
            Hold::Shared => last.event_type == SHARED,
        }
    }
}

/// Writes down that this process has the ledger now, and nobody else.
pub(super) async fn take(link: &Link, stream: &str) -> Result<Hold, OpenError> {
    let taken = Uuid::new_v4();
    let began = event("ServiceBegan", &serde_json::json!({"process": std::process::id()}))?.id(taken);
    note(link, stream, ExpectedRevision::Any, began).await?;
    Ok(Hold::Alone(taken))
}

/// Writes down that whoever does not want the ledger alone has it now, unless that stands there.
pub(super) async fn share(link: &Link, stream: &str) -> Result<Hold, OpenError> {
    match stands(link, stream, Hold::Shared).await {
        Ok(true) => return Ok(Hold::Shared),
        Ok(false) | Err(NotRead::NoStream) => {}
        Err(NotRead::Unreachable(fault)) => return Err(link.open_error(fault)),
    }
    note(link, stream, ExpectedRevision::Any, event(SHARED, &serde_json::json!({}))?).await?;
    Ok(Hold::Shared)
}

/// Whether nobody has taken the ledger otherwise since.
pub(super) async fn stands(link: &Link, stream: &str, hold: Hold) -> Result<bool, NotRead> {
    let last = link.read(&name(stream), Page::FromEnd, 1).await?;
    Ok(last.first().is_some_and(|last| hold.stands_by(last)))
}

async fn noted(link: &Link, stream: &str) -> Result<Vec<RecordedEvent>, OpenError> {
    match link.read(&name(stream), Page::From(0), MOST).await {
        Ok(found) => Ok(found),
        Err(NotRead::NoStream) => Ok(Vec::new()),
        Err(NotRead::Unreachable(fault)) => Err(link.open_error(fault)),
    }
}

async fn first_of(link: &Link, stream: &str) -> Result<Option<RecordedEvent>, OpenError> {
    match link.read(stream, Page::From(0), 1).await {
        Ok(found) => Ok(found.into_iter().next()),
        Err(NotRead::NoStream) => Ok(None),
        Err(NotRead::Unreachable(fault)) => Err(link.open_error(fault)),
    }
}

/// Whether it was written or another start was quicker, is read afterwards.
async fn note(link: &Link, stream: &str, expected: ExpectedRevision, event: EventData) -> Result<(), OpenError> {
    for _ in 0..RACES {
        match link.append(&name(stream), expected, vec![event.clone()]).await {
            Ok(_) | Err(NotAppended::WrongRevision) => return Ok(()),
            Err(NotAppended::Elsewhere) => {}
            Err(NotAppended::Refused(fault) | NotAppended::Unanswered(fault)) => return Err(link.open_error(fault)),
        }
    }
    Err(OpenError::Server("no node leads".into()))
}

fn origin_of(begun: &RecordedEvent) -> Result<Origin, OpenError> {
    let told: LedgerBegun = begun.as_json().map_err(|_| foreign(&begun.stream_id))?;
    if told.format > FORMAT {
        let reason = format!("the server has a ledger of format {}, this program knows up to {FORMAT}", told.format);
        return Err(unfit(reason, "start the newer program"));
    }
    Ok(Origin::new(told.ledger_id, told.epochs))
}

fn event(kind: &str, told: &impl Serialize) -> Result<EventData, OpenError> {
    EventData::json(kind, told).map_err(|fault| OpenError::Server(Fault::from(fault)))
}

fn name(stream: &str) -> String {
    format!("{stream}_origin")
}

fn foreign(stream: &str) -> OpenError {
    unfit(format!("the stream {stream} is another program's"), "name a stream of its own")
}
