//! Passwords: asked for on a terminal, or read from standard input. Never
//! taken from a flag, which every user of the machine could read.

use super::exit::Trouble;
use std::io::{IsTerminal, Read, stdin};

/// Bytes that are read at most.
const MAX_INPUT: u64 = 4_096;

/// A new password.
///
/// # Errors
/// When none can be read, or the two typed are not the same.
pub fn read() -> Result<String, Trouble> {
    if stdin().is_terminal() {
        let ask = |prompt: &str| rpassword::prompt_password(prompt).map_err(Trouble::io("no password could be read"));
        let first = ask("New password (at least 12 characters): ")?;
        return if ask("The same again: ")? == first {
            Ok(first)
        } else {
            Err(Trouble::Usage("the two passwords are not the same; nothing was changed".to_owned()))
        };
    }
    let mut text = String::new();
    stdin().take(MAX_INPUT).read_to_string(&mut text).map_err(Trouble::io("no password could be read"))?;
    Ok(first_line(&text).to_owned())
}

/// Whether a password can be asked for.
#[must_use]
pub fn can_ask() -> bool {
    stdin().is_terminal()
}

/// `echo` adds a line break that is no part of the password; spaces are part of it.
fn first_line(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_no_part_of_it() {
        assert_eq!(first_line("correct horse\n"), "correct horse");
        assert_eq!(first_line("correct horse\r\n"), "correct horse");
        assert_eq!(first_line(" correct horse "), " correct horse ");
        assert_eq!(first_line("a\n\n"), "a\n");
    }
}
