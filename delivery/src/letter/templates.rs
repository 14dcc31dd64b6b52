//! The words of mails: per occasion a folder of three templates, embedded, and
//! replaceable by files of the same layout.
//!
//! Promise: what passed [`Templates::load`] renders for every mail. All are
//! rendered with sample data at the start, and every fault is named at once.

use super::wrap;
use crate::error::{DeliveryError, TemplateFault};
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use std::path::Path;

/// Characters of a subject at most; longer ones are cut.
const MAX_SUBJECT: usize = 200;
/// Bytes of a template file at most.
const MAX_TEMPLATE: u64 = 64 * 1024;

/// Why somebody is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    Organization,
    Integration,
    Platform,
    AccountNotice,
    EmailChangedOld,
    EmailChangedNew,
}

const PARTS: [&str; 3] = ["subject.txt", "body.txt", "body.html"];

macro_rules! built_in {
    ($($occasion:ident $folder:literal),* $(,)?) => {
        impl Occasion {
            const ALL: &[Self] = &[$(Self::$occasion),*];

            /// The folder of its templates.
            pub fn folder(self) -> &'static str {
                match self { $(Self::$occasion => $folder),* }
            }

            /// In the order of [`PARTS`].
            fn built_in(self) -> [&'static str; 3] {
                match self {
                    $(Self::$occasion => [
                        include_str!(concat!("../../templates/", $folder, "/subject.txt")),
                        include_str!(concat!("../../templates/", $folder, "/body.txt")),
                        include_str!(concat!("../../templates/", $folder, "/body.html")),
                    ]),*
                }
            }
        }
    };
}

built_in! {
    Organization "organization",
    Integration "integration",
    Platform "platform",
    AccountNotice "account_notice",
    EmailChangedOld "email_changed_old",
    EmailChangedNew "email_changed_new",
}

impl Occasion {
    fn has_link(self) -> bool {
        match self {
            Self::Organization | Self::Integration | Self::Platform | Self::AccountNotice => true,
            Self::EmailChangedOld | Self::EmailChangedNew => false,
        }
    }
}

/// What templates may say. All members are there in every mail; those that do
/// not apply are none.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Words {
    /// Where the service is, without scheme: its name for people.
    pub service: String,
    /// Of the organization or integration, or where the account is.
    pub target: String,
    pub inviter: Option<String>,
    /// `a member`, `an administrator`.
    pub role: Option<&'static str>,
    /// Of the person written to.
    pub name: Option<String>,
    pub link: Option<String>,
    /// A time in words, UTC.
    pub expires: Option<String>,
    pub changed: Option<String>,
    /// The inviter's own words, line by line.
    pub message: Vec<String>,
}

/// The three parts of a mail, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

pub(crate) struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    /// The built-in templates, with the files of `folder` in their places.
    ///
    /// # Errors
    /// Every fault of every template.
    pub fn load(folder: Option<&Path>) -> Result<Self, DeliveryError> {
        let mut faults = vec![];
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_formatter(format_value);
        for occasion in Occasion::ALL {
            for (part, built_in) in PARTS.iter().zip(occasion.built_in()) {
                let name = format!("{}/{part}", occasion.folder());
                let source = match replaced(folder, &name) {
                    Ok(source) => source.unwrap_or_else(|| built_in.to_owned()),
                    Err(what) => {
                        faults.push(TemplateFault { file: name, line: None, what });
                        continue;
                    }
                };
                if let Err(error) = environment.add_template_owned(name.clone(), source) {
                    faults.push(fault(name, &error));
                }
            }
        }
        if let Some(folder) = folder {
            faults.extend(strangers(folder)?);
        }
        let templates = Self { environment };
        for occasion in Occasion::ALL {
            for words in [sample(), bare_sample()] {
                templates.check(*occasion, words, &mut faults);
            }
        }
        faults.dedup();
        if faults.is_empty() { Ok(templates) } else { Err(DeliveryError::Templates(faults)) }
    }

    /// # Errors
    /// The first fault of the three parts.
    pub fn render(&self, occasion: Occasion, words: &Words) -> Result<Rendered, TemplateFault> {
        let part = |part: &str| {
            let name = format!("{}/{part}", occasion.folder());
            self.environment.get_template(&name).and_then(|t| t.render(words)).map_err(|error| fault(name, &error))
        };
        let subject = part(PARTS[0])?;
        let subject: String = super::one_line(&subject).chars().take(MAX_SUBJECT).collect();
        Ok(Rendered { subject, text: wrap::lines(&part(PARTS[1])?), html: part(PARTS[2])? })
    }

    fn check(&self, occasion: Occasion, mut words: Words, faults: &mut Vec<TemplateFault>) {
        words.link = words.link.filter(|_| occasion.has_link());
        for part in PARTS {
            let name = format!("{}/{part}", occasion.folder());
            // A template that did not parse is named already.
            let Ok(template) = self.environment.get_template(&name) else { continue };
            let what = match template.render(&words) {
                Err(error) => {
                    push(faults, fault(name, &error));
                    continue;
                }
                Ok(text) => broken_rule(part, &text, words.link.as_deref()),
            };
            if let Some(what) = what {
                push(faults, TemplateFault { file: name, line: None, what: what.to_owned() });
            }
        }
    }
}

fn push(faults: &mut Vec<TemplateFault>, fault: TemplateFault) {
    if !faults.contains(&fault) {
        faults.push(fault);
    }
}

