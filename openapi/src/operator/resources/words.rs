//! Closed lists of words.

use crate::operator::powers::{Health, OutboxState};
use domain::invitation::{Kind, Role, State};
use domain::{Scope, mail};
use poem_openapi::Enum;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident of $source:ty { $($variant:ident = $from:pat),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
        #[oai(rename_all = "snake_case")]
        pub(in crate::operator) enum $name { $($variant),+ }

        impl From<$source> for $name {
            fn from(value: $source) -> Self {
                match value { $($from => Self::$variant),+ }
            }
        }
    };
}

words! {
    /// What an invitation is to.
    InvitationKind of Kind { Integration = Kind::Integration, Organization = Kind::Organization, Platform = Kind::Platform }
}
words! {
    /// What a member may do in an organization.
    MemberRole of Role { Member = Role::Member, Admin = Role::Admin }
}
words! {
    /// Where an invitation stands, by the clock.
    InvitationState of State {
        Pending = State::Pending, Accepted = State::Accepted, Cancelled = State::Cancelled,
        Declined = State::Declined, Expired = State::Expired,
    }
}

/// Which invitations a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(in crate::operator) enum StateFilter {
    Pending,
    Accepted,
    Cancelled,
    Declined,
    Expired,
    All,
}

words! {
    /// Where the newest mail of an invitation stands.
    EmailStatus of mail::Status {
        Queued = mail::Status::Queued, Sent = mail::Status::Sent, Failed = mail::Status::Failed,
        Unknown = mail::Status::Unknown,
    }
}
words! {
    /// What an application's token may be used for.
    ScopeName of Scope {
        Employees = Scope::Employees, Integrations = Scope::Integrations, Invites = Scope::Invites,
        Settings = Scope::Settings, Operate = Scope::Operate, Users = Scope::Users,
        Organizations = Scope::Organizations, Audit = Scope::Audit, Pii = Scope::Pii,
    }
}
words! {
    /// Where a mail stands.
    MailState of OutboxState {
        Queued = OutboxState::Queued, Sending = OutboxState::Sending, Dead = OutboxState::Dead,
        Sent = OutboxState::Sent, Abandoned = OutboxState::Abandoned,
    }
}
words! {
    /// How bad a finding is.
    HealthName of Health { Fine = Health::Fine, Warning = Health::Warning, Wrong = Health::Wrong }
}
