//! Days and places as callers write them.

use super::params::{Read, string};
use chrono::{DateTime, Datelike, NaiveDate};
use serde_json::Value;

const NO_DAY: &str = "must be a date, YYYY-MM-DD or RFC 3339";

/// `YYYY-MM-DD`, or RFC 3339, of which the day counts as it is written there:
/// who writes midnight in their own zone means that day. Stored as `YYYY-MM-DD`.
pub(super) fn day(value: &Value) -> Read<String> {
    let text = string(value)?;
    let day = if text.len() == "YYYY-MM-DD".len() {
        plain_day(&text)
    } else {
        DateTime::parse_from_rfc3339(&text).ok().map(|time| time.naive_local().date())
    };
    let day = day.filter(|d| (1..=9999).contains(&d.year())).ok_or_else(|| NO_DAY.to_owned())?;
    Ok(day.format("%Y-%m-%d").to_string())
}

fn plain_day(text: &str) -> Option<NaiveDate> {
    let shape =
        text.bytes().enumerate().all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() });
    if !shape {
        return None;
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

/// A number written as a string, `-limit` to `limit`: kept as it was written.
pub(super) fn degrees(limit: u32) -> impl Fn(&Value) -> Read<String> {
    move |value| {
        let text = super::params::short(value)?;
        let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err("must be a decimal number in a string".to_owned());
        }
        let within = text.parse::<f64>().is_ok_and(|number| number.abs() <= f64::from(limit));
        if within { Ok(text) } else { Err(format!("must be -{limit} to {limit}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_spellings_of_a_day_are_stored_alike() {
        for text in ["2024-02-29", "2024-02-29T00:00:00Z", "2024-02-29T23:59:59.5+09:00", "2024-02-29T00:00:00-05:00"] {
            assert_eq!(day(&json!(text)), Ok("2024-02-29".into()), "{text}");
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["", "2023-02-29", "2024-13-01", "24-01-01", "2024-1-01", "+024-01-01", "0000-01-01", "29.02.2024"]
        {
            assert_eq!(day(&json!(text)), Err(NO_DAY.into()), "{text}");
        }
        for text in ["2024-02-29T25:00:00Z", "2024-02-29 10:00", "2024-02-29T10:00:00", "tomorrow at ten"] {
            assert_eq!(day(&json!(text)), Err(NO_DAY.into()), "{text}");
        }
        assert_eq!(day(&json!(20240229)), Err("must be a string".into()));
    }

    #[test]
    fn places_are_decimal_numbers_in_range() {
        for text in ["0", "-122.4194", "180", "+12.5", "179.999999999"] {
            assert_eq!(degrees(180)(&json!(text)), Ok(text.to_owned()), "{text}");
        }
        for text in ["", ".", "1.", ".5", "NaN", "inf", "1e2", "12,5", " 1", "--1", "٣"] {
            assert_eq!(degrees(180)(&json!(text)), Err("must be a decimal number in a string".into()), "{text}");
        }
        assert_eq!(degrees(90)(&json!("90.0001")), Err("must be -90 to 90".into()));
        assert_eq!(degrees(180)(&json!("-180.1")), Err("must be -180 to 180".into()));
        assert_eq!(degrees(90)(&json!(12.5)), Err("must be a string".into()));
    }
}
