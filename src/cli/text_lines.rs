//! Log lines as text, for files and pipes: one is written for every request,
//! so it is put together without formatting where there is nothing to format.

use crate::clock::SystemClock;
use chrono::{DateTime, Utc};
use domain::Clock;
use std::cell::RefCell;
use std::fmt::{self, Debug, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// `2026-11-22T05:09:46.104211Z  INFO room: what happened name=value name="text"`
pub(super) struct TextLines;

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let about = event.metadata();
        write_time(&mut line, SystemClock.now().chrono())?;
        line.write_str(match *about.level() {
            Level::ERROR => " ERROR ",
            Level::WARN => "  WARN ",
            Level::INFO => "  INFO ",
            Level::DEBUG => " DEBUG ",
            Level::TRACE => " TRACE ",
        })?;
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            line.write_str(span.name())?;
            if let Some(members) = span.extensions().get::<FormattedFields<N>>() {
                write!(line, "{{{members}}}")?;
            }
            line.write_str(": ")?;
        }
        line.write_str(about.target())?;
        line.write_char(':')?;
        let mut members = Members { line, written: Ok(()) };
        event.record(&mut members);
        members.written?;
        members.line.write_char('\n')
    }
}

/// Writes an event's members behind one another.
struct Members<'w> {
    line: Writer<'w>,
    written: fmt::Result,
}

impl Members<'_> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let written = || {
            self.line.write_char(' ')?;
            if field.name() != "message" {
                self.line.write_str(field.name())?;
                self.line.write_char('=')?;
            }
            value(&mut self.line)
        };
        if self.written.is_ok() {
            self.written = written();
        }
    }
}

impl Visit for Members<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, |line| write!(OneLine(line), "{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'));
        self.member(field, |line| {
            if field.name() == "message" {
                OneLine(line).write_str(value)
            } else if plain {
                line.write_char('"')?;
                line.write_str(value)?;
                line.write_char('"')
            } else {
                write!(line, "{value:?}")
            }
        });
    }

    /// An error and what it came from, which `Debug` would write as its parts.
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.member(field, |line| OneLine(line).write_str(&domain::told(value)));
    }
}

/// Keeps whatever a value says of itself on its line.
struct OneLine<'l, 'w>(&'l mut Writer<'w>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !text.chars().any(char::is_control) {
            return self.0.write_str(text);
        }
        for part in text.split_inclusive(char::is_control) {
            let told = part.trim_end_matches(char::is_control);
            self.0.write_str(told)?;
            write!(self.0, "{}", part[told.len()..].escape_debug())?;
        }
        Ok(())
    }
}

thread_local! {
    /// The second last written, and its text up to the fraction.
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

/// RFC 3339 in UTC with microseconds.
fn write_time(line: &mut Writer<'_>, now: DateTime<Utc>) -> fmt::Result {
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.timestamp() {
            *second = now.timestamp();
            *text = now.format("%Y-%m-%dT%H:%M:%S").to_string();
        }
        line.write_str(text)
    })?;
    write!(line, ".{:06}Z", now.timestamp_subsec_micros().min(999_999))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    fn written(log: impl FnOnce()) -> String {
        let text = Arc::new(Mutex::new(Vec::new()));
        let writer = text.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(TextLines)
            .with_writer(move || Copy(writer.clone()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        String::from_utf8(text.lock().unwrap().clone()).unwrap()
    }

    struct Copy(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Copy {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_says_when_how_grave_where_what_and_with_which_values() {
        let id = uuid::Uuid::from_u128(7);
        let line = written(|| tracing::info!(target: "wire", route = "/a/{b}", status = 201_u16, id = %id, "answered"));
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(DateTime::parse_from_rfc3339(time).is_ok() && time.len() == 27, "{time}");
        assert_eq!(rest, " INFO wire: answered route=\"/a/{b}\" status=201 id=00000000-0000-0000-0000-000000000007\n");
    }

    #[test]
    fn a_text_cannot_end_a_line_or_leave_its_quotes() {
        let line = written(|| tracing::warn!(target: "wire", said = "a\"b\nc\u{1b}", "odd"));
        assert!(line.ends_with(" WARN wire: odd said=\"a\\\"b\\nc\\u{1b}\"\n"), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn a_line_names_the_work_it_is_part_of() {
        let line = written(|| {
            let span = tracing::info_span!("mail", number = 7);
            span.in_scope(|| tracing::info!(target: "courier", "sent"));
        });
        assert!(line.ends_with(" INFO mail{number=7}: courier: sent\n"), "{line}");
    }

    #[test]
    fn an_error_is_told_with_what_it_came_from() {
        #[derive(Debug, thiserror::Error)]
        #[error("no view")]
        struct NoView(#[source] std::io::Error);
        let error = NoView(std::io::Error::other("no\ndisk"));
        let line = written(|| tracing::error!(target: "views", error = &error as &dyn std::error::Error, "stopped"));
        assert!(line.ends_with("ERROR views: stopped error=no view: no\\ndisk\n"), "{line}");
    }
}
