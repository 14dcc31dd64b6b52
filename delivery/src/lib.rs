//! Delivery: the only room that talks to the outside.
//!
//! Promise: every mail that an event asks for is sent, or is visibly not sent.
//! The log asks, the outbox remembers, the courier sends and records the result
//! in the log. Exactly once is impossible with mail: of one mail at most two go
//! out by themselves, with the same message id, and only when nobody can know
//! what became of the first.
//!
//! What a crash leaves, by the last step that is on disk:
//!
//! | step | after a restart |
//! | --- | --- |
//! | the asking event | the follower makes the row |
//! | the row | it is sent |
//! | the attempt | the log is asked; no result there: unknown, one repeat |
//! | the provider's word | it is recorded, nothing is sent |
//! | the result in the log | the row goes |
//!
//! Of several nodes with one outbox the one that has the lease follows and sends;
//! every change of its courier is fenced by it ([`store::Lease`]).

mod ask;
mod courier;
mod error;
mod figures;
mod follower;
mod letter;
mod operate;
mod options;
mod outbox;
mod row;
mod schedule;
mod tenure;
mod transport;

pub use error::{DeliveryError, OperatorError, TemplateFault};
pub use figures::OutboxFigures;
pub use letter::MailSecret;
pub use operate::{MAX_LISTED, MailState, OutboxFilter, OutboxRow};
pub use options::{
    DeliveryOptions, MANDRILL_URL, MAX_PUBLIC_URL, MAX_RETRIES, MAX_RETRY_STEP, MAX_SENDING, OptionsError,
    RetrySchedule, Timeouts, TransportOptions,
};
pub use outbox::SPACES;

use domain::{Clock, CommandBus, Timestamp};
use figures::Counts;
use letter::templates::Templates;
use letter::{Letters, Place};
use outbox::{Cursor, Outbox};
use row::{Key, Row};
use schedule::{MAX_SCHEDULED, Schedule};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Lease, Ledger, Position, State};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use transport::Transport;

/// Follower and courier. Cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    shared: Arc<Shared>,
    closing: Arc<watch::Sender<bool>>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// What follower, courier and operators share.
pub(crate) struct Shared {
    ledger: Ledger,
    bus: CommandBus,
    clock: Arc<dyn Clock>,
    outbox: Outbox,
    lease: Lease,
    schedule: Mutex<Schedule>,
    letters: Letters,
    transport: Transport,
    transport_name: &'static str,
    retry: RetrySchedule,
    sending: usize,
    counts: Counts,
    /// Wakes the courier.
    wake: Notify,
    followed: watch::Sender<Position>,
    stopped: Mutex<Option<String>>,
    /// Moves with everything that happens.
    pulse: watch::Sender<u64>,
}

impl Delivery {
    /// Checks settings and templates; nothing is followed or sent before [`Delivery::start`].
    ///
    /// To be called before the first event of a new ledger is written: it notes
    /// in the outbox that the log is followed from its beginning. An outbox
    /// without that note beside a log with events counts as lost, and what the
    /// log has asked for by then is not sent by itself.
    ///
    /// # Errors
    /// [`DeliveryError`]: what is wrong with the settings, every fault of the templates, or the state.
    pub fn new(
        ledger: Ledger,
        state: State,
        bus: CommandBus,
        secrets: MailSecret,
        clock: Arc<dyn Clock>,
        options: DeliveryOptions,
    ) -> Result<Self, DeliveryError> {
        let place = Place::parse(&options.public_url)?;
        let transport = Transport::open(&options)?;
        let templates = Templates::load(options.templates.as_deref())?;
        let letters = Letters::new(bus.clone(), ledger.clone(), secrets, templates, place);
        let lease = Lease::new(state.clone(), "courier");
        let outbox = Outbox::open(state)?;
        if ledger.head() == 0 && !outbox.is_shared() && outbox.cursor()?.is_none() {
            outbox.move_cursor_later(&Cursor::at(ledger.head_mark()));
        }
        let shared = Shared {
            ledger,
            bus,
            clock,
            outbox,
            lease,
            schedule: Mutex::new(Schedule::new(MAX_SCHEDULED)),
            letters,
            transport,
            transport_name: options.transport.name(),
            retry: options.retry,
            sending: options.sending.clamp(1, MAX_SENDING),
            counts: Counts::default(),
            wake: Notify::new(),
            followed: watch::Sender::new(0),
            stopped: Mutex::new(None),
            pulse: watch::Sender::new(0),
        };
        Ok(Self { shared: Arc::new(shared), closing: Arc::new(watch::Sender::new(false)), tasks: Arc::default() })
    }

