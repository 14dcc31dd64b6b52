//! `move`: from where and to where, how far it has come, and what to do when it stops.

use super::args::{MoveArgs, PlaceArgs};
use super::exit::{Exit, Trouble};
use super::folders::own_event;
use super::output::Streams;
use crate::clock::SystemClock;
use crate::serve::site::{ADMIN_SECRET, admin_token, site, write_admin_token};
use crate::settings::{Settings, Sources};
use domain::Clock;
use domain::ledger::{self, Abandoned, Moved, Opened, Reopened};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};
use store::{Cancelled, Move, MoveError, Site, Word};

/// Without a terminal, one line each so often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Moves the ledger, goes on with a move, or gives one up. Waits by blocking: for a thread without a runtime.
///
/// # Errors
/// Why it stopped, and what to do for it to go on.
pub fn run(args: &MoveArgs, settings: &Settings, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
    let from = match args.source() {
        Some(place) => site(&resolved(place, "from")?)?,
        None => site(settings)?,
    };
    let to = match (args.target(), &args.to_config) {
        (Some(place), _) => site(&resolved(place, "to")?)?,
        (None, Some(file)) => site(&of_file(file)?)?,
        (None, None) => {
            let message = "say where to: --to, INVITATION_LEDGER_TO or --to-config";
            return Err(Trouble::Usage(message.to_owned()));
        }
    };
    let token = admin_token(&from)?;
    let begun = Instant::now();
    let bar = Bar::new(streams);
    let mut hear = |at: store::Progress| match bar.show(at).map(|line| streams.remark(&line)) {
        // Nobody can be told how it goes on.
        Some(Err(_)) => ControlFlow::Break(()),
        Some(Ok(())) | None => ControlFlow::Continue(()),
    };
    let moving = Move {
        from: &from,
        to: &to,
        now: &|| SystemClock.now().0,
        event: &event,
        secrets: token.iter().map(|token| (ADMIN_SECRET, token.as_str())).collect(),
        furnish: &|| write_admin_token(to.folder.as_ref(), token.as_deref()),
        progress: &mut hear,
    };
    let done = if args.cancel { moving.cancel().map(Done::Cancelled) } else { moving.run().map(Done::Moved) };
    bar.bar.finish_and_clear();
    match done.map_err(refused)? {
        Done::Moved(moved) => say_moved(&moved, begun.elapsed(), &to, streams)?,
        Done::Cancelled(cancelled) => say_cancelled(cancelled, (&from, &to), streams)?,
    }
    Ok(Exit::Done)
}

enum Done {
    Moved(store::Moved),
    Cancelled(Cancelled),
}

/// A place that was given with flags or variables of its own: no other setting has a part in it.
fn resolved(place: PlaceArgs<'_>, side: &str) -> Result<Settings, Trouble> {
    if !place.is_server() && place.data.is_some() {
        return Err(Trouble::Usage(format!("--{side} is a folder already; leave --{side}-data out")));
    }
    let settings = Settings::resolve(&Sources { flags: place.given(side), ..Sources::default() })?;
    let beside = settings.state_url().is_none() || settings.keys_url().is_none();
    if place.is_server() && place.data.is_none() && beside {
        let message = format!("state or keys lie in the service's folder there; name it with --{side}-data");
        return Err(Trouble::Usage(message));
    }
    Ok(settings)
}

fn of_file(file: &Path) -> Result<Settings, Trouble> {
    let mut sources = Sources::default();
    sources.read_file(Some(file))?;
    Ok(Settings::resolve(&sources)?)
}

/// What the ledger says of itself, in the domain's shapes.
fn event(word: &Word<'_>) -> store::NewEvent {
    let event = match word {
        Word::Moved { to, arrival } => {
            ledger::Event::Moved(Moved { to: (*to).to_owned(), arrival: arrival.to_string() })
        }
        Word::Opened { arrival, events, leaf, entries, keys } => ledger::Event::Opened(Opened {
            arrival: arrival.to_string(),
            events: *events,
            leaf: leaf.iter().map(|byte| format!("{byte:02x}")).collect(),
            entries: *entries,
            keys: *keys,
        }),
        Word::Abandoned { arrival } => ledger::Event::Abandoned(Abandoned { arrival: arrival.to_string() }),
        Word::Reopened { arrival } => ledger::Event::Reopened(Reopened { arrival: arrival.to_string() }),
    };
    own_event(&event)
}

