//! The table of settings: their names, what they mean, how they are read and
//! shown. Adding a setting is adding a row here and a member to `Settings`.

use super::{
    DEFAULT_LISTEN, ENV_PREFIX, InForce, Limits, LogFormat, Network, Raw, Secret, Settings, Source, public_url,
};
use domain::Address;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One setting.
pub struct Key {
    /// Its name in the file (tables become dots) and for `--set`.
    pub name: &'static str,
    pub help: &'static str,
    pub(super) set: fn(&mut Values, &Raw) -> Result<(), String>,
    pub(super) show: fn(&Settings) -> String,
}

impl Key {
    /// `limits.invitations_per_user` is `INVITATION_LEDGER_LIMITS_INVITATIONS_PER_USER`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.replace('.', "_").to_ascii_uppercase())
    }
}

pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Settings while they are being read: what hangs on others is still open.
pub(super) struct Values {
    pub data: PathBuf,
    pub store: Secret,
    pub state: Secret,
    pub keys: Secret,
    pub views: Secret,
    pub listen: SocketAddr,
    pub public_url: Option<String>,
    pub mail: Secret,
    pub mail_from: Option<String>,
    pub mail_wait: Duration,
    pub templates: Option<PathBuf>,
    pub routes_disabled: BTreeSet<String>,
    pub services_disabled: BTreeSet<String>,
    pub trusted_proxies: Vec<Network>,
    pub log_format: LogFormat,
    pub log_level: String,
    pub limits: Limits,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./data"),
            store: Secret::new(STORE_IN_DATA),
            state: Secret::new(WITH_THE_STORE),
            keys: Secret::new(WITH_THE_STORE),
            views: Secret::new(STORE_IN_DATA),
            listen: DEFAULT_LISTEN,
            public_url: None,
            mail: Secret::new("file"),
            mail_from: None,
            mail_wait: Duration::from_secs(10),
            templates: None,
            routes_disabled: BTreeSet::new(),
            services_disabled: BTreeSet::new(),
            trusted_proxies: vec![],
            log_format: LogFormat::Text,
            log_level: "info".to_owned(),
            limits: Limits {
                mails_per_recipient: 10,
                invitations_per_user: 250,
                invitations_per_tenant: 10_000,
                invitations_per_application: None,
                log_ins_per_account: 10,
                log_ins_per_peer: 50,
                connections: 10_000,
                connections_per_peer: 1_000,
                min_free_bytes: 64 * 1024 * 1024,
            },
        }
    }
}

impl Values {
    pub(super) fn finish(self, from: &BTreeMap<&'static str, Source>, warnings: Vec<String>) -> Settings {
        let public_url = self.public_url.unwrap_or_else(|| public_url::of_listen(self.listen));
        let mail_from = self
            .mail_from
            .unwrap_or_else(|| format!("Invitation Ledger <invitations@{}>", public_url::mail_host(&public_url)));
        let mut settings = Settings {
            data: self.data,
            store: self.store,
            state: self.state,
            keys: self.keys,
            views: self.views,
            listen: self.listen,
            public_url,
            mail: self.mail,
            mail_from,
            mail_wait: self.mail_wait,
            templates: self.templates,
            routes_disabled: self.routes_disabled,
            services_disabled: self.services_disabled,
            trusted_proxies: self.trusted_proxies,
            log_format: self.log_format,
            log_level: self.log_level,
            limits: self.limits,
            in_force: vec![],
            warnings,
        };
        settings.in_force = KEYS
            .iter()
            .map(|key| InForce {
                name: key.name,
                value: (key.show)(&settings),
                source: from.get(key.name).cloned().unwrap_or(Source::Default),
            })
            .collect();
        settings
    }
}

const MOST: u32 = 1_000_000_000;
/// The log lies in the data folder.
pub const STORE_IN_DATA: &str = "data";
/// State or keys lie where the log does.
pub const WITH_THE_STORE: &str = "store";

