use clap::Args;
use std::path::PathBuf;

/// `move`. Places are what `serve` is told with `--store`, `--state`, `--keys` and `--data`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  invitation-ledger move --from ./data --to /srv/ledger
  INVITATION_LEDGER_TO=postgres://ledger:secret@db.example/ledger invitation-ledger move --from ./data
  invitation-ledger move --config old.toml --to-config new.toml
  invitation-ledger move --from ./data --to /srv/ledger --cancel

The log is copied while the old place is in use; then the command asks to stop what serves it,
and the same command, given again, goes on and ends in the time that the rest takes. It also goes
on after it was interrupted. Without --from, the place is the one that the settings name.

A password does not belong on a command line, which every user of the machine can read: put
addresses into the environment or into the file of settings that the new service will have.")]
pub struct MoveArgs {
    /// Where the ledger is: a data folder | postgres://user:password@host:port/database | esdb://user:password@host:port
    #[arg(long, value_name = "WHERE", env = "INVITATION_LEDGER_FROM", hide_env_values = true)]
    pub from: Option<String>,
    /// The service's folder, where the log is not in it but state or keys are
    #[arg(long, value_name = "FOLDER", env = "INVITATION_LEDGER_FROM_DATA", requires = "from")]
    pub from_data: Option<PathBuf>,
    /// Where its state is: store (with the log) | data | postgres://… [default: store]
    #[arg(long, value_name = "WHERE", env = "INVITATION_LEDGER_FROM_STATE", hide_env_values = true, requires = "from")]
    pub from_state: Option<String>,
    /// Where its keys are: the same [default: store]
    #[arg(long, value_name = "WHERE", env = "INVITATION_LEDGER_FROM_KEYS", hide_env_values = true, requires = "from")]
    pub from_keys: Option<String>,
    /// Where it shall be: an empty or new folder, or an empty database
    #[arg(long, value_name = "WHERE", env = "INVITATION_LEDGER_TO", hide_env_values = true)]
    pub to: Option<String>,
    /// The new service's folder, where the log shall not be in it but state or keys shall
    #[arg(long, value_name = "FOLDER", env = "INVITATION_LEDGER_TO_DATA")]
    pub to_data: Option<PathBuf>,
    /// Where its state shall be: store (with the log) | data | postgres://… [default: store]
    #[arg(long, value_name = "WHERE", env = "INVITATION_LEDGER_TO_STATE", hide_env_values = true)]
    pub to_state: Option<String>,
    /// Where its keys shall be: the same [default: store]
    #[arg(long, value_name = "WHERE", env = "INVITATION_LEDGER_TO_KEYS", hide_env_values = true)]
    pub to_keys: Option<String>,
    /// File of settings of the new service, which name the place
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    pub to_config: Option<PathBuf>,
    /// Give the move up: the old place takes writers again, the new one never will
    #[arg(long)]
    pub cancel: bool,
}

/// One of the two places, as it was given.
#[derive(Clone, Copy, Debug)]
pub struct PlaceArgs<'a> {
    pub place: &'a str,
    pub data: Option<&'a PathBuf>,
    pub state: Option<&'a str>,
    pub keys: Option<&'a str>,
}

impl MoveArgs {
    #[must_use]
    pub fn source(&self) -> Option<PlaceArgs<'_>> {
        let (data, state, keys) = (self.from_data.as_ref(), self.from_state.as_deref(), self.from_keys.as_deref());
        self.from.as_deref().map(|place| PlaceArgs { place, data, state, keys })
    }

    #[must_use]
    pub fn target(&self) -> Option<PlaceArgs<'_>> {
        let (data, state, keys) = (self.to_data.as_ref(), self.to_state.as_deref(), self.to_keys.as_deref());
        self.to.as_deref().map(|place| PlaceArgs { place, data, state, keys })
    }
}

impl PlaceArgs<'_> {
    /// Setting, flag and value, as `serve` would be given them. `side` is `from` or `to`.
    #[must_use]
    pub fn given(&self, side: &str) -> Vec<(String, String, String)> {
        let mut given = vec![];
        let mut give = |name: &str, flag: String, value: String| given.push((name.to_owned(), flag, value));
        let (own, beside) = (format!("--{side}"), format!("--{side}-data"));
        if self.is_server() {
            give("store", own, self.place.to_owned());
            if let Some(data) = self.data {
                give("data", beside, data.display().to_string());
            }
        } else {
            give("data", own, self.place.to_owned());
        }
        for (name, value) in [("state", self.state), ("keys", self.keys)] {
            if let Some(value) = value {
                give(name, format!("--{side}-{name}"), value.to_owned());
            }
        }
        given
    }

    /// Whether the log lies with a server, and not in a folder.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.place.contains("://")
    }
}
