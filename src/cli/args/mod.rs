//! The command line: every command, flag and help text.

mod directory;
mod invitation;
mod moving;
mod people;
mod upkeep;

pub use directory::{IntegrationCommand, MemberCommand, OrganizationCommand, RoleArg, TenantCommand};
pub use invitation::{InvitationCommand, KindArg};
pub use moving::{MoveArgs, PlaceArgs};
pub use people::{ApplicationCommand, Clearable, EmployeeCommand, EmployeeFields, PrintArg, UserCommand};
pub use upkeep::{DialectArg, LogCommand, MailStateArg, OutboxCommand, ServeArgs};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Invitations by e-mail, and the employee records beside them, as an event-sourced ledger.
#[derive(Debug, Parser)]
#[command(
    name = "invitation-ledger",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  invitation-ledger serve --data ./data --listen 127.0.0.1:8080
  ORG=$(invitation-ledger organization create --name \"Acme Roofing\")
  TOKEN=$(invitation-ledger application create --name shop --scopes invites --print token)
  invitation-ledger invitation create --organization \"$ORG\" --email john@example.org

While a server runs on the data folder, commands go through it; otherwise they open the folder
themselves, and mail waits for the next `serve`. Creating prints the new id, so that it can be
kept in a variable; --json prints everything.

Exit codes: 0 done, 1 refused, 2 usage, 70 internal, 74 input or output."
)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// Folder of the ledger [default: ./data]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Everywhere")]
    pub data: Option<PathBuf>,
    /// File of settings, TOML; also INVITATION_LEDGER_CONFIG
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Option<PathBuf>,
    /// Any setting by its name, e.g. --set limits.invitations_per_user=500; `doctor` lists them
    #[arg(long = "set", global = true, value_name = "NAME=VALUE", help_heading = "Everywhere")]
    pub set: Vec<String>,
    /// The tenant a command is for [default: default]; also INVITATION_LEDGER_TENANT
    #[arg(long, global = true, value_name = "NAME", env = "INVITATION_LEDGER_TENANT", help_heading = "Everywhere")]
    pub tenant: Option<String>,
    /// Print JSON, whole
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
}

/// Which part of a list.
#[derive(Args, Clone, Copy, Debug)]
pub struct Paging {
    /// Which page, from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub page: u64,
    /// Rows of a page, at most 100
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub size: u64,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the HTTP interfaces and send mail, until stopped
    Serve(ServeArgs),
    /// Tenants, the units of isolation, and their settings
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Organizations that people are invited to, and their members
    #[command(subcommand)]
    Organization(OrganizationCommand),
    /// Integrations that people are invited to
    #[command(subcommand)]
    Integration(IntegrationCommand),
    /// Employees' records
    #[command(subcommand)]
    Employee(EmployeeCommand),
    /// People's accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Programs that call with a token of their own
    #[command(subcommand)]
    Application(ApplicationCommand),
    /// Invitations
    #[command(subcommand)]
    Invitation(InvitationCommand),
    /// Mails that are waiting, under way, or given up
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// The log: every event, as it was written
    #[command(subcommand)]
    Log(LogCommand),
    /// Rebuild the views from the log; the live ones answer meanwhile
    #[command(after_help = "Example:\n  invitation-ledger rebuild")]
    Rebuild {
        /// One view; all of them when it is missing
        view: Option<String>,
    },
    /// Print the OpenAPI document of an HTTP interface
    #[command(after_help = "Example:\n  invitation-ledger openapi jsonapi > jsonapi.json")]
    Openapi { dialect: DialectArg },
    /// Copy ledger, state and keys to an empty or new folder
    #[command(after_help = "\
Example:
  invitation-ledger backup /var/backups/ledger-monday

The copy holds the keys that open personal data: keep it as private as the data folder.")]
    Backup { folder: PathBuf },
    /// Make the data folder from a backup; it must be empty or new
    #[command(after_help = "\
Examples:
  invitation-ledger restore /var/backups/ledger-monday --data ./restored
  invitation-ledger restore /var/backups/ledger-monday --data ./restored --until 4711

Whenever events are given up, those after the backup included, say --until: the log
then says so, and nothing that may have been done already is done again.")]
    Restore {
        backup: PathBuf,
        /// Keep the log up to this event, give up what came after, and begin a new epoch
        #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(u64).range(1..))]
        until: Option<u64>,
    },
    /// Carry the ledger, whole, to another folder or database
    Move(Box<MoveArgs>),
    /// Look at the ledger's health, and print which settings are in force and from where
    #[command(after_help = "Ends with 1 when something is wrong; each finding says what to do about it.")]
    Doctor,
}
