use crate::bus::Unit;
use crate::organization::{self, Organization};
use crate::{Failure, Scope, UseCase, permission};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// Makes an organization.
#[derive(Clone, Debug)]
pub struct CreateOrganization {
    pub name: String,
    /// Only the invited address may accept.
    pub bind_recipient: bool,
}

#[async_trait]
impl UseCase for CreateOrganization {
    type Output = Arc<Organization>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        permission::tenant(unit).await?;
        permission::operate(unit, Scope::Organizations).await?;
        let id = unit.new_id();
        let by = unit.context().actor;
        let command =
            organization::Command::Create { by, name: self.name.clone(), bind_recipient: self.bind_recipient };
        unit.put::<Organization>(id, command).await.map(|_| ())
    }
}

/// Changes an organization.
#[derive(Clone, Debug)]
pub struct UpdateOrganization {
    pub organization: Uuid,
    pub name: Option<String>,
    pub bind_recipient: Option<bool>,
}

#[async_trait]
impl UseCase for UpdateOrganization {
    type Output = Arc<Organization>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        permission::tenant(unit).await?;
        permission::operate(unit, Scope::Organizations).await?;
        let by = unit.context().actor;
        let command =
            organization::Command::Update { by, name: self.name.clone(), bind_recipient: self.bind_recipient };
        unit.put::<Organization>(self.organization, command).await.map(|_| ())
    }
}
