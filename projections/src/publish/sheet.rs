//! Rows on their way into a table of the copy: column by column, as they are bound.

use crate::error::FoldError;
use domain::{Actor, Timestamp};
use store::Column;
use uuid::Uuid;

/// What a column holds there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A list of texts, on its way as JSON.
    Words,
    /// On its way as text.
    Date,
    Id,
    Integer,
    /// On its way as µs since 1970.
    Time,
    Flag,
}

impl Kind {
    /// The array it arrives in.
    pub(super) fn array(self) -> &'static str {
        match self {
            Self::Text | Self::Words | Self::Date => "text[]",
            Self::Id => "uuid[]",
            Self::Integer | Self::Time => "bigint[]",
            Self::Flag => "boolean[]",
        }
    }

    /// What is made of it there. The server multiplies intervals in floating point, which is
    /// exact for every integer that an event can hold.
    pub(super) fn value(self, name: &str) -> String {
        match self {
            Self::Text | Self::Id | Self::Integer | Self::Flag => format!("new.{name}"),
            Self::Words => format!(
                "CASE WHEN new.{name} IS NOT NULL THEN ARRAY(SELECT json_array_elements_text(new.{name}::json)) END"
            ),
            Self::Date => format!("new.{name}::date"),
            Self::Time => format!("timestamptz 'epoch' + new.{name} * interval '1 microsecond'"),
        }
    }

    fn column(self) -> Column {
        match self {
            Self::Text | Self::Words | Self::Date => Column::Text(vec![]),
            Self::Id => Column::Ids(vec![]),
            Self::Integer | Self::Time => Column::Integers(vec![]),
            Self::Flag => Column::Flags(vec![]),
        }
    }
}

/// Takes cells one after another, in the order of its columns, row by row.
pub(super) struct Sheet {
    columns: Vec<Column>,
    at: usize,
    rows: usize,
}

/// A cell came where another kind belongs: the table's list and its reading differ.
const MISPLACED: FoldError = FoldError::Row("a cell of the copy is out of place");

impl Sheet {
    pub(super) fn of(kinds: impl Iterator<Item = Kind>) -> Self {
        Self { columns: kinds.map(Kind::column).collect(), at: 0, rows: 0 }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    fn next(&mut self) -> Option<&mut Column> {
        self.at += 1;
        self.columns.get_mut(self.at - 1)
    }

    pub(super) fn end_row(&mut self) -> Result<(), FoldError> {
        if std::mem::take(&mut self.at) != self.columns.len() {
            return Err(MISPLACED);
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn text(&mut self, value: Option<String>) -> Result<(), FoldError> {
        let Some(Column::Text(values)) = self.next() else { return Err(MISPLACED) };
        // The server's texts cannot hold it. No border of ours lets it in, either.
        values.push(value.map(|text| if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }));
        Ok(())
    }

    pub(super) fn word(&mut self, value: &str) -> Result<(), FoldError> {
        self.text(Some(value.to_owned()))
    }

    pub(super) fn words(&mut self, value: Option<Vec<String>>) -> Result<(), FoldError> {
        let plain = |words: Vec<String>| words.into_iter().map(|word| word.replace('\0', "\u{fffd}")).collect();
        let json = value.map(|words| serde_json::to_string(&plain(words) as &Vec<String>));
        self.text(json.transpose().map_err(|_| FoldError::Row("a list of words"))?)
    }

    /// `YYYY-MM-DD`; one that is not in the calendar is null.
    pub(super) fn date(&mut self, value: Option<String>) -> Result<(), FoldError> {
        self.text(value.filter(|day| day.len() == 10 && Timestamp::parse(&format!("{day}T00:00:00Z")).is_some()))
    }

    pub(super) fn id(&mut self, value: Option<Uuid>) -> Result<(), FoldError> {
        let Some(Column::Ids(values)) = self.next() else { return Err(MISPLACED) };
        values.push(value);
        Ok(())
    }

    pub(super) fn integer(&mut self, value: Option<i64>) -> Result<(), FoldError> {
        let Some(Column::Integers(values)) = self.next() else { return Err(MISPLACED) };
        values.push(value);
        Ok(())
    }

    pub(super) fn time(&mut self, value: Option<Timestamp>) -> Result<(), FoldError> {
        self.integer(value.map(|at| at.0))
    }

    pub(super) fn flag(&mut self, value: bool) -> Result<(), FoldError> {
        let Some(Column::Flags(values)) = self.next() else { return Err(MISPLACED) };
        values.push(Some(value));
        Ok(())
    }

    /// Two columns: which kind of caller, and which one.
    pub(super) fn actor(&mut self, value: Option<Actor>) -> Result<(), FoldError> {
        let (word, id) = match value {
            None => (None, None),
            Some(Actor::User(id)) => (Some("user"), Some(id)),
            Some(Actor::Application(id)) => (Some("application"), Some(id)),
            Some(Actor::Deployment) => (Some("deployment"), None),
            Some(Actor::System) => (Some("system"), None),
            Some(Actor::Visitor) => (Some("visitor"), None),
        };
        self.text(word.map(str::to_owned))?;
        self.id(id)
    }
}
