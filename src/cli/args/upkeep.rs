use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `serve`. Each flag is a setting; the rest can be set with `--set`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  invitation-ledger serve
  invitation-ledger serve --listen 0.0.0.0:8080 --public-url https://invite.example \\
      --mail smtp://user:password@mail.example:587 --mail-from 'Acme <invitations@acme.example>'

Each setting can also stand in the environment (INVITATION_LEDGER_LISTEN, …) or in the file
named by --config (listen = \"127.0.0.1:8080\"). A password does not belong on a command line,
which every user of the machine can read: put `mail`, `store`, `state`, `keys`
and `views` into the file or the environment, where the other commands find them too.")]
pub struct ServeArgs {
    /// Address and port to listen at [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Where the log lies: data | postgres://user:password@host:port/database | esdb://user:password@host:port [default: data]
    #[arg(long, value_name = "WHERE")]
    pub store: Option<String>,
    /// Where sessions, limits and outbox lie: store (with the log; in the folder if that is esdb) | data | postgres://… [default: store]
    #[arg(long, value_name = "WHERE")]
    pub state: Option<String>,
    /// Where the keys of people lie: store (with the log; in the folder if that is esdb) | data | postgres://… [default: store]
    #[arg(long, value_name = "WHERE")]
    pub keys: Option<String>,
    /// Where the views are copied to for those who analyse: data (nowhere) | postgres://… [default: data]
    #[arg(long, value_name = "WHERE")]
    pub views: Option<String>,
    /// Where people reach the service; links in mails begin with it [default: the listen address]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// file | none | smtp://user:password@host:port | smtps://… | mandrill://KEY [default: file]
    #[arg(long, value_name = "HOW")]
    pub mail: Option<String>,
    /// Sender of all mails
    #[arg(long, value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// Folder of mail templates that replace the built-in ones
    #[arg(long, value_name = "FOLDER")]
    pub templates: Option<String>,
    /// text | json
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// error | warn | info | debug | trace, also by room: warn,delivery=debug
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

impl ServeArgs {
    /// Setting, flag and value of each flag given.
    #[must_use]
    pub fn given(&self) -> Vec<(&'static str, &'static str, String)> {
        let all = [
            ("listen", "--listen", &self.listen),
            ("store", "--store", &self.store),
            ("state", "--state", &self.state),
            ("keys", "--keys", &self.keys),
            ("views", "--views", &self.views),
            ("public_url", "--public-url", &self.public_url),
            ("mail", "--mail", &self.mail),
            ("mail_from", "--mail-from", &self.mail_from),
            ("templates", "--templates", &self.templates),
            ("log.format", "--log-format", &self.log_format),
            ("log.level", "--log-level", &self.log_level),
        ];
        all.into_iter().filter_map(|(name, flag, value)| Some((name, flag, value.clone()?))).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DialectArg {
    Envelope,
    Platform,
    Jsonapi,
    Operator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MailStateArg {
    Queued,
    Sending,
    Dead,
}

#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// List mails, oldest first
    #[command(after_help = "Example:\n  invitation-ledger outbox list --state dead")]
    List {
        /// Only mails that stand so
        #[arg(long)]
        state: Option<MailStateArg>,
        /// Mails at most, up to 1000
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u64,
        /// Begin after the mail of this id
        #[arg(long, value_name = "ID")]
        after: Option<String>,
    },
    /// Send a mail again: at once if it waits, queued again if it was given up
    Retry { id: String },
    /// Give a mail up for good
    Abandon { id: String },
}

#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Show the newest events, oldest of them first
    #[command(after_help = "Example:\n  invitation-ledger log tail -n 20 --follow")]
    Tail {
        /// How many, up to 1000
        #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 20)]
        lines: u64,
        /// Go on with what is written from now on, until interrupted
        #[arg(short, long)]
        follow: bool,
        /// With personal data in clear
        #[arg(long)]
        personal: bool,
    },
    /// Show one event, whole
    Show {
        position: u64,
        /// With personal data in clear
        #[arg(long)]
        personal: bool,
    },
    /// Write events as JSON, one a line, to a new file or to standard output
    #[command(after_help = "Example:\n  invitation-ledger log export ledger.ndjson")]
    Export {
        /// A file that does not exist yet; standard output when it is missing or `-`
        file: Option<PathBuf>,
        /// From the event after this position
        #[arg(long, value_name = "POSITION", default_value_t = 0)]
        after: u64,
        /// Up to this position; the end as it is now when it is missing
        #[arg(long, value_name = "POSITION")]
        to: Option<u64>,
        /// With personal data in clear
        #[arg(long)]
        personal: bool,
    },
}
