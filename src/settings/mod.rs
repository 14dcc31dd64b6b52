//! The settings: what the program is told, and by whom.
//!
//! Each value comes from a flag, else from the environment
//! (`INVITATION_LEDGER_*`), else from the file named by `--config`, else it is
//! the default. Everything at fault is named at once, an unknown name in the
//! file together with the nearest known one; nothing starts on half of its
//! settings. `doctor` prints what is in force and from where, secrets masked.

mod file;
mod keys;
mod nearest;
mod public_url;
mod raw;
mod secret;

pub use keys::{KEYS, Key, STORE_IN_DATA, WITH_THE_STORE};
pub use nearest::nearest;
pub use openapi::Network;
pub use raw::Raw;
pub use secret::Secret;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What every environment variable of ours begins with.
pub const ENV_PREFIX: &str = "INVITATION_LEDGER_";
/// Names the file of settings, like `--config`.
pub const CONFIG_ENV: &str = "INVITATION_LEDGER_CONFIG";
/// A file of settings is not longer than this, in bytes.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// How often one caller, recipient or tenant may cause something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Mails to one address in ten minutes.
    pub mails_per_recipient: u32,
    /// Invitations of one user in an hour.
    pub invitations_per_user: u32,
    /// Invitations of all users of one tenant in an hour.
    pub invitations_per_tenant: u32,
    /// Invitations of one application in an hour; `None` is without limit.
    pub invitations_per_application: Option<u32>,
    /// Failed log-ins of one account in fifteen minutes.
    pub log_ins_per_account: u32,
    /// Failed log-ins from one peer in fifteen minutes.
    pub log_ins_per_peer: u32,
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one peer.
    pub connections_per_peer: usize,
    /// Free bytes on the data folder's disk below which new writes are refused.
    pub min_free_bytes: u64,
}

/// All settings, resolved and checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data: PathBuf,
    /// Where the log lies: `data`, in the folder, `postgres://…` or `esdb://…`; may hold a password.
    pub store: Secret,
    /// Where sessions, limits and outbox lie: `store`, with the log (or in the folder, if the log
    /// is in EventStoreDB), `data` or `postgres://…`; may hold a password.
    pub state: Secret,
    /// Where the keys of people lie: the same.
    pub keys: Secret,
    /// Where the views are copied to for those who analyse: `data`, nowhere, or `postgres://…`;
    /// may hold a password. The service's own lie in the folder.
    pub views: Secret,
    pub listen: SocketAddr,
    /// Where the service is reached from outside: scheme, host and port, no slash at the end.
    pub public_url: String,
    /// `file`, `none`, `smtp://…`, `smtps://…` or `mandrill://…`; may hold a password.
    pub mail: Secret,
    /// Sender of all mails: `name@host` or `Name <name@host>`.
    pub mail_from: String,
    /// How long a request waits for the provider's word.
    pub mail_wait: Duration,
    /// A folder of templates that replace the built-in ones.
    pub templates: Option<PathBuf>,
    pub routes_disabled: BTreeSet<String>,
    pub services_disabled: BTreeSet<String>,
    /// Forwarded headers are believed from these networks alone.
    pub trusted_proxies: Vec<Network>,
    pub log_format: LogFormat,
    /// A filter as `tracing` reads it: `info`, `warn,delivery=debug`.
    pub log_level: String,
    pub limits: Limits,
    /// What is in force and from where, in the order of [`KEYS`].
    pub in_force: Vec<InForce>,
    /// Not wrong, but worth a line at the start.
    pub warnings: Vec<String>,
}

/// One setting as `doctor` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    pub name: &'static str,
    /// Secrets are masked.
    pub value: String,
    pub source: Source,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Flag(String),
    Environment(String),
    File(PathBuf),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFault {
    /// The setting, or the file or variable where no setting is meant.
    pub name: String,
    pub source: Source,
    pub reason: String,
}

/// Everything wrong with the settings, at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError {
    pub faults: Vec<SettingFault>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.as_slice() {
            [only] => write!(f, "setting `{}` {} ({})", only.name, only.reason, only.source),
            many => {
                write!(f, "{} settings are at fault:", many.len())?;
                many.iter().try_for_each(|x| write!(f, "\n  `{}` {} ({})", x.name, x.reason, x.source))
            }
        }
    }
}

/// What settings are read from. A value of its own, so that tests need neither
/// the process's environment nor files.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Setting name, the flag as the caller wrote it, and its value.
    pub flags: Vec<(String, String, String)>,
    /// Only names that begin with [`ENV_PREFIX`] are looked at.
    pub environment: BTreeMap<String, String>,
    /// The file's path and text.
    pub file: Option<(PathBuf, String)>,
}

impl Sources {
    /// Reads the file of settings; `flag` is `--config`, else [`CONFIG_ENV`] counts.
    ///
    /// # Errors
    /// When a file is named that cannot be read.
    pub fn read_file(&mut self, flag: Option<&Path>) -> Result<(), SettingsError> {
        let (path, source) = match (flag, self.environment.get(CONFIG_ENV)) {
            (Some(path), _) => (path.to_path_buf(), Source::Flag("--config".to_owned())),
            (None, Some(path)) => (PathBuf::from(path), Source::Environment(CONFIG_ENV.to_owned())),
            (None, None) => return Ok(()),
        };
        match file::read(&path) {
            Ok(text) => {
                self.file = Some((path, text));
                Ok(())
            }
            Err(reason) => {
                Err(SettingsError { faults: vec![SettingFault { name: path.display().to_string(), source, reason }] })
            }
        }
    }
}

