//! Single values of a JSON body, as more than one dialect takes them: a value
//! that is no such thing is answered with the reason, which follows the name
//! that the dialect gives it (`date_hired must be a date, …`).

use chrono::{DateTime, Datelike, NaiveDate};
use domain::employee::MAX_SKILL;
use domain::{Address, text};
use serde_json::Value;
use uuid::Uuid;

/// The value, or why it is none.
pub type Read<T> = Result<T, String>;

/// Integers beyond this are not the same in every JSON reader.
pub const MAX_INTEGER: i64 = 9_007_199_254_740_991;
/// Characters of an unknown name that are shown back.
const SHOWN: usize = 100;
const LONGITUDE_LIMIT: u32 = 180;
const LATITUDE_LIMIT: u32 = 90;
const NO_DAY: &str = "must be a date, YYYY-MM-DD or RFC 3339";

/// A caller's own name for something, cut, and without characters that trick readers.
pub fn shown(name: &str) -> String {
    let cut: String = name.chars().take(SHOWN).collect();
    text::line(&cut, SHOWN).unwrap_or_else(|_| cut.escape_default().to_string())
}

pub fn string(value: &Value) -> Read<String> {
    value.as_str().map(ToOwned::to_owned).ok_or_else(|| "must be a string".to_owned())
}

/// One line of at most `limit` characters.
pub fn line(limit: usize) -> impl Fn(&Value) -> Read<String> {
    move |value| text::line(&string(value)?, limit)
}

/// Any text field that has no limit of its own.
pub fn short(value: &Value) -> Read<String> {
    line(text::MAX_TEXT)(value)
}

/// A name somebody has to recognize: not blank.
pub fn name(value: &Value) -> Read<String> {
    let text = short(value)?;
    if text.trim().is_empty() { Err("is blank".to_owned()) } else { Ok(text) }
}

pub fn boolean(value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}

pub fn integer(value: &Value) -> Read<i64> {
    let number = value.as_i64().ok_or_else(|| "must be an integer".to_owned())?;
    if (-MAX_INTEGER..=MAX_INTEGER).contains(&number) { Ok(number) } else { Err("is too large".to_owned()) }
}

/// The public integer of an employee or integration; they start at 1.
pub fn number(value: &Value) -> Read<u64> {
    u64::try_from(integer(value)?).ok().filter(|n| *n > 0).ok_or_else(|| "does not exist".to_owned())
}

pub fn uuid(value: &Value) -> Read<Uuid> {
    super::uuid(&string(value)?).ok_or_else(|| "must be a UUID".to_owned())
}

pub fn address(value: &Value) -> Read<Address> {
    Address::parse(&string(value)?).map_err(|error| error.to_string())
}

/// One skill of an employee.
pub fn skill(value: &Value) -> Read<String> {
    line(MAX_SKILL)(value)
}

/// One part of an employee's address, by its key.
pub fn address_part(key: &str, value: &Value) -> Read<String> {
    match key {
        "longitude" => degrees(LONGITUDE_LIMIT)(value),
        "latitude" => degrees(LATITUDE_LIMIT)(value),
        _ => short(value),
    }
}

/// `YYYY-MM-DD`, or RFC 3339, of which the day counts as it is written there:
/// who writes midnight in their own zone means that day. Stored as `YYYY-MM-DD`.
pub fn day(value: &Value) -> Read<String> {
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
fn degrees(limit: u32) -> impl Fn(&Value) -> Read<String> {
    move |value| {
        let text = short(value)?;
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
    fn integers_are_integers_and_ids_begin_at_one() {
        assert_eq!(integer(&json!(-3)), Ok(-3));
        for bad in [json!(1.0), json!("1"), json!(true), json!([1]), json!(1e3)] {
            assert_eq!(integer(&bad), Err("must be an integer".into()), "{bad}");
        }
        assert_eq!(integer(&json!(9_007_199_254_740_992_i64)), Err("is too large".into()));
        assert_eq!(integer(&json!(u64::MAX)), Err("must be an integer".into()));
        assert_eq!(number(&json!(1)), Ok(1));
        assert_eq!(number(&json!(0)), Err("does not exist".into()));
        assert_eq!(number(&json!(-1)), Err("does not exist".into()));
    }

    #[test]
    fn texts_are_bounded() {
        assert_eq!(short(&json!("é".repeat(200))), Ok("é".repeat(200)));
        assert_eq!(short(&json!("x".repeat(201))), Err("is longer than 200 characters".into()));
        assert_eq!(short(&json!("a\nb")), Err("has control or direction characters".into()));
        assert_eq!(name(&json!("  ")), Err("is blank".into()));
    }

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
