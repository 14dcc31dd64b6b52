use super::Paging;
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

#[derive(Debug, Subcommand)]
pub enum EmployeeCommand {
    /// Make an employee's record; prints its id
    #[command(after_help = "\
Example:
  invitation-ledger employee create --email jane@acme.example --first-name Jane --skill roofing")]
    Create {
        #[arg(long)]
        email: String,
        /// The user whose record it is
        #[arg(long, value_name = "ID")]
        user: Option<Uuid>,
        #[command(flatten)]
        fields: EmployeeFields,
    },
    /// List employees
    List {
        #[command(flatten)]
        paging: Paging,
        /// Only records with this in a name, the e-mail, the phone, the skills or the address
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Show an employee's record
    Show { id: u64 },
    /// Change an employee's record; what is not named stays
    #[command(after_help = "\
Example:
  invitation-ledger employee update 12 --city Tulsa --clear phone,legal-name

A changed e-mail is told to the old and the new address.")]
    Update {
        id: u64,
        #[arg(long)]
        email: Option<String>,
        #[command(flatten)]
        fields: EmployeeFields,
        /// Fields to empty
        #[arg(long, value_name = "FIELD,…", value_delimiter = ',')]
        clear: Vec<Clearable>,
    },
}

/// What of a record can be emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Clearable {
    ServiceAreaId,
    FirstName,
    LastName,
    LegalName,
    Skills,
    Phone,
    Address,
    DateHired,
    DateOffBoarded,
}

impl Clearable {
    /// As the HTTP interface calls it.
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Self::ServiceAreaId => "service_area_id",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::LegalName => "legal_name",
            Self::Skills => "skills",
            Self::Phone => "phone",
            Self::Address => "address",
            Self::DateHired => "date_hired",
            Self::DateOffBoarded => "date_off_boarded",
        }
    }
}

#[derive(Args, Clone, Debug, Default)]
pub struct EmployeeFields {
    /// Whether the employee works here; false ends all sessions
    #[arg(long, value_name = "BOOL")]
    pub active: Option<bool>,
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub service_area_id: Option<i64>,
    #[arg(long)]
    pub first_name: Option<String>,
    #[arg(long)]
    pub last_name: Option<String>,
    #[arg(long)]
    pub legal_name: Option<String>,
    /// One skill; can be given several times, and replaces those before
    #[arg(long = "skill", value_name = "TEXT")]
    pub skills: Vec<String>,
    #[arg(long)]
    pub phone: Option<String>,
    #[arg(long, help_heading = "Address")]
    pub street: Option<String>,
    #[arg(long, help_heading = "Address")]
    pub street2: Option<String>,
    #[arg(long, help_heading = "Address")]
    pub city: Option<String>,
    #[arg(long, help_heading = "Address")]
    pub state: Option<String>,
    #[arg(long, help_heading = "Address")]
    pub postal_code: Option<String>,
    #[arg(long, help_heading = "Address", allow_hyphen_values = true)]
    pub longitude: Option<String>,
    #[arg(long, help_heading = "Address", allow_hyphen_values = true)]
    pub latitude: Option<String>,
    /// YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub date_hired: Option<String>,
    /// YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub date_off_boarded: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account; prints its id. The password is asked for on a terminal
    #[command(after_help = "\
Examples:
  invitation-ledger user create --email jane@acme.example --client Acme
  printf '%s' \"$PASSWORD\" | invitation-ledger user create --email jane@acme.example --password-stdin")]
    Create {
        /// What the user logs in with
        #[arg(long)]
        email: String,
        #[arg(long)]
        name: Option<String>,
        /// Give it a client record of this company
        #[arg(long, value_name = "COMPANY")]
        client: Option<String>,
        /// Give it a liaison record
        #[arg(long)]
        liaison: bool,
        /// Make it an administrator of the tenant
        #[arg(long)]
        administrator: bool,
        /// Read the password (at least 12 characters) from standard input
        #[arg(long, conflicts_with = "no_password")]
        password_stdin: bool,
        /// Make it without a password: nobody can log in with it yet
        #[arg(long)]
        no_password: bool,
    },
    /// List accounts
    List(Paging),
    /// Show an account
    Show { id: Uuid },
    /// Change an account; what is not named stays
    #[command(after_help = "Example:\n  invitation-ledger user update \"$USER_ID\" --administrator true")]
    Update {
        id: Uuid,
        #[arg(long)]
        name: Option<String>,
        /// Give it a client record of this company
        #[arg(long, value_name = "COMPANY")]
        client: Option<String>,
        #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
        liaison: Option<bool>,
        #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
        administrator: Option<bool>,
        /// Ask for a new password, or read it from standard input; ends all sessions
        #[arg(long)]
        password_stdin: bool,
    },
}

/// What an application's token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScopeArg {
    Employees,
    Integrations,
    Invites,
    Settings,
    Operate,
    Users,
    Organizations,
    Audit,
    Pii,
}

impl ScopeArg {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Employees => "employees",
            Self::Integrations => "integrations",
            Self::Invites => "invites",
            Self::Settings => "settings",
            Self::Operate => "operate",
            Self::Users => "users",
            Self::Organizations => "organizations",
            Self::Audit => "audit",
            Self::Pii => "pii",
        }
    }
}

/// What making an application prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PrintArg {
    Id,
    Token,
    /// The id on the first line, the token on the second
    #[default]
    Both,
}

#[derive(Debug, Subcommand)]
pub enum ApplicationCommand {
    /// Make an application; prints its id and its token, which is shown this once
    #[command(after_help = "\
Example:
  TOKEN=$(invitation-ledger application create --name shop --scopes invites --print token)")]
    Create {
        #[arg(long)]
        name: String,
        /// What its token may be used for
        #[arg(long, value_name = "SCOPE,…", value_delimiter = ',', required = true)]
        scopes: Vec<ScopeArg>,
        /// What to print
        #[arg(long, default_value = "both")]
        print: PrintArg,
    },
    /// List applications
    List(Paging),
    /// Show an application
    Show { id: Uuid },
    /// Change an application's name or scopes
    Update {
        id: Uuid,
        #[arg(long)]
        name: Option<String>,
        #[arg(long, value_name = "SCOPE,…", value_delimiter = ',')]
        scopes: Vec<ScopeArg>,
    },
    /// End an application's rights, for ever
    Revoke { id: Uuid },
}
