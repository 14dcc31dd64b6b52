//! The connection: a client of the `eventstore` crate, made anew whenever it may be of no more use.
//!
//! A client is dead for good after a few connects that failed, and stays with a node
//! that answers no more. So whatever is not the server's own word drops it, and
//! the next question makes another. Only when the node says who leads now, the client
//! is kept: it goes there by itself, and a new one would come to the same node again.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use eventstore::{
    AppendToStreamOptions, Client, ClientSettings, Credentials, Error, EventData, ExpectedRevision, ReadEvent,
    ReadStreamOptions, RecordedEvent, Streaming,
};
use tokio::{runtime::Handle, time::timeout};
use tonic::Code;

use super::{
    super::{DatabaseUrl, Fault},
    ANSWER_WITHIN, login, tls, trust, unfit,
};
use crate::{OpenError, locks::lock};

/// Settings of the client that an address does not name otherwise: write to the leader, and be told soon that there is none.
const SETTINGS: [(&str, &str); 3] =
    [("nodePreference", "leader"), ("discoveryInterval", "100"), ("gossipTimeout", "2000")];
/// How often a question is asked before it is given up: of a client that had died, of a node that leads no more, and in earnest.
const ASKED: usize = 3;

pub(super) struct Link {
    settings: ClientSettings,
    /// Sent with every question, unless the client does that by itself.
    credentials: Option<Credentials>,
    /// Where the client's own tasks run.
    runtime: Handle,
    client: Mutex<Option<Arc<Client>>>,
}

/// Why a batch was not appended by this attempt.
#[derive(Debug)]
pub(super) enum NotAppended {
    /// The stream does not end where it was to.
    WrongRevision,
    /// The server will not have it, or has not even been asked: nothing of it is there.
    Refused(Fault),
    /// Another node leads now, and the next attempt goes there: nothing of it is there.
    Elsewhere,
    /// It may be there, or come to be there yet.
    Unanswered(Fault),
}

/// Why nothing was read.
#[derive(Debug)]
pub(super) enum NotRead {
    /// There is no such stream, or none any more.
    NoStream,
    Unreachable(Fault),
}

/// Which events to read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Page {
    /// From this revision on, ascending.
    From(u64),
    /// From this revision on, descending.
    Down(u64),
    /// From the last one on, descending.
    FromEnd,
}

impl Link {
    pub(super) fn new(url: &DatabaseUrl, runtime: Handle) -> Result<Self, OpenError> {
        // What the client says of it repeats the address, and with it the password.
        let none = || unfit("the address of the log is none", "give it as esdb://user:password@host:2113");
        let (address, credentials) = login::of(url.reveal()).ok_or_else(none)?;
        let settings = with_settings(&address).parse().map_err(|_| none())?;
        trust::check_files(&settings)?;
        let link = Self { settings, credentials, runtime, client: Mutex::default() };
        tls::with_provider(|| link.client().map_err(OpenError::Server))?;
        Ok(link)
    }

    /// The version of the server, if it tells: the first question of a start.
    pub(super) async fn version(&self) -> Result<(usize, usize, usize), OpenError> {
        let client = self.client().map_err(OpenError::Server)?;
        let told = self.heard(&client, within(client.server_info()).await);
        let info = told.map_err(|fault| trust::doubt(&self.settings).unwrap_or(OpenError::Server(fault.into())))?;
        let version = info.version();
        Ok((version.major(), version.minor(), version.patch()))
    }

    /// What a start says of a question that came to nothing.
    pub(super) fn open_error(&self, fault: Fault) -> OpenError {
        let denied = matches!(fault.downcast_ref(), Some(Unheard::Told(Error::AccessDenied)));
        let has_login = self.credentials.is_some() || self.settings.default_authenticated_user().is_some();
        match (denied, has_login) {
            (false, _) => OpenError::Server(fault),
            (true, false) => {
                let fix = "give the address as esdb://user:password@host:2113";
                unfit("the server denies those without a log-in what a ledger needs", fix)
            }
            (true, true) => {
                let fix = "check user and password (in the address @ is %40, / is %2F), and who is in the streams' \
                           access lists";
                unfit("the server denies the user of the address what a ledger needs", fix)
            }
        }
    }

    /// Appends all or nothing, and tells the last one's revision.
    pub(super) async fn append(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        events: Vec<EventData>,
    ) -> Result<u64, NotAppended> {
        let client = self.client().map_err(NotAppended::Refused)?;
        let options =
            AppendToStreamOptions::default().expected_revision(expected).requires_leader(true).deadline(ANSWER_WITHIN);
        let options = match &self.credentials {
            Some(credentials) => options.authenticated(credentials.clone()),
            None => options,
        };
        let told = within(client.append_to_stream(stream, &options, Streaming(events.into_iter()))).await;
        match self.heard(&client, told) {
            Ok(written) => Ok(written.next_expected_version),
            Err(fault) => Err(not_appended(fault)),
        }
    }

    /// A page of a stream, whole, as the leader has it.
    pub(super) async fn read(&self, stream: &str, page: Page, count: usize) -> Result<Vec<RecordedEvent>, NotRead> {
        let mut asked = 0;
        loop {
            asked += 1;
            let client = self.client().map_err(NotRead::Unreachable)?;
            match self.heard(&client, within(read(&client, self.credentials.as_ref(), stream, page, count)).await) {
                Ok(events) => return Ok(events),
                Err(Unheard::Told(Error::ResourceNotFound | Error::ResourceDeleted)) => return Err(NotRead::NoStream),
                // What kept silent once will not be waited for again.
                Err(Unheard::Told(_) | Unheard::Cut) if asked < ASKED => {}
                Err(fault) => return Err(NotRead::Unreachable(fault.into())),
            }
        }
    }

