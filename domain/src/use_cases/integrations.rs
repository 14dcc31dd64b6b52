use crate::bus::Unit;
use crate::integration::{self, Integration};
use crate::{Failure, Patch, Scope, UseCase, permission};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// Makes an integration.
#[derive(Clone, Debug)]
pub struct CreateIntegration {
    pub name: String,
    pub description: Option<String>,
}

#[async_trait]
impl UseCase for CreateIntegration {
    type Output = Arc<Integration>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        permission::tenant(unit).await?;
        permission::create_integration(unit).await?;
        let id = unit.new_id();
        let by = unit.context().actor;
        let command =
            integration::Command::Create { by, name: self.name.clone(), description: self.description.clone() };
        unit.put::<Integration>(id, command).await.map(|_| ())
    }
}

/// Changes an integration.
#[derive(Clone, Debug)]
pub struct UpdateIntegration {
    pub integration: Uuid,
    pub name: Option<String>,
    pub description: Patch<String>,
}

#[async_trait]
impl UseCase for UpdateIntegration {
    type Output = Arc<Integration>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        permission::tenant(unit).await?;
        permission::operate(unit, Scope::Integrations).await?;
        let by = unit.context().actor;
        let (name, description) = (self.name.clone(), self.description.clone());
        let command = integration::Command::Update { by, name, description };
        unit.put::<Integration>(self.integration, command).await.map(|_| ())
    }
}
