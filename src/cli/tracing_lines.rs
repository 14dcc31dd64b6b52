//! What the program writes about itself: lines on standard error, as text or
//! as JSON.
//!
//! Lines that only inform are gathered for a moment, since one system call a
//! request adds up; warnings and errors take all that wait along at once.

use super::text_lines::TextLines;
use crate::settings::{LogFormat, Settings};
use std::io::{self, IsTerminal, Write, stderr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

/// What commands other than `serve` say beside their own errors.
const QUIET: &str = "error";

/// How long a line may wait.
const WAIT: Duration = Duration::from_millis(50);
/// Bytes that may wait.
const MOST: usize = 64 * 1024;

static WAITING: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn waiting() -> MutexGuard<'static, Vec<u8>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn flush(waiting: &mut Vec<u8>) {
    if !waiting.is_empty() {
        // Nobody is left to tell when standard error is gone.
        let _ = stderr().write_all(waiting);
        waiting.clear();
    }
}

/// Writes what still waits; the last thing the program does.
pub fn end() {
    flush(&mut waiting());
}

/// Makes lines. Without the thread that writes them, none may wait.
struct Gather {
    written_by_thread: bool,
}

/// One line, handed over whole.
struct Line {
    at_once: bool,
}

impl MakeWriter<'_> for Gather {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line { at_once: true }
    }

    fn make_writer_for(&self, about: &Metadata<'_>) -> Line {
        Line { at_once: !self.written_by_thread || *about.level() <= Level::WARN }
    }
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = waiting();
        waiting.extend_from_slice(line);
        if self.at_once || waiting.len() >= MOST {
            flush(&mut waiting);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts to write. A program that does so already, as a test does, goes on.
pub fn begin(settings: &Settings, serves: bool) {
    let level = if serves { settings.log_level.as_str() } else { QUIET };
    // The settings have read it already, and said what is wrong with it.
    let filter: Targets = level.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    // Of a server that is away its client speaks at every attempt; the store says it once.
    let filter = filter.with_target("eventstore", LevelFilter::OFF);
    let writes = thread::Builder::new().name("lines".to_owned()).spawn(|| {
        loop {
            thread::sleep(WAIT);
            flush(&mut waiting());
        }
    });
    let lines = layer().with_writer(Gather { written_by_thread: writes.is_ok() });
    let _ = match settings.log_format {
        // Colours for people who look on.
        LogFormat::Text if stderr().is_terminal() => registry().with(filter).with(lines).try_init(),
        LogFormat::Text => registry().with(filter).with(lines.with_ansi(false).event_format(TextLines)).try_init(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false);
            registry().with(filter).with(lines).try_init()
        }
    };
}
