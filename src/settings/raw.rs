//! A value before it is understood: text from a flag or a variable, or a value
//! of the file with its type.

use std::fmt::Display;
use std::str::FromStr;

/// One given value.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    Text(String),
    Toml(toml::Value),
}

impl Raw {
    /// # Errors
    /// When the file has another type there.
    pub fn text(&self) -> Result<String, String> {
        match self {
            Self::Text(text) | Self::Toml(toml::Value::String(text)) => Ok(text.clone()),
            Self::Toml(other) => Err(format!("must be a text, not {}", a(other.type_str()))),
        }
    }

    /// # Errors
    /// When the value is no whole number in the range.
    pub fn number<N>(&self, least: N, most: N) -> Result<N, String>
    where
        N: FromStr + TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let number = match self {
            Self::Text(text) => text.trim().parse::<N>().ok(),
            Self::Toml(toml::Value::Integer(number)) => N::try_from(*number).ok(),
            Self::Toml(_) => None,
        };
        number
            .filter(|n| (least..=most).contains(n))
            .ok_or_else(|| format!("must be a whole number from {least} to {most}"))
    }

    /// A list of the file, or a text with commas.
    ///
    /// # Errors
    /// When an item is no text.
    pub fn list(&self) -> Result<Vec<String>, String> {
        let items: Vec<String> = match self {
            Self::Text(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
            Self::Toml(toml::Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(|s| s.trim().to_owned()).ok_or("must be a list of texts"))
                .collect::<Result<_, _>>()?,
            Self::Toml(other) => return Err(format!("must be a list of texts, not {}", a(other.type_str()))),
        };
        Ok(items.into_iter().filter(|item| !item.is_empty()).collect())
    }
}

fn a(type_name: &str) -> String {
    let article = if type_name.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {type_name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_list_in_both_spellings() {
        let text = Raw::Text("a, b,,c".into());
        let file = Raw::Toml(toml::Value::Array(vec!["a".into(), "b".into(), "c".into()]));
        assert_eq!(text.list(), file.list());
        assert_eq!(Raw::Text(String::new()).list(), Ok(vec![]));
    }

    #[test]
    fn a_value_of_another_type_says_what_was_expected() {
        assert_eq!(Raw::Toml(toml::Value::Integer(1)).text(), Err("must be a text, not an integer".into()));
        assert_eq!(Raw::Text("many".into()).number(1_u32, 9), Err("must be a whole number from 1 to 9".into()));
        assert_eq!(
            Raw::Toml(toml::Value::Integer(-1)).number(0_u32, 9),
            Err("must be a whole number from 0 to 9".into())
        );
        assert_eq!(Raw::Toml(toml::Value::Boolean(true)).list(), Err("must be a list of texts, not a boolean".into()));
    }
}