/// Where the move stands, for who watches; for a file of lines, a line now and then.
struct Bar {
    bar: ProgressBar,
    watched: bool,
    last: std::cell::Cell<Option<(Instant, &'static str)>>,
}

impl Bar {
    fn new(streams: &Streams<'_>) -> Self {
        let bar = if streams.watched { ProgressBar::new(0) } else { ProgressBar::hidden() };
        bar.set_draw_target(if streams.watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        if let Ok(style) = ProgressStyle::with_template("{msg:6} {bar:40} {pos}/{len}, {per_sec}, {eta} left") {
            bar.set_style(style);
        }
        Self { bar, watched: streams.watched, last: std::cell::Cell::new(None) }
    }

    fn show(&self, at: store::Progress) -> Option<String> {
        let known = self.last.get();
        if known.is_none_or(|(_, part)| part != at.part) {
            self.bar.reset();
            self.bar.set_message(at.part);
        }
        self.bar.set_length(at.of);
        self.bar.set_position(at.done);
        let due = known.is_none_or(|(since, part)| part != at.part || since.elapsed() >= LINE_EVERY);
        if due || self.watched {
            self.last.set(Some((Instant::now(), at.part)));
        }
        (due && !self.watched).then(|| format!("moving the {}: {} of {}", at.part, at.done, at.of))
    }
}

fn say_moved(moved: &store::Moved, took: Duration, to: &Site, streams: &mut Streams<'_>) -> Result<(), Trouble> {
    if streams.json {
        return streams.json(&json!({
            "to": to.name, "events": moved.events, "tenants": moved.tenants, "state": moved.entries,
            "keys": moved.keys, "copied": moved.copied, "bytes": moved.bytes, "before": moved.before,
            "seconds": took.as_secs_f64(), "closed_seconds": moved.closed_for.as_secs_f64(),
        }));
    }
    if moved.before {
        return streams.print(&format!("the ledger is at {} already", to.name));
    }
    streams.remark(&format!(
        "copied {}, {}, in {:.1} s; nobody could serve the ledger for {:.1} s",
        counted(moved.copied, "event", "events"),
        counted(moved.bytes, "byte", "bytes"),
        took.as_secs_f64(),
        moved.closed_for.as_secs_f64()
    ))?;
    streams.remark(&format!(
        "compared at both places: {}, each hash and row; the last numbers of {}; {} of state; {}",
        counted(moved.events, "event", "events"),
        counted(moved.tenants, "tenant", "tenants"),
        counted(moved.entries, "entry", "entries"),
        counted(moved.keys, "key", "keys")
    ))?;
    streams.print(&format!("the ledger is at {}; serve it from there", to.name))
}

fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

fn say_cancelled(told: Cancelled, (from, to): (&Site, &Site), streams: &mut Streams<'_>) -> Result<(), Trouble> {
    let reopened = told == Cancelled::Reopened;
    if streams.json {
        return streams.json(&json!({"from": from.name, "reopened": reopened}));
    }
    streams.remark(&format!("nobody will ever serve the ledger from {}; what lies there can go", to.name))?;
    let again = if reopened { "again" } else { "as before: it was never closed" };
    streams.print(&format!("the ledger is at {} {again}", from.name))
}

fn refused(error: MoveError) -> Trouble {
    let advice = match &error {
        MoveError::InUse { left: Some(0), .. } => {
            "; stop it and give the same command again: all of its events are copied by now".to_owned()
        }
        MoveError::InUse { left: Some(left), .. } => {
            let left = counted(*left, "more event is", "more events are");
            format!("; stop it and give the same command again: {left} to be copied")
        }
        MoveError::InUse { left: None, .. } => "; stop it and give the same command again".to_owned(),
        MoveError::Taken { .. } => "; it was left as it is: name an empty or new place".to_owned(),
        MoveError::Damaged { .. } => "; restore the ledger from a backup first".to_owned(),
        MoveError::Differs { .. } => "; give this move up with --cancel, and name an empty or new place".to_owned(),
        MoveError::Elsewhere { .. } => "; move it there, or give that move up with --cancel".to_owned(),
        MoveError::GivenUp(_) => {
            "; `move --cancel` reopens the old place if that is closed still, and another place takes the ledger"
                .to_owned()
        }
        MoveError::Opened(_) => "; too late to give the move up: to have the ledger back, move it back".to_owned(),
        MoveError::NotUnderWay { .. } => "; name both places as they were named".to_owned(),
        MoveError::NoLedger(_) | MoveError::NoKeys(_) => String::new(),
        MoveError::Unstable { .. } => "; find out who writes there, and give the same command again".to_owned(),
        MoveError::Stopped
        | MoveError::Unwritten { .. }
        | MoveError::Event(_)
        | MoveError::At { .. }
        | MoveError::Furnish { .. }
        | MoveError::Io { .. } => {
            let what = "the move stopped; give the same command again once this is mended".to_owned();
            return Trouble::Io { what, source: std::io::Error::other(error) };
        }
    };
    Trouble::Refused { status: 409, code: "not_moved".to_owned(), message: format!("{error}{advice}") }
}
