//! Mails as they lie in the outbox folder.

use std::path::Path;

#[derive(Clone, Debug)]
pub struct Letter {
    /// The recipient's address.
    pub to: String,
    pub subject: String,
    pub message_id: String,
    /// The whole file.
    pub text: String,
}

impl Letter {
    pub fn read_all(folder: &Path) -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
        let paths = entries.map(|entry| entry.unwrap().path());
        let mails = paths.filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
        mails.map(|path| Self::read(&String::from_utf8(std::fs::read(path).unwrap()).unwrap())).collect()
    }

    fn read(text: &str) -> Self {
        let header = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().to_owned()
        };
        let to = header("To").trim_matches(['<', '>']).to_owned();
        Self { to, subject: header("Subject"), message_id: header("Message-ID"), text: text.to_owned() }
    }

    /// The link's path and its secret: `/i/{link}`, `{secret}`.
    #[track_caller]
    pub fn link(&self) -> (String, String) {
        let line = self.text.lines().find(|line| line.contains("/i/")).expect("a link on a line of its own");
        let (_, rest) = line.trim().split_once("/i/").unwrap();
        let (link, secret) = rest.split_once('#').expect("a secret after the link");
        (format!("/i/{link}"), secret.to_owned())
    }
}
