//! The media types of the platform document: JSON under five names.
//!
//! The answer carries exactly the name the caller likes best. A caller that
//! takes none of the five is told so before anything happens.

use crate::wire::media::{MediaType, Range, accept};
use std::cmp::Reverse;

/// One of the document's names for JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Media {
    #[default]
    Json,
    Soa71,
    Soa72,
    Soa80,
    Soa81,
}

impl Media {
    /// In the order of our own preference.
    pub const ALL: [Self; 5] = [Self::Json, Self::Soa71, Self::Soa72, Self::Soa80, Self::Soa81];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Soa71 => "application/vnd.soa.v71+json",
            Self::Soa72 => "application/vnd.soa.v72+json",
            Self::Soa80 => "application/vnd.soa.v80+json",
            Self::Soa81 => "application/vnd.soa.v81+json",
        }
    }

    /// Reads a `Content-Type`. Parameters are allowed; a charset must be UTF-8.
    #[must_use]
    pub fn of_body(header: &str) -> Option<Self> {
        let media = MediaType::parse(header)?;
        let known = Self::ALL.into_iter().find(|known| known.name() == media.essence);
        known.filter(|_| media.parameter("charset").is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8")))
    }

    /// The type to answer with; no header at all means anything. `None`: none
    /// of ours will do, or the header cannot be read.
    ///
    /// The closest range that names a type decides its weight. Among equals the
    /// one named outright wins over a wildcard, then the one named first, then
    /// our own order.
    #[must_use]
    pub fn to_answer<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        let ranges = accept(lines)?;
        if ranges.is_empty() {
            return Some(Self::default());
        }
        let ranked = Self::ALL.into_iter().enumerate().filter_map(|(own, media)| {
            let (closeness, place, weight) = best(&ranges, media)?;
            (weight > 0).then_some(((weight, closeness, place, Reverse(own)), media))
        });
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, media)| media)
    }
}

/// The closest range that names a type: how closely, where it stands, its weight.
fn best(ranges: &[Range], media: Media) -> Option<(u8, Reverse<usize>, u16)> {
    let naming = ranges.iter().enumerate().filter_map(|(place, range)| {
        let closeness = range.closeness(media.name())?;
        Some((closeness, Reverse(place), range.weight))
    });
    naming.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(header: &str) -> Option<&'static str> {
        Media::to_answer(std::iter::once(header)).map(Media::name)
    }

    #[test]
    fn each_of_the_five_names_may_head_a_body_with_parameters() {
        for media in Media::ALL {
            assert_eq!(Media::of_body(media.name()), Some(media));
            assert_eq!(Media::of_body(&format!("{} ; charset=UTF-8", media.name().to_uppercase())), Some(media));
        }
        assert_eq!(Media::of_body("application/json; charset=\"utf-8\"; v=1"), Some(Media::Json));
    }

    #[test]
    fn other_types_and_other_charsets_are_not_read() {
        for text in [
            "",
            "text/plain",
            "application/vnd.soa.v90+json",
            "application/jsonp",
            "application/json; charset=latin1",
            "application/json, text/plain",
            "application/x-www-form-urlencoded",
        ] {
            assert_eq!(Media::of_body(text), None, "{text}");
        }
    }

    #[test]
    fn the_answer_is_what_the_caller_likes_best() {
        let cases = [
            ("", Some("application/json")),
            ("*/*", Some("application/json")),
            ("application/*", Some("application/json")),
            ("application/vnd.soa.v72+json", Some("application/vnd.soa.v72+json")),
            ("application/vnd.soa.v80+json, */*", Some("application/vnd.soa.v80+json")),
            ("application/vnd.soa.v81+json, application/json", Some("application/vnd.soa.v81+json")),
            ("application/json;q=0.5, application/vnd.soa.v71+json;q=0.8", Some("application/vnd.soa.v71+json")),
            ("application/json;q=0, */*", Some("application/vnd.soa.v71+json")),
            ("application/JSON; charset=utf-8; q=0.001", Some("application/json")),
            ("text/html, application/vnd.soa.v81+json;q=0.1", Some("application/vnd.soa.v81+json")),
            ("*/*;q=0.2, application/vnd.soa.v72+json;q=0.1", Some("application/json")),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json;q=1.5", None),
            ("application/json;q=x", None),
            ("nonsense", None),
            ("application/vnd.soa.v90+json", None),
        ];
        for (header, expected) in cases {
            assert_eq!(answer(header), expected, "{header}");
        }
        assert_eq!(Media::to_answer(std::iter::empty()), Some(Media::Json));
        assert_eq!(Media::to_answer(["text/html", "application/vnd.soa.v71+json"].into_iter()), Some(Media::Soa71));
    }
}
