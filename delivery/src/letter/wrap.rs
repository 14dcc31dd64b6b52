//! Lines of a mail's text part: short enough for every mail server, with links whole.

/// Columns at which running text is broken.
const COLUMNS: usize = 76;
/// Bytes of a line at most, without its end; SMTP allows 998.
const MAX_LINE: usize = 900;

/// Breaks long lines at spaces. A line that holds a link is left whole.
pub(crate) fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / COLUMNS);
    for line in text.trim_end().lines() {
        let line = line.trim_end();
        // A quoted line that must be broken stays a quotation.
        let prefix = if line.starts_with("> ") { "> " } else { "" };
        for piece in broken(line.strip_prefix(prefix).unwrap_or(line)) {
            out.push_str(prefix);
            out.push_str(&piece);
            out.push('\n');
        }
    }
    out
}

/// One line to several.
fn broken(line: &str) -> Vec<String> {
    let whole = line.chars().count() <= COLUMNS || line.contains("://");
    if whole && line.len() <= MAX_LINE {
        return vec![line.to_owned()];
    }
    let mut pieces = vec![String::new()];
    let mut width = 0;
    for word in line.split(' ').flat_map(chopped) {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > COLUMNS {
            pieces.push(String::new());
            width = 0;
        }
        if let Some(piece) = pieces.last_mut() {
            if width > 0 {
                piece.push(' ');
                width += 1;
            }
            piece.push_str(word);
            width += length;
        }
    }
    pieces
}

/// A word too long for any line, in pieces.
fn chopped(word: &str) -> Vec<&str> {
    let mut rest = word;
    let mut pieces = vec![];
    while rest.len() > MAX_LINE {
        let at = (0..=MAX_LINE).rev().find(|i| rest.is_char_boundary(*i)).unwrap_or(MAX_LINE);
        let (piece, tail) = rest.split_at(at);
        pieces.push(piece);
        rest = tail;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_links_do_not_and_quotations_stay_quoted() {
        let link = format!("https://x.example/i/{}", "a".repeat(200));
        let text = format!("{}\n{link}\n> {}\n", "word ".repeat(40), "said ".repeat(30));
        let wrapped = lines(&text);
        assert!(wrapped.lines().any(|l| l == link));
        assert!(wrapped.lines().all(|l| l == link || l.chars().count() <= COLUMNS + 2), "{wrapped}");
        assert_eq!(wrapped.lines().filter(|l| l.starts_with("> said")).count(), 2);
    }

    #[test]
    fn a_word_without_end_is_cut_between_characters() {
        let pieces = broken(&"ü".repeat(2_000));
        assert!(pieces.iter().all(|p| p.len() <= MAX_LINE));
        assert_eq!(pieces.concat().chars().count(), 2_000);
    }
}