/// What a template must keep to, whatever its words.
fn broken_rule(part: &str, text: &str, link: Option<&str>) -> Option<&'static str> {
    if text.trim().is_empty() {
        return Some("it renders to nothing");
    }
    if part == "subject.txt" {
        return (text.trim().lines().count() > 1).then_some("a subject is one line");
    }
    let link = link?;
    if part == "body.txt" {
        let alone = text.lines().any(|line| line == link);
        return (!alone).then_some("{{ link }} must stand alone on a line");
    }
    (!text.contains(&format!("href=\"{link}\""))).then_some("{{ link }} must stand in an href=\"…\"")
}

fn fault(file: String, error: &minijinja::Error) -> TemplateFault {
    let mut what = error.kind().to_string();
    if let Some(detail) = error.detail() {
        what = format!("{what}: {detail}");
    }
    TemplateFault { file, line: error.line(), what }
}

/// The file that replaces a template, if there is one.
fn replaced(folder: Option<&Path>, name: &str) -> Result<Option<String>, String> {
    let Some(path) = folder.map(|f| f.join(name)) else { return Ok(None) };
    let size = match std::fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("it cannot be read: {error}")),
    };
    if size > MAX_TEMPLATE {
        return Err(format!("it is longer than {MAX_TEMPLATE} bytes"));
    }
    std::fs::read_to_string(&path).map(Some).map_err(|error| format!("it cannot be read: {error}"))
}

/// Files that replace nothing: a name written wrong would else go unnoticed.
fn strangers(folder: &Path) -> Result<Vec<TemplateFault>, DeliveryError> {
    let failed = |source| DeliveryError::TemplateFolder { folder: folder.to_owned(), source };
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let known = Occasion::ALL.iter().any(|o| o.folder() == name);
        if !known && !name.starts_with('.') && entry.file_type().map_err(failed)?.is_dir() {
            let what = "no mail has this name".to_owned();
            found.push(TemplateFault { file: format!("{name}/"), line: None, what });
        }
        if !known {
            continue;
        }
        for file in std::fs::read_dir(entry.path()).map_err(failed)? {
            let file = file.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if !PARTS.contains(&file.as_str()) && !file.starts_with('.') {
                let what = format!("a mail consists of {}", PARTS.join(", "));
                found.push(TemplateFault { file: format!("{name}/{file}"), line: None, what });
            }
        }
    }
    found.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(found)
}

/// Autoescape for HTML, leaving `/` alone so that links stay readable; text is as it is.
fn format_value(
    out: &mut minijinja::Output<'_>,
    state: &minijinja::State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let text = value.as_str().filter(|_| !value.is_safe() && matches!(state.auto_escape(), AutoEscape::Html));
    match text {
        Some(text) => Ok(out.write_str(&escape(text))?),
        None => minijinja::escape_formatter(out, state, value),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Everything a mail can have.
fn sample() -> Words {
    Words {
        inviter: Some("Jane Mead".to_owned()),
        name: Some("John Doe".to_owned()),
        message: vec!["Welcome!".to_owned()],
        ..bare_sample()
    }
}

/// Only what every mail has.
fn bare_sample() -> Words {
    Words {
        service: "invitations.example".to_owned(),
        target: "Acme".to_owned(),
        role: Some("a member"),
        link: Some("https://invitations.example/i/00000000-0000-4000-8000-000000000000#00ff".to_owned()),
        expires: Some("Tuesday, 30 November 2021, 14:38 UTC".to_owned()),
        changed: Some("Tuesday, 23 November 2021, 14:38 UTC".to_owned()),
        ..Words::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_text_in_html_too() {
        let templates = Templates::load(None).unwrap();
        let words = Words {
            inviter: Some("<b>Mallory</b>".to_owned()),
            message: vec!["<a href='x'>".to_owned()],
            ..bare_sample()
        };
        let mail = templates.render(Occasion::Organization, &words).unwrap();
        assert_eq!(mail.subject, "<b>Mallory</b> invites you to join Acme");
        assert!(!mail.html.contains("<b>") && !mail.html.contains("<a href='x'>"), "{}", mail.html);
        assert!(mail.html.contains("&lt;a href=&#39;x&#39;&gt;<br>"), "{}", mail.html);
        assert!(mail.text.ends_with("> <a href='x'>\n"), "{}", mail.text);
    }

    #[test]
    fn every_fault_of_every_file_is_named_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("organization/subject.txt", "{{ organisation }}");
        write("platform/body.txt", "one\n{% if %}");
        write("integration/body.txt", "Look here: {{ link }}");
        write("integration/subject.txt", "two\nlines");
        write("integration/body.htm", "x");
        write("organisation/body.txt", "x");
        let Err(DeliveryError::Templates(faults)) = Templates::load(Some(folder.path())) else {
            panic!("the templates passed");
        };
        let named: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            named,
            [
                "platform/body.txt:2: syntax error: unexpected end of block",
                "integration/body.htm: a mail consists of subject.txt, body.txt, body.html",
                "organisation/: no mail has this name",
                "organization/subject.txt:1: undefined value",
                "integration/subject.txt: a subject is one line",
                "integration/body.txt: {{ link }} must stand alone on a line",
            ]
        );
    }

    #[test]
    fn a_file_replaces_one_part_and_leaves_the_others() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("platform")).unwrap();
        std::fs::write(folder.path().join("platform/subject.txt"), "Komm zu {{ target }}\n").unwrap();
        let templates = Templates::load(Some(folder.path())).unwrap();
        let mail = templates.render(Occasion::Platform, &bare_sample()).unwrap();
        assert_eq!(mail.subject, "Komm zu Acme");
        assert!(mail.text.contains("You are invited to open an account at Acme."), "{}", mail.text);
    }
}
