use super::{Paging, RoleArg};
use clap::{ArgGroup, Subcommand, ValueEnum};
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    Integration,
    Organization,
    Platform,
}

impl KindArg {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Integration => "integration",
            Self::Organization => "organization",
            Self::Platform => "platform",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateArg {
    Pending,
    Accepted,
    Cancelled,
    Declined,
    Expired,
    All,
}

impl StateArg {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Cancelled => "cancelled",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::All => "all",
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum InvitationCommand {
    /// Invite an address; prints the invitation's id
    #[command(
        group(ArgGroup::new("target").required(true).args(["organization", "integration", "platform"])),
        after_help = "\
Examples:
  invitation-ledger invitation create --organization \"$ORG\" --email john@example.org --role member
  invitation-ledger invitation create --integration 4 --email john@example.org
  invitation-ledger invitation create --platform --email john@example.org --message 'Join us.'"
    )]
    Create {
        #[arg(long)]
        email: String,
        /// Invite to this organization
        #[arg(long, value_name = "ID")]
        organization: Option<Uuid>,
        /// Invite to this integration
        #[arg(long, value_name = "ID")]
        integration: Option<u64>,
        /// Invite to the tenant itself
        #[arg(long)]
        platform: bool,
        /// What accepting makes of the user in the organization [default: admin]
        #[arg(long, value_enum, conflicts_with_all = ["integration", "platform"])]
        role: Option<RoleArg>,
        /// The inviter's own words, at most 2,000 characters
        #[arg(long, conflicts_with = "integration")]
        message: Option<String>,
    },
    /// Show an invitation
    Show {
        id: Uuid,
        /// And everything that happened to it
        #[arg(long)]
        events: bool,
    },
    /// List invitations, newest first
    #[command(after_help = "Example:\n  invitation-ledger invitation list --state all --email john@example.org")]
    List {
        #[command(flatten)]
        paging: Paging,
        #[arg(long)]
        kind: Option<KindArg>,
        #[arg(long, default_value = "pending")]
        state: StateArg,
        #[arg(long, value_name = "ID")]
        organization: Option<Uuid>,
        #[arg(long, value_name = "ID", conflicts_with = "organization")]
        integration: Option<u64>,
        #[arg(long)]
        email: Option<String>,
    },
    /// Take an invitation back
    Cancel { id: Uuid },
    /// Send a pending invitation again: a new link, the old one dead at once
    Resend { id: Uuid },
}
