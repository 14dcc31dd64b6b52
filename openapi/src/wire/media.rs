//! Media types in `Content-Type` and `Accept`.

/// A media type or range with its parameters, names in lower case.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaType {
    /// `application/json`, in lower case.
    pub essence: String,
    pub parameters: Vec<(String, String)>,
}

impl MediaType {
    /// `None` when the text is no media type.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = split(text, ';').into_iter();
        let essence = parts.next()?.trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut parameters = vec![];
        for part in parts {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let (name, value) = part.split_once('=')?;
            if !is_token(name) {
                return None;
            }
            parameters.push((name.to_ascii_lowercase(), unquote(value)?));
        }
        Some(Self { essence, parameters })
    }

    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// One entry of an `Accept` header.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    pub media: MediaType,
    /// In thousandths; 0 means "not this".
    pub weight: u16,
}

impl Range {
    /// How closely this range names a type: `None` when it does not.
    #[must_use]
    pub fn closeness(&self, essence: &str) -> Option<u8> {
        let named = self.media.essence.as_str();
        match named.strip_suffix("/*") {
            Some("*") => Some(0),
            Some(kind) => essence.split_once('/').is_some_and(|(k, _)| k == kind).then_some(1),
            None => (named == essence).then_some(2),
        }
    }
}

/// All entries of an `Accept` header's lines; `None` when one cannot be read.
#[must_use]
pub fn accept<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<Vec<Range>> {
    let mut ranges = vec![];
    for line in lines {
        for part in split(line, ',') {
            if part.trim().is_empty() {
                continue;
            }
            let mut media = MediaType::parse(part)?;
            let weight = match media.parameters.iter().position(|(name, _)| name == "q") {
                Some(at) => {
                    let weight = thousandths(&media.parameters[at].1)?;
                    media.parameters.truncate(at);
                    weight
                }
                None => 1_000,
            };
            ranges.push(Range { media, weight });
        }
    }
    Some(ranges)
}

/// The weight that `ranges` give a type, by the closest of them; 0 when none does.
#[must_use]
pub fn weight(ranges: &[Range], essence: &str) -> u16 {
    let named = ranges.iter().filter_map(|range| range.closeness(essence).map(|c| (c, range.weight)));
    named.max().map_or(0, |(_, weight)| weight)
}

/// Splits at a separator outside of quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (vec![], 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn unquote(text: &str) -> Option<String> {
    match text.strip_prefix('"') {
        Some(rest) => Some(rest.strip_suffix('"')?.replace("\\\\", "\\").replace("\\\"", "\"")),
        None => is_token(text).then(|| text.to_owned()),
    }
}

fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
    let whole: u16 = if whole.len() == 1 { whole.parse().ok()? } else { return None };
    let part: u16 = if digits { format!("{part:0<3}").parse().ok()? } else { return None };
    Some(whole * 1_000 + part).filter(|weight| *weight <= 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_is_read_with_its_parameters() {
        let media = MediaType::parse("Application/VND.api+json; Charset=\"utf-8\"; ext=\"a;b\"").unwrap();
        assert_eq!(media.essence, "application/vnd.api+json");
        assert_eq!(media.parameter("charset"), Some("utf-8"));
        assert_eq!(media.parameter("ext"), Some("a;b"));
        for wrong in ["", "json", "a/b/c d", "text/plain; charset", "/", "a/"] {
            assert_eq!(MediaType::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_closest_range_gives_the_weight() {
        let ranges = accept(["text/html, application/json;q=0.2", "*/*;q=0.8, application/*;q=0.5"]).unwrap();
        assert_eq!(weight(&ranges, "text/html"), 1_000);
        assert_eq!(weight(&ranges, "application/json"), 200);
        assert_eq!(weight(&ranges, "application/xml"), 500);
        assert_eq!(weight(&ranges, "image/png"), 800);
        assert_eq!(weight(&accept(["application/json;q=0, */*"]).unwrap(), "application/json"), 0);
        assert_eq!(accept(["application/json;q=2"]), None);
        assert_eq!(accept(["nonsense"]), None);
    }
}