    fn client(&self) -> Result<Arc<Client>, Fault> {
        let mut kept = lock(&self.client);
        if let Some(client) = &*kept {
            return Ok(client.clone());
        }
        // A file may have gone since the last one was made.
        trust::check_files(&self.settings)?;
        let made = Arc::new(Client::with_runtime_handle(self.runtime.clone(), self.settings.clone())?);
        *kept = Some(made.clone());
        Ok(made)
    }

    /// Looks at what a client came back with, and drops it if it may be of no more use.
    fn heard<T>(&self, client: &Arc<Client>, told: Result<T, Unheard>) -> Result<T, Unheard> {
        if let Err(fault) = &told
            && !fault.is_servers_word()
        {
            let mut kept = lock(&self.client);
            // Another question may have had it replaced already.
            if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, client)) {
                *kept = None;
            }
        }
        told
    }
}

/// What a question met instead of an answer.
#[derive(Debug, thiserror::Error)]
enum Unheard {
    #[error(transparent)]
    Told(#[from] Error),
    #[error("the server did not answer in time")]
    Late,
    #[error("the server's answer ended too early")]
    Cut,
}

impl Unheard {
    /// Whether the server itself said it, over a connection that is as good as before.
    fn is_servers_word(&self) -> bool {
        match self {
            Self::Told(fault) => match fault {
                Error::NotLeaderException(_)
                | Error::AccessDenied
                | Error::ResourceAlreadyExists
                | Error::ResourceNotFound
                | Error::ResourceDeleted
                | Error::UnsupportedFeature
                | Error::WrongExpectedVersion { .. } => true,
                Error::Grpc { code, .. } => is_refusal(*code),
                Error::ServerError(_)
                | Error::ConnectionClosed
                | Error::GrpcConnectionError(_)
                | Error::InternalParsingError(_)
                | Error::InternalClientError
                | Error::DeadlineExceeded
                | Error::InitializationError(_)
                | Error::IllegalStateError(_) => false,
            },
            Self::Late | Self::Cut => false,
        }
    }
}

/// Whether a code says that the server looked at the request and will not have it.
fn is_refusal(code: Code) -> bool {
    matches!(code, Code::InvalidArgument | Code::FailedPrecondition)
}

fn not_appended(fault: Unheard) -> NotAppended {
    match fault {
        Unheard::Told(Error::WrongExpectedVersion { .. }) => NotAppended::WrongRevision,
        Unheard::Told(Error::NotLeaderException(_)) => NotAppended::Elsewhere,
        // Said by the client itself, before it had a node to send anything to.
        Unheard::Told(Error::ConnectionClosed | Error::GrpcConnectionError(_)) => NotAppended::Refused(fault.into()),
        fault @ (Unheard::Told(_) | Unheard::Late | Unheard::Cut) => match fault.is_servers_word() {
            true => NotAppended::Refused(fault.into()),
            false => NotAppended::Unanswered(fault.into()),
        },
    }
}

async fn within<T>(asking: impl Future<Output = Result<T, impl Into<Unheard>>>) -> Result<T, Unheard> {
    // The server is told the same limit; it is to answer first, if it can.
    match timeout(ANSWER_WITHIN + Duration::from_millis(500), asking).await {
        Ok(told) => told.map_err(Into::into),
        Err(_) => Err(Unheard::Late),
    }
}

async fn read(
    client: &Client,
    credentials: Option<&Credentials>,
    stream: &str,
    page: Page,
    count: usize,
) -> Result<Vec<RecordedEvent>, Unheard> {
    use eventstore::StreamPosition::{End, Position};
    let options = ReadStreamOptions::default().max_count(count).requires_leader(true);
    let options = match page {
        Page::From(revision) => options.position(Position(revision)).forwards(),
        Page::Down(revision) => options.position(Position(revision)).backwards(),
        Page::FromEnd => options.position(End),
    };
    let options = match credentials {
        Some(credentials) => options.authenticated(credentials.clone()),
        None => options,
    };
    let mut answer = client.read_stream(stream, &options).await?;
    let (mut events, mut at_end) = (Vec::new(), false);
    while let Some(said) = answer.next_read_event().await? {
        match said {
            ReadEvent::Event(event) => events.extend(event.event),
            ReadEvent::LastStreamPosition(_) => at_end = true,
            ReadEvent::FirstStreamPosition(_) | ReadEvent::LastAllStreamPosition(_) => {}
        }
    }
    // An answer may end as if it were complete when the node goes away. Downwards, the first event is the end.
    let complete = match page {
        Page::From(_) => at_end,
        Page::Down(_) | Page::FromEnd => at_end || events.last().is_some_and(|event| event.revision == 0),
    };
    if complete || events.len() >= count { Ok(events) } else { Err(Unheard::Cut) }
}

/// The address, with settings it does not name.
fn with_settings(url: &str) -> String {
    let named = url.split_once('?').map_or("", |(_, settings)| settings).to_lowercase();
    let mut whole = url.to_owned();
    for (name, value) in SETTINGS {
        if !named.contains(&format!("{}=", name.to_lowercase())) {
            whole.push(if whole.contains('?') { '&' } else { '?' });
            whole.push_str(&format!("{name}={value}"));
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::with_settings;

    #[test]
    fn an_address_says_what_it_wants_and_gets_the_rest() {
        let rest = "discoveryInterval=100&gossipTimeout=2000";
        assert_eq!(with_settings("esdb://one:2113"), format!("esdb://one:2113?nodePreference=leader&{rest}"));
        let told = with_settings("esdb://one,two?tls=false&NodePreference=follower");
        assert_eq!(told, format!("esdb://one,two?tls=false&NodePreference=follower&{rest}"));
        assert!(told.parse::<eventstore::ClientSettings>().is_ok());
    }
}
