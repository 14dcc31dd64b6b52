//! What commands print. Rows become a table, one thing becomes lines of name
//! and value, a new thing its id alone; `--json` prints the answer as it came.

use super::exit::Trouble;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write;

/// Where a command prints to. Standard output carries results only.
pub struct Streams<'a> {
    pub out: &'a mut dyn Write,
    pub err: &'a mut dyn Write,
    pub json: bool,
    /// Standard error is a terminal: progress bars are welcome.
    pub watched: bool,
}

/// Characters of one cell of a table.
const MAX_CELL: usize = 60;

impl Streams<'_> {
    /// # Errors
    /// When standard output cannot be written.
    pub fn print(&mut self, text: &str) -> Result<(), Trouble> {
        writeln!(self.out, "{text}")
            .and_then(|()| self.out.flush())
            .map_err(Trouble::io("standard output cannot be written"))
    }

    /// A remark beside the result.
    ///
    /// # Errors
    /// When standard error cannot be written.
    pub fn remark(&mut self, text: &str) -> Result<(), Trouble> {
        writeln!(self.err, "{text}").map_err(Trouble::io("standard error cannot be written"))
    }

    /// # Errors
    /// When standard output cannot be written.
    pub fn json(&mut self, value: &Value) -> Result<(), Trouble> {
        self.print(&serde_json::to_string_pretty(value).unwrap_or_default())
    }

    /// The id of something new.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn made(&mut self, answer: &Value, id: &str) -> Result<(), Trouble> {
        if self.json { self.json(answer) } else { self.print(&cell(&answer[id])) }
    }

    /// One thing.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn one(&mut self, answer: &Value) -> Result<(), Trouble> {
        if self.json { self.json(answer) } else { self.print(&lines(answer)) }
    }

    /// A part of a list, as a table of these members.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn list(&mut self, answer: &Value, columns: &[&str]) -> Result<(), Trouble> {
        if self.json {
            return self.json(answer);
        }
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.print(&table(items, columns))?;
        match more(answer) {
            Some(remark) => self.remark(&remark),
            None => Ok(()),
        }
    }
}

/// What to say when the list goes on.
fn more(answer: &Value) -> Option<String> {
    if let Some(next) = answer["next"].as_str() {
        return Some(format!("there are more; --after {next} shows them"));
    }
    let page = &answer["page"];
    let (number, pages) = (page["number"].as_u64()?, page["total_pages"].as_u64()?);
    (number < pages).then(|| format!("page {number} of {pages}; --page {} shows the next", number + 1))
}

/// A value on one line; null is empty.
#[must_use]
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Object(members) => match (members.get("name"), members.get("id")) {
            (Some(Value::String(name)), _) => name.clone(),
            (_, Some(id)) => cell(id),
            (Some(_) | None, None) => value.to_string(),
        },
    }
}

/// A member, or one inside a member: `target.name`.
fn member<'v>(item: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(item, |value, name| &value[name])
}

/// Cells under their names; columns as wide as they must be.
#[must_use]
pub fn table(items: &[Value], columns: &[&str]) -> String {
    let head: Vec<String> =
        columns.iter().map(|c| c.rsplit('.').next().unwrap_or(c).replace('_', " ").to_uppercase()).collect();
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|c| short(&cell(member(item, c)))).collect()).collect();
    let width = |at: usize| rows.iter().chain([&head]).map(|row| row[at].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let lines: Vec<String> = std::iter::once(&head)
        .chain(&rows)
        .map(|row| {
            let mut line = String::new();
            for (text, width) in row.iter().zip(&widths) {
                let _ = write!(line, "{text:width$}  ");
            }
            line.trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}

fn short(text: &str) -> String {
    let line = text.replace(['\n', '\t'], " ");
    if line.chars().count() <= MAX_CELL {
        return line;
    }
    line.chars().take(MAX_CELL - 1).chain(['…']).collect()
}

/// One line per member; members of members are indented.
#[must_use]
pub fn lines(value: &Value) -> String {
    let mut text = String::new();
    indented(value, 0, &mut text);
    text.trim_end().to_owned()
}

fn indented(value: &Value, depth: usize, text: &mut String) {
    let Some(members) = value.as_object() else {
        let _ = writeln!(text, "{}", cell(value));
        return;
    };
    let width = members.keys().map(|name| name.len()).max().unwrap_or_default();
    for (name, value) in members {
        let margin = "  ".repeat(depth);
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                let _ = writeln!(text, "{margin}{name}");
                indented(value, depth + 1, text);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let _ = writeln!(text, "{margin}{name}");
                items.iter().for_each(|item| indented(item, depth + 1, text));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                let line = format!("{margin}{name:width$}  {}", cell(value));
                let _ = writeln!(text, "{}", line.trim_end());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(json: bool, print: impl FnOnce(&mut Streams<'_>)) -> (String, String) {
        let (mut out, mut err) = (vec![], vec![]);
        print(&mut Streams { out: &mut out, err: &mut err, json, watched: false });
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn something_new_prints_its_id_alone() {
        let answer = json!({"id": 7, "name": "Field sync"});
        assert_eq!(printed(false, |s| s.made(&answer, "id").unwrap()), ("7\n".into(), String::new()));
        let (whole, _) = printed(true, |s| s.made(&answer, "id").unwrap());
        assert_eq!(serde_json::from_str::<Value>(&whole).unwrap(), answer);
    }

    #[test]
    fn a_list_is_a_table_and_says_when_it_goes_on() {
        let answer = json!({
            "items": [
                {"id": 1, "target": {"id": "x", "name": "Acme"}, "email": "a@example.org"},
                {"id": 22, "target": {"id": "y", "name": null}, "email": null},
            ],
            "page": {"number": 1, "size": 2, "total_count": 5, "total_pages": 3},
        });
        let (out, err) = printed(false, |s| s.list(&answer, &["id", "target", "email"]).unwrap());
        assert_eq!(out, "ID  TARGET  EMAIL\n1   Acme    a@example.org\n22  y\n");
        assert_eq!(err, "page 1 of 3; --page 2 shows the next\n");
        let (out, err) = printed(true, |s| s.list(&answer, &["id"]).unwrap());
        assert_eq!((serde_json::from_str::<Value>(&out).unwrap(), err.as_str()), (answer, ""));
    }

    #[test]
    fn one_thing_is_lines_of_name_and_value() {
        let answer = json!({"name": "acme", "settings": {"valid_days": 7}, "scopes": ["a", "b"], "end": null});
        assert_eq!(lines(&answer), "end\nname      acme\nscopes    a,b\nsettings\n  valid_days  7");
    }

    #[test]
    fn nothing_in_a_cell_breaks_its_line() {
        let long = format!("a\nb{}", "x".repeat(100));
        let shown = table(&[json!({"m": long})], &["m"]);
        let row = shown.lines().nth(1).unwrap();
        assert_eq!((row.chars().count(), row.starts_with("a bx"), row.ends_with('…')), (60, true, true));
        assert_eq!(shown.lines().count(), 2);
    }
}
