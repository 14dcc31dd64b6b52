//! Time as the ledger knows it: whole microseconds since 1970-01-01 UTC.
//!
//! Nothing in the domain asks the wall clock. Decisions are given `now`, and
//! events carry the time the ledger recorded them at, which never goes back.

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

const MICROS: i64 = 1_000_000;

impl Timestamp {
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS))
    }

    /// Whole seconds, rounded down, as every dialect shows times.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to here; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339, UTC, whole seconds: `2021-11-23T14:38:03Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let at = self.chrono();
        let Some(year) = u32::try_from(at.year()).ok().filter(|year| *year < 10_000) else {
            // No time of ours; what a caller is shown of a far one needs a sign or more digits.
            return at.to_rfc3339_opts(SecondsFormat::Secs, true);
        };
        let mut text = String::with_capacity("2021-11-23T14:38:03Z".len());
        let date = [(year / 100, None), (year % 100, Some('-')), (at.month(), Some('-')), (at.day(), Some('T'))];
        let time = [(at.hour(), Some(':')), (at.minute(), Some(':')), (at.second(), Some('Z'))];
        for (two_digits, behind) in date.into_iter().chain(time) {
            text.extend(char::from_digit(two_digits / 10, 10));
            text.extend(char::from_digit(two_digits % 10, 10));
            text.extend(behind);
        }
        text
    }

    #[must_use]
    pub fn chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }

    /// Reads RFC 3339, or the `2021-11-23 14:38:02 UTC` of the organization
    /// invites document. Years outside 0001..=9999 are refused.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = DateTime::parse_from_rfc3339(text).ok().map(|t| t.with_timezone(&Utc)).or_else(|| {
            let naive = text.strip_suffix(" UTC")?;
            chrono::NaiveDateTime::parse_from_str(naive, "%Y-%m-%d %H:%M:%S").ok().map(|t| t.and_utc())
        })?;
        let year = parsed.year();
        (1..=9999).contains(&year).then(|| Self(parsed.timestamp_micros()))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(value: DateTime<Utc>) -> Self {
        Self(value.timestamp_micros())
    }
}

/// Where time comes from. The program has one that reads the machine's clock;
/// tests have one they advance.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_the_document_are_the_same_instant() {
        let spaced = Timestamp::parse("2021-11-23 14:38:02 UTC");
        assert_eq!(spaced, Timestamp::parse("2021-11-23T14:38:02Z"));
        assert_eq!(spaced.map(Timestamp::rfc3339).as_deref(), Some("2021-11-23T14:38:02Z"));
    }

    #[test]
    fn every_time_is_written_as_chrono_writes_it() {
        let mut seconds = -63_000_000_000_i64;
        while seconds < 260_000_000_000 {
            let at = Timestamp::from_seconds(seconds);
            assert_eq!(at.rfc3339(), at.chrono().to_rfc3339_opts(SecondsFormat::Secs, true));
            seconds += 86_399 * 1_013;
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2021-13-01T00:00:00Z", "-4712-01-01T00:00:00Z", "2021-11-23"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
