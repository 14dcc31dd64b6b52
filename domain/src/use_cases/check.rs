use crate::bus::Unit;
use crate::permission::{self, EmployeeReach};
use crate::{Actor, Failure, Refusal, Scope, UseCase};
use async_trait::async_trait;
use uuid::Uuid;

/// What a caller wants to be allowed.
#[derive(Clone, Copy, Debug)]
pub enum Allowed {
    /// Read or change employees; with `all`, beyond their own record.
    Employees {
        all: bool,
    },
    Integrations,
    /// Invite to this organization.
    Organization(Uuid),
    /// Read this organization's invitations: its admins and members.
    ReadOrganization(Uuid),
    /// Invite to the platform, where that is switched on.
    Platform,
    Operate(Scope),
    /// Do what only the deployment's own principal may.
    Deploy,
    /// Be a user that is still there.
    User,
}

/// Asks for a permission and writes nothing. A dialect needs it where its order
/// of checks puts permission before parameters that are at fault, and for reads.
#[derive(Clone, Copy, Debug)]
pub struct Check(pub Allowed);

#[async_trait]
impl UseCase for Check {
    type Output = ();

    const READS_ONLY: bool = true;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        permission::tenant(unit).await?;
        match self.0 {
            Allowed::Employees { all } => match permission::employees(unit).await? {
                EmployeeReach::Own(_) if all => Err(Refusal::NotPermitted.into()),
                EmployeeReach::Own(_) | EmployeeReach::All => Ok(()),
            },
            Allowed::Integrations => permission::create_integration(unit).await,
            Allowed::Organization(id) => permission::organization(unit, id).await.map(|_| ()),
            Allowed::ReadOrganization(id) => permission::read_organization(unit, id).await.map(|_| ()),
            Allowed::Platform => permission::invite_to_platform(unit).await.map(|_| ()),
            Allowed::Operate(scope) => permission::operate(unit, scope).await,
            Allowed::Deploy if matches!(unit.context().actor, Actor::Deployment | Actor::System) => Ok(()),
            Allowed::Deploy => Err(Refusal::NotPermitted.into()),
            Allowed::User => match unit.context().actor {
                Actor::User(id) => permission::records(unit, id).await.map(|_| ()),
                Actor::Deployment | Actor::System | Actor::Application(_) => Ok(()),
                Actor::Visitor => Err(Refusal::NotPermitted.into()),
            },
        }
    }
}