impl Settings {
    /// Resolves all settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn resolve(sources: &Sources) -> Result<Self, SettingsError> {
        let mut faults = vec![];
        let in_file = file::flatten(sources.file.as_ref(), &mut faults);
        let mut values = keys::Values::default();
        let mut from = BTreeMap::new();
        for (name, flag, _) in &sources.flags {
            if keys::find(name).is_none() {
                faults.push(unknown(name, Source::Flag(flag.clone())));
            }
        }
        for key in KEYS {
            let Some((raw, source)) = given(key, sources, &in_file) else { continue };
            match (key.set)(&mut values, &raw) {
                Ok(()) => {
                    from.insert(key.name, source);
                }
                Err(reason) => faults.push(SettingFault { name: key.name.to_owned(), source, reason }),
            }
        }
        faults.extend(astray(&values, &from));
        let warnings = warnings(sources, &values);
        if faults.is_empty() { Ok(values.finish(&from, warnings)) } else { Err(SettingsError { faults }) }
    }
}

impl Settings {
    /// The database that has the state; none if the folder has it.
    #[must_use]
    pub fn state_url(&self) -> Option<&str> {
        self.url_of(&self.state)
    }

    /// The database that has the keys; none if the folder has them.
    #[must_use]
    pub fn keys_url(&self) -> Option<&str> {
        self.url_of(&self.keys)
    }

    /// The database that the views are copied to; none if they are not.
    #[must_use]
    pub fn views_url(&self) -> Option<&str> {
        (self.views.reveal() != STORE_IN_DATA).then(|| self.views.reveal())
    }

    /// Whether the log lies in EventStoreDB.
    #[must_use]
    pub fn is_in_eventstoredb(&self) -> bool {
        keys::is_eventstoredb(&self.store)
    }

    fn url_of<'s>(&'s self, place: &'s Secret) -> Option<&'s str> {
        let place = if place.reveal() == WITH_THE_STORE { &self.store } else { place };
        (place.reveal() != STORE_IN_DATA && !keys::is_eventstoredb(place)).then(|| place.reveal())
    }
}

/// State and keys lie in a database only if the log lies with a server: a log in a folder is one service's own.
fn astray(values: &keys::Values, from: &BTreeMap<&'static str, Source>) -> Vec<SettingFault> {
    if values.store.reveal() != STORE_IN_DATA {
        return vec![];
    }
    [("state", &values.state), ("keys", &values.keys)]
        .into_iter()
        .filter(|(_, place)| ![STORE_IN_DATA, WITH_THE_STORE].contains(&place.reveal()))
        .map(|(name, _)| SettingFault {
            name: name.to_owned(),
            source: from.get(name).cloned().unwrap_or(Source::Default),
            reason: "names a database, but the log lies in the folder: name a database with `store`, too".to_owned(),
        })
        .collect()
}

/// The first source that names the key wins.
fn given(key: &Key, sources: &Sources, in_file: &BTreeMap<String, toml::Value>) -> Option<(Raw, Source)> {
    // The last of several flags counts, as everywhere on a command line.
    if let Some((_, flag, value)) = sources.flags.iter().rev().find(|(name, _, _)| name == key.name) {
        return Some((Raw::Text(value.clone()), Source::Flag(flag.clone())));
    }
    let variable = key.variable();
    if let Some(value) = sources.environment.get(&variable) {
        return Some((Raw::Text(value.clone()), Source::Environment(variable)));
    }
    let (path, _) = sources.file.as_ref()?;
    in_file.get(key.name).map(|value| (Raw::Toml(value.clone()), Source::File(path.clone())))
}

fn unknown(name: &str, source: Source) -> SettingFault {
    let reason = match nearest(name, KEYS.iter().map(|k| k.name)) {
        Some(known) => format!("is no setting; did you mean `{known}`?"),
        None => "is no setting; `invitation-ledger doctor` lists them all".to_owned(),
    };
    SettingFault { name: name.to_owned(), source, reason }
}

/// Variables that other commands read and that are no settings.
const OTHER_VARIABLES: [&str; 10] = [
    CONFIG_ENV,
    "INVITATION_LEDGER_TENANT",
    "INVITATION_LEDGER_FROM",
    "INVITATION_LEDGER_FROM_DATA",
    "INVITATION_LEDGER_FROM_STATE",
    "INVITATION_LEDGER_FROM_KEYS",
    "INVITATION_LEDGER_TO",
    "INVITATION_LEDGER_TO_DATA",
    "INVITATION_LEDGER_TO_STATE",
    "INVITATION_LEDGER_TO_KEYS",
];

fn warnings(sources: &Sources, values: &keys::Values) -> Vec<String> {
    let known: BTreeSet<String> = KEYS.iter().map(Key::variable).collect();
    let mut warnings: Vec<String> = sources
        .environment
        .keys()
        .filter(|name| name.starts_with(ENV_PREFIX))
        .filter(|name| !known.contains(*name) && !OTHER_VARIABLES.contains(&name.as_str()))
        .map(|name| match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("the variable {name} is not known and was ignored; did you mean {near}?"),
            None => format!("the variable {name} is not known and was ignored"),
        })
        .collect();
    if values.public_url.is_none() && values.listen.ip().is_unspecified() {
        warnings.push(format!(
            "links in mails will say {}, which works on this machine alone; set public_url",
            public_url::of_listen(values.listen)
        ));
    }
    warnings
}

/// The default address to listen at: this machine alone.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

#[cfg(test)]
mod tests;