/// Every setting there is.
pub const KEYS: &[Key] = &[
    Key {
        name: "data",
        help: "folder of the ledger",
        set: |v, raw| not_blank(raw).map(|text| v.data = PathBuf::from(text)),
        show: |s| s.data.display().to_string(),
    },
    Key {
        name: "store",
        help: "where the log lies: data (the folder) | postgres://user:password@host:port/database | esdb://user:password@host:port",
        set: |v, raw| store(&raw.text()?).map(|store| v.store = store),
        show: |s| s.store.masked(),
    },
    Key {
        name: "state",
        help: "where sessions, limits and outbox lie: store (with the log; in the folder if that is esdb) | data | postgres://…",
        set: |v, raw| beside(&raw.text()?).map(|place| v.state = place),
        show: |s| s.state.masked(),
    },
    Key {
        name: "keys",
        help: "where the keys of people lie: store (with the log; in the folder if that is esdb) | data | postgres://…",
        set: |v, raw| beside(&raw.text()?).map(|place| v.keys = place),
        show: |s| s.keys.masked(),
    },
    Key {
        name: "views",
        help: "where the views are copied to for those who analyse: data (nowhere) | postgres://…",
        set: |v, raw| copied(&raw.text()?).map(|place| v.views = place),
        show: |s| s.views.masked(),
    },
    Key {
        name: "listen",
        help: "address and port to listen at",
        set: |v, raw| listen(&raw.text()?).map(|address| v.listen = address),
        show: |s| s.listen.to_string(),
    },
    Key {
        name: "public_url",
        help: "where people reach the service: links in mails begin with it",
        set: |v, raw| public_url::parse(&raw.text()?).map(|url| v.public_url = Some(url)),
        show: |s| s.public_url.clone(),
    },
    Key {
        name: "mail",
        help: "file | none | smtp://user:password@host:port | smtps://… | mandrill://KEY",
        set: |v, raw| mail(&raw.text()?).map(|mail| v.mail = mail),
        show: |s| s.mail.masked(),
    },
    Key {
        name: "mail_from",
        help: "sender of all mails: name@host or Name <name@host>",
        set: |v, raw| sender(&raw.text()?).map(|from| v.mail_from = Some(from)),
        show: |s| s.mail_from.clone(),
    },
    Key {
        name: "mail_wait_seconds",
        help: "how long a request waits for the mail provider's word",
        set: |v, raw| raw.number(1_u64, 60).map(|n| v.mail_wait = Duration::from_secs(n)),
        show: |s| s.mail_wait.as_secs().to_string(),
    },
    Key {
        name: "templates",
        help: "folder of mail templates that replace the built-in ones",
        set: |v, raw| not_blank(raw).map(|text| v.templates = Some(PathBuf::from(text))),
        show: |s| s.templates.as_ref().map_or_else(|| "built in".to_owned(), |p| p.display().to_string()),
    },
    Key {
        name: "routes.disabled",
        help: "routes of the envelope dialect that are switched off here",
        set: |v, raw| names(raw).map(|names| v.routes_disabled = names),
        show: |s| listed(s.routes_disabled.iter()),
    },
    Key {
        name: "services.disabled",
        help: "services of the envelope dialect that are switched off here",
        set: |v, raw| names(raw).map(|names| v.services_disabled = names),
        show: |s| listed(s.services_disabled.iter()),
    },
    Key {
        name: "trusted_proxies",
        help: "networks whose forwarded headers are believed",
        set: |v, raw| networks(raw).map(|networks| v.trusted_proxies = networks),
        show: |s| listed(s.trusted_proxies.iter()),
    },
    Key {
        name: "log.format",
        help: "text | json",
        set: |v, raw| log_format(&raw.text()?).map(|format| v.log_format = format),
        show: |s| match s.log_format {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        },
    },
    Key {
        name: "log.level",
        help: "error | warn | info | debug | trace, also by room: warn,delivery=debug",
        set: |v, raw| log_level(&raw.text()?).map(|level| v.log_level = level),
        show: |s| s.log_level.clone(),
    },
    Key {
        name: "limits.mails_per_recipient",
        help: "mails to one address in ten minutes",
        set: |v, raw| raw.number(1, MOST).map(|n| v.limits.mails_per_recipient = n),
        show: |s| s.limits.mails_per_recipient.to_string(),
    },
    Key {
        name: "limits.invitations_per_user",
        help: "invitations of one user in an hour",
        set: |v, raw| raw.number(0, MOST).map(|n| v.limits.invitations_per_user = n),
        show: |s| s.limits.invitations_per_user.to_string(),
    },
    Key {
        name: "limits.invitations_per_tenant",
        help: "invitations of all users of one tenant in an hour",
        set: |v, raw| raw.number(0, MOST).map(|n| v.limits.invitations_per_tenant = n),
        show: |s| s.limits.invitations_per_tenant.to_string(),
    },
    Key {
        name: "limits.invitations_per_application",
        help: "invitations of one application in an hour, or `unlimited`",
        set: |v, raw| unlimited(raw).map(|n| v.limits.invitations_per_application = n),
        show: |s| s.limits.invitations_per_application.map_or_else(|| "unlimited".to_owned(), |n| n.to_string()),
    },
    Key {
        name: "limits.log_ins_per_account",
        help: "failed log-ins of one account in fifteen minutes",
        set: |v, raw| raw.number(1, MOST).map(|n| v.limits.log_ins_per_account = n),
        show: |s| s.limits.log_ins_per_account.to_string(),
    },
    Key {
        name: "limits.log_ins_per_peer",
        help: "failed log-ins from one peer in fifteen minutes",
        set: |v, raw| raw.number(1, MOST).map(|n| v.limits.log_ins_per_peer = n),
        show: |s| s.limits.log_ins_per_peer.to_string(),
    },
    Key {
        name: "limits.connections",
        help: "open connections in all",
        set: |v, raw| raw.number(1_u32, 1_000_000).map(|n| v.limits.connections = n as usize),
        show: |s| s.limits.connections.to_string(),
    },
    Key {
        name: "limits.connections_per_peer",
        help: "open connections of one peer",
        set: |v, raw| raw.number(1_u32, 1_000_000).map(|n| v.limits.connections_per_peer = n as usize),
        show: |s| s.limits.connections_per_peer.to_string(),
    },
    Key {
        name: "limits.min_free_bytes",
        help: "free bytes on the disk below which new writes are refused",
        set: |v, raw| raw.number(0_u64, 1 << 50).map(|n| v.limits.min_free_bytes = n),
        show: |s| s.limits.min_free_bytes.to_string(),
    },
];

