//! Heads of streams asked for lately, so that what stands in nearly every command
//! (its tenant, its organization) is looked up in the file once and not each time.
//!
//! Promise: what is here is the head as of the last commit. A look at the file takes
//! time, and the stream may grow meanwhile; so what was read is kept only if nothing
//! was committed since the reader first looked here.

use std::sync::Mutex;

use quick_cache::unsync::Cache;

use super::layer::{Head, Layer};
use crate::{ReadError, StreamId, locks::lock};

/// Heads kept; about half a megabyte.
const MOST: usize = 4_096;

pub(super) struct Recent {
    kept: Mutex<Kept>,
}

struct Kept {
    heads: Cache<StreamId, Head>,
    commits: u64,
}

impl Default for Recent {
    fn default() -> Self {
        Self { kept: Mutex::new(Kept { heads: Cache::new(MOST), commits: 0 }) }
    }
}

impl Recent {
    /// The stream's head: from here, or as `look` finds it.
    pub(super) fn head(
        &self,
        stream: &StreamId,
        look: impl FnOnce() -> Result<Option<Head>, ReadError>,
    ) -> Result<Option<Head>, ReadError> {
        let since = {
            let kept = lock(&self.kept);
            if let Some(head) = kept.heads.get(stream) {
                return Ok(Some(*head));
            }
            kept.commits
        };
        let found = look()?;
        if let Some(head) = found {
            let mut kept = lock(&self.kept);
            if kept.commits == since {
                kept.heads.insert(stream.clone(), head);
            }
        }
        Ok(found)
    }

    /// Follows a commit that stands in the layers already.
    pub(super) fn grow(&self, batch: &[(StreamId, Head)]) {
        let mut kept = lock(&self.kept);
        kept.commits += 1;
        for (stream, head) in batch {
            if let Some(mut known) = kept.heads.get_mut(stream) {
                *known = *head;
            }
        }
    }
}

/// Where the streams end that a layer has appended to, those that were there before.
pub(super) fn grown(layer: &Layer) -> Vec<(StreamId, Head)> {
    let older = layer.streams.iter().filter(|(_, grown)| !grown.created);
    older.map(|(stream, grown)| (stream.clone(), grown.head)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(version: u64) -> Head {
        Head { first: 7, version }
    }

    #[test]
    fn a_head_is_looked_up_once_and_follows_every_commit() {
        let (recent, stream) = (Recent::default(), StreamId::new("Organization-acme/1"));
        assert_eq!(recent.head(&stream, || Ok(Some(at(1)))).unwrap(), Some(at(1)));
        recent.grow(&[(stream.clone(), at(2))]);
        let asked = recent.head(&stream, || panic!("it is known")).unwrap();
        assert_eq!(asked, Some(at(2)));
    }

    #[test]
    fn what_was_read_while_the_stream_grew_is_not_kept() {
        let (recent, stream) = (Recent::default(), StreamId::new("Organization-acme/1"));
        let slow = || {
            recent.grow(&[(stream.clone(), at(2))]);
            Ok(Some(at(1)))
        };
        assert_eq!(recent.head(&stream, slow).unwrap(), Some(at(1)), "as it was when the look began");
        assert_eq!(recent.head(&stream, || Ok(Some(at(2)))).unwrap(), Some(at(2)), "the file is asked again");
    }
}
