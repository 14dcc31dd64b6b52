use crate::bus::Unit;
use crate::invitation::Role;
use crate::membership::{self, Granted, Membership, Place};
use crate::organization::Organization;
use crate::user::User;
use crate::{Failure, Refusal, Scope, UseCase, What, permission};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// Makes a user a member of an organization, or changes their role in it.
#[derive(Clone, Debug)]
pub struct GrantMembership {
    pub organization: Uuid,
    pub user: Uuid,
    pub role: Role,
}

#[async_trait]
impl UseCase for GrantMembership {
    type Output = Arc<Membership>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        permission::tenant(unit).await?;
        permission::operate(unit, Scope::Organizations).await?;
        if !unit.get::<Organization>(self.organization).await?.exists() {
            return Err(Refusal::NotFound(What::Organization).into());
        }
        if !unit.get::<User>(self.user).await?.exists() {
            return Err(Refusal::NotFound(What::User).into());
        }
        let id = membership::id_of(self.organization, self.user);
        let by = unit.context().actor;
        let command = if unit.get::<Membership>(id).await?.role.is_some() {
            membership::Command::ChangeRole { role: self.role, by }
        } else {
            let place = Place::Organization;
            membership::Command::Grant(Granted {
                place,
                target: self.organization,
                user: self.user,
                role: self.role,
                by,
                invitation: None,
            })
        };
        unit.put::<Membership>(id, command).await.map(|_| ())
    }
}

/// Ends a user's membership of an organization. Done twice, the second does nothing.
#[derive(Clone, Debug)]
pub struct RevokeMembership {
    pub organization: Uuid,
    pub user: Uuid,
}

#[async_trait]
impl UseCase for RevokeMembership {
    type Output = Arc<Membership>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        permission::operate(unit, Scope::Organizations).await?;
        let by = unit.context().actor;
        let id = membership::id_of(self.organization, self.user);
        if unit.get::<Membership>(id).await?.version == 0 {
            return Err(Refusal::NotFound(What::User).into());
        }
        unit.put::<Membership>(id, membership::Command::Revoke { by }).await.map(|_| ())
    }
}