    /// The same note where other nodes have the outbox, durable when it returns; to be
    /// called after [`Self::new`], before the first event is written.
    ///
    /// # Errors
    /// When the state cannot be changed.
    pub async fn note_beginning(&self) -> Result<(), DeliveryError> {
        let shared = &self.shared;
        if shared.outbox.is_shared() && shared.ledger.head() == 0 {
            shared.outbox.note_beginning(&Cursor::at(shared.ledger.head_mark())).await?;
        }
        Ok(())
    }

    /// Starts to follow and to send, once, on the present runtime. With transport `none`,
    /// nothing is started: asks wait in the log for the next start with another one.
    pub fn start(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.is_empty() && self.sends() && !*self.closing.borrow() {
            tasks.push(tokio::spawn(tenure::run(self.shared.clone(), self.closing.subscribe())));
        }
    }

    /// Whether mail leaves at all: with transport `none` it does not.
    #[must_use]
    pub fn sends(&self) -> bool {
        self.shared.transport.sends()
    }

    /// Ends following, and sending once what is under way has ended.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // A panic in there has been printed, and there is nobody left to tell.
            let _ = task.await;
        }
    }

    /// Has the courier look at the clock again; it does so by itself at least once a minute.
    pub fn tick(&self) {
        self.shared.wake.notify_one();
    }

    /// Waits for a moment at which the log has been followed to its end, and nothing is due or
    /// under way. Without a transport, or when following has stopped, it returns at once.
    pub async fn idle(&self) {
        let mut pulse = self.shared.pulse.subscribe();
        while self.sends() && !self.shared.is_idle() {
            self.tick();
            if pulse.changed().await.is_err() {
                return;
            }
        }
    }

    /// Mails of the outbox, oldest first.
    ///
    /// # Errors
    /// When the state cannot be read or `after` is no id.
    pub fn list(&self, filter: &OutboxFilter) -> Result<Vec<OutboxRow>, OperatorError> {
        self.shared.list(filter)
    }

    /// One mail of the outbox.
    ///
    /// # Errors
    /// When the state cannot be read or `id` is none.
    pub fn find(&self, id: &str) -> Result<Option<OutboxRow>, OperatorError> {
        self.shared.find(id)
    }

    /// Has a dead or waiting mail sent now. One that is not wanted any more is dropped then.
    ///
    /// # Errors
    /// [`OperatorError`]: no such mail, or it is being sent.
    pub async fn retry(&self, id: &str) -> Result<(), OperatorError> {
        self.shared.retry(id).await
    }

    /// Gives a dead or waiting mail up, and has the log say so.
    ///
    /// # Errors
    /// [`OperatorError`]: no such mail, or it is being sent, or the log does not take it.
    pub async fn abandon(&self, id: &str) -> Result<(), OperatorError> {
        self.shared.abandon(id).await
    }

    #[must_use]
    pub fn figures(&self) -> OutboxFigures {
        let shared = &self.shared;
        shared.counts.fill(OutboxFigures {
            transport: shared.transport_name,
            queued: shared.outbox.live(),
            sending: u64::try_from(shared.schedule().leased()).unwrap_or(u64::MAX),
            dead: shared.outbox.dead(),
            cursor: shared.cursor(),
            head: shared.ledger.head(),
            stopped: shared.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ..OutboxFigures::default()
        })
    }
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn schedule_all(&self, rows: &[Row]) {
        if rows.is_empty() {
            return;
        }
        let mut schedule = self.schedule();
        for row in rows {
            schedule.insert(row.due, row.key(), row.is_urgent());
        }
        drop(schedule);
        self.wake.notify_one();
    }

    fn take_due(&self) -> Option<Key> {
        self.schedule().take(self.clock.now())
    }

    fn is_leased(&self, key: Key) -> bool {
        self.schedule().is_leased(key)
    }

    /// Ends a lease, and has the row looked at again at a time.
    fn release(&self, key: Key, again: Option<Timestamp>) {
        let mut schedule = self.schedule();
        schedule.release(key);
        if let Some(due) = again {
            schedule.insert(due, key, false);
        }
    }

    /// How far the log has been followed, by this node or by the one that does it.
    fn cursor(&self) -> Position {
        let own = *self.followed.borrow();
        let noted = || self.outbox.cursor().ok().flatten().map_or(own, |cursor| cursor.position);
        if own == 0 && self.outbox.is_shared() { noted() } else { own }
    }

    fn followed(&self, position: Position) {
        self.followed.send_replace(position);
        self.pulse();
    }

    fn watch_followed(&self) -> watch::Receiver<Position> {
        self.followed.subscribe()
    }

    fn stop_following(&self, why: String) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.pulse();
    }

    fn pulse(&self) {
        self.pulse.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn is_idle(&self) -> bool {
        if self.stopped.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return true;
        }
        *self.followed.borrow() >= self.ledger.head() && self.schedule().is_quiet(self.clock.now())
    }
}
