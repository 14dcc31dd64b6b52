//! An error and what it came from, on one line.

use std::error::Error;
use std::fmt::Write;

/// `error: its source: the source's own`, for a log line or a person who runs the service; callers
/// of an API are told the dialect's words instead. Libraries differ in whether an error repeats its
/// source's words: what was said at the end of the line already is not said again.
#[must_use]
pub fn told(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let words = error.to_string();
        if !line.ends_with(&words) {
            // Writing to a string cannot fail.
            let _ = write!(line, ": {words}");
        }
        source = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Fault {
        #[error("the disk is full")]
        Disk,
        #[error("the file was not written")]
        File(#[source] Box<Fault>),
        /// As some libraries do it.
        #[error("the answer is lost: {0}")]
        Repeating(#[source] Box<Fault>),
    }

    #[test]
    fn every_reason_is_told_once() {
        let file = || Box::new(Fault::File(Box::new(Fault::Disk)));
        assert_eq!(told(&Fault::Disk), "the disk is full");
        assert_eq!(told(&file()), "the file was not written: the disk is full");
        assert_eq!(told(&Fault::Repeating(file())), "the answer is lost: the file was not written: the disk is full");
    }
}
