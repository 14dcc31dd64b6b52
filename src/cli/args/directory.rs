use super::Paging;
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Make a tenant; prints its name
    #[command(after_help = "Example:\n  invitation-ledger tenant create acme")]
    Create {
        /// 1 to 32 of a-z, 0-9 and -
        name: String,
    },
    /// List tenants
    List(Paging),
    /// Show a tenant and its settings
    Show {
        /// [default: the tenant of --tenant]
        name: Option<String>,
    },
    /// Change a tenant's settings; what is not named stays
    #[command(after_help = "Example:\n  invitation-ledger tenant update acme --valid-days 14")]
    Update {
        /// [default: the tenant of --tenant]
        name: Option<String>,
        /// How many days a new invitation lives, 1 to 365
        #[arg(long, value_name = "DAYS")]
        valid_days: Option<u32>,
        /// Whether users may invite to the platform
        #[arg(long, value_name = "BOOL")]
        invite_unregistered: Option<bool>,
        /// Whether reads with a cookie need the CSRF header
        #[arg(long, value_name = "BOOL")]
        read_csrf: Option<bool>,
        /// Whether writes with a cookie need the CSRF header
        #[arg(long, value_name = "BOOL")]
        write_csrf: Option<bool>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    Member,
    Admin,
}

impl RoleArg {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum OrganizationCommand {
    /// Make an organization; prints its id
    #[command(after_help = "Example:\n  ORG=$(invitation-ledger organization create --name \"Acme Roofing\")")]
    Create {
        #[arg(long)]
        name: String,
        /// Only who proves the invited address may accept: with the mail's own secret, or an account whose address is proven
        #[arg(long)]
        bind_recipient: bool,
    },
    /// List organizations
    List(Paging),
    /// Show an organization
    Show { id: Uuid },
    /// Change an organization; what is not named stays
    Update {
        id: Uuid,
        #[arg(long)]
        name: Option<String>,
        #[arg(long, value_name = "BOOL")]
        bind_recipient: Option<bool>,
    },
    /// An organization's members
    #[command(subcommand)]
    Member(MemberCommand),
}

#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// List members
    List {
        organization: Uuid,
        #[command(flatten)]
        paging: Paging,
    },
    /// Make a user a member, or change their role
    #[command(after_help = "Example:\n  invitation-ledger organization member add \"$ORG\" \"$USER_ID\" --role admin")]
    Add {
        organization: Uuid,
        user: Uuid,
        #[arg(long, default_value = "member")]
        role: RoleArg,
    },
    /// End a membership
    Remove { organization: Uuid, user: Uuid },
}

#[derive(Debug, Subcommand)]
pub enum IntegrationCommand {
    /// Make an integration; prints its id
    #[command(after_help = "Example:\n  INTEGRATION=$(invitation-ledger integration create --name \"Field sync\")")]
    Create(NewIntegration),
    /// List integrations
    List(Paging),
    /// Show an integration
    Show { id: u64 },
    /// Change an integration; what is not named stays
    #[command(after_help = "Example:\n  invitation-ledger integration update \"$INTEGRATION\" --name \"Field sync 2\"")]
    Update {
        id: u64,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        description: Option<String>,
        /// Drop the description
        #[arg(long, conflicts_with = "description")]
        no_description: bool,
    },
}

#[derive(Args, Debug)]
pub struct NewIntegration {
    #[arg(long)]
    pub name: String,
    #[arg(long)]
    pub description: Option<String>,
}