fn not_blank(raw: &Raw) -> Result<String, String> {
    let text = raw.text()?;
    if text.trim().is_empty() { Err("is blank".to_owned()) } else { Ok(text) }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    let spelled = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let spelled = spelled.unwrap_or_else(|| text.to_owned());
    spelled.parse().map_err(|_| format!("must be an address and a port like 127.0.0.1:8080, not `{text}`"))
}

/// Whether the place is one of EventStoreDB, which has nothing but the log: state and keys are no streams.
pub(super) fn is_eventstoredb(place: &Secret) -> bool {
    place.reveal().starts_with("esdb")
}

/// The shape alone; the store reads the rest. The value may hold a password, so no
/// reason repeats it.
fn beside(text: &str) -> Result<Secret, String> {
    if text == WITH_THE_STORE {
        return Ok(Secret::new(text));
    }
    let kept = store(text).ok().filter(|place| !is_eventstoredb(place));
    kept.ok_or_else(|| "must be store, data or postgres://user:password@host:port/database".to_owned())
}

fn copied(text: &str) -> Result<Secret, String> {
    let kept = store(text).ok().filter(|place| !is_eventstoredb(place));
    kept.ok_or_else(|| "must be data or postgres://user:password@host:port/database".to_owned())
}

fn store(text: &str) -> Result<Secret, String> {
    let known = |scheme| matches!(scheme, "postgres" | "postgresql" | "esdb" | "esdb+discover");
    let server = text.split_once("://").is_some_and(|(scheme, rest)| known(scheme) && !rest.is_empty());
    if server || text == STORE_IN_DATA {
        Ok(Secret::new(text))
    } else {
        Err("must be data, postgres://user:password@host:port/database or esdb://user:password@host:port".to_owned())
    }
}

/// The shape alone; the delivery room reads the rest. The value may hold a
/// password, so no reason repeats it.
fn mail(text: &str) -> Result<Secret, String> {
    let known = match text.split_once("://") {
        None => matches!(text, "file" | "none"),
        Some(("smtp" | "smtps" | "mandrill", rest)) => !rest.is_empty(),
        Some(_) => false,
    };
    if known {
        Ok(Secret::new(text))
    } else {
        Err("must be file, none, smtp://user:password@host:port, smtps://… or mandrill://KEY".to_owned())
    }
}

fn sender(text: &str) -> Result<String, String> {
    let (name, address) = match text.strip_suffix('>').and_then(|t| t.rsplit_once('<')) {
        Some((name, address)) => (name.trim(), address),
        None => ("", text),
    };
    Address::parse(address).map_err(|reason| format!("{reason}, but must be name@host or Name <name@host>"))?;
    domain::text::line(name, domain::text::MAX_TEXT)?;
    if name.contains(['"', '<', '>', ',', ';', '\\']) {
        return Err("has a name with quotes or brackets".to_owned());
    }
    Ok(if name.is_empty() { address.to_owned() } else { format!("{name} <{address}>") })
}

fn names(raw: &Raw) -> Result<BTreeSet<String>, String> {
    let names = raw.list()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | ':');
    match names.iter().find(|name| !name.chars().all(plain)) {
        Some(name) => Err(format!("names `{name}`, which is no route or service")),
        None => Ok(names.into_iter().collect()),
    }
}

fn networks(raw: &Raw) -> Result<Vec<Network>, String> {
    raw.list()?.iter().map(|text| text.parse()).collect()
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("must be text or json, not `{text}`")),
    }
}

fn log_level(text: &str) -> Result<String, String> {
    match text.parse::<tracing_subscriber::filter::targets::Targets>() {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        Ok(_) | Err(_) => {
            Err(format!("must be error, warn, info, debug or trace, also by room (warn,delivery=debug), not `{text}`"))
        }
    }
}

fn unlimited(raw: &Raw) -> Result<Option<u32>, String> {
    if raw.text().is_ok_and(|text| text == "unlimited") {
        return Ok(None);
    }
    raw.number(0, MOST).map(Some).map_err(|reason| format!("{reason}, or `unlimited`"))
}

fn listed<T: ToString>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
