//! An invitation to make: one body for three kinds.

use super::desk::Sent;
use super::invitations::{KINDS, ROLES};
use super::read::{message, word};
use super::refusal::No;
use crate::Service;
use crate::wire::invite;
use crate::wire::values::{address, number, uuid};
use async_trait::async_trait;
use domain::bus::Unit;
use domain::invitation::{Invitation, Kind, Role};
use domain::use_cases::{InviteToIntegration, InviteToOrganization, InviteToPlatform};
use domain::{Address, Context, Failure, Fault, UseCase};
use std::sync::Arc;
use uuid::Uuid;

/// What was asked for, read and checked.
#[derive(Debug)]
pub(super) enum Draft {
    Integration { number: u64, email: Address },
    Organization { organization: Uuid, email: Address, role: Role, message: Option<String> },
    Platform { email: Address, message: Option<String> },
}

/// [`InviteToPlatform`], and the invitations it made or sent again.
struct ToPlatform(InviteToPlatform);

#[async_trait]
impl UseCase for ToPlatform {
    type Output = Vec<Arc<Invitation>>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        self.0.run(unit).await
    }
}

impl Draft {
    pub(super) fn read(sent: &Sent) -> Result<Self, No> {
        let mut reader = sent.reader()?;
        let kind = reader.required("kind", word(KINDS));
        let organization = reader.optional("organization", uuid);
        let integration = reader.optional("integration", number);
        let email = reader.required("email", address);
        let role = reader.optional("role", word(ROLES));
        let message = reader.optional("message", message);
        let Some(kind) = kind else { return Err(refuse(reader.finish())) };
        let (is_organization, is_integration) = (kind == Kind::Organization, kind == Kind::Integration);
        for (name, given, wanted) in [
            ("organization", organization.is_some(), is_organization),
            ("integration", integration.is_some(), is_integration),
        ] {
            match (given, wanted) {
                (false, true) if !reader.has_fault(name) => reader.fault(name, "is missing"),
                (true, false) => reader.fault(name, "does not go with this kind"),
                (true | false, true) | (false, false) => {}
            }
        }
        if role.is_some() && !is_organization {
            reader.fault("role", "goes with organizations alone");
        }
        if message.is_some() && is_integration {
            reader.fault("message", "does not go with integrations");
        }
        reader.finish()?;
        let email = email.ok_or(No::NotAnObject)?;
        match (kind, organization, integration) {
            (Kind::Organization, Some(organization), _) => {
                // As in the dialect of organizations.
                let role = role.unwrap_or(Role::Admin);
                Ok(Self::Organization { organization, email, role, message })
            }
            (Kind::Integration, _, Some(number)) => Ok(Self::Integration { number, email }),
            (Kind::Platform, _, _) => Ok(Self::Platform { email, message }),
            (Kind::Organization | Kind::Integration, _, _) => Err(No::NotAnObject),
        }
    }

    /// The invitation; `None` when a platform invitation met an account.
    pub(super) async fn perform(self, service: &Service, context: Context) -> Result<Option<Arc<Invitation>>, No> {
        match self {
            Self::Integration { number, email } => {
                let to = [email.clone()];
                let case = InviteToIntegration { number, email };
                Ok(Some(invite(service, context, &to, case).await.map_err(No::TooMany)??))
            }
            Self::Organization { organization, email, role, message } => {
                let to = [email.clone()];
                let case =
                    InviteToOrganization { organization, id: None, email, role, updated_in_db_at: None, message };
                Ok(Some(invite(service, context, &to, case).await.map_err(No::TooMany)??))
            }
            Self::Platform { email, message } => {
                let to = [email.clone()];
                let case = ToPlatform(InviteToPlatform { emails: vec![email], message });
                let made = invite(service, context, &to, case).await.map_err(No::TooMany)??;
                Ok(made.into_iter().next())
            }
        }
    }
}

/// The faults of a reading that cannot go on.
fn refuse(finished: Result<(), No>) -> No {
    finished.err().unwrap_or_else(|| No::Params(vec![Fault::new("kind", "is missing")]))
}
