use crate::application::{self, Application};
use crate::bus::Unit;
use crate::{Actor, Failure, Refusal, Scope, UseCase, permission};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// Applications are made by people: one application may not make another, whose
/// scopes could be wider than its own.
async fn people_only(unit: &mut dyn Unit) -> Result<(), Failure> {
    permission::tenant(unit).await?;
    if matches!(unit.context().actor, Actor::Application(_)) {
        return Err(Refusal::NotPermitted.into());
    }
    permission::operate(unit, Scope::Operate).await
}

/// Makes an application. Its token is made and kept by the caller.
#[derive(Clone, Debug)]
pub struct CreateApplication {
    /// The new application's id; its token's digest is kept under it before this runs.
    pub application: Uuid,
    pub name: String,
    pub scopes: BTreeSet<Scope>,
}

#[async_trait]
impl UseCase for CreateApplication {
    type Output = Arc<Application>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        people_only(unit).await?;
        let by = unit.context().actor;
        let command = application::Command::Create { by, name: self.name.clone(), scopes: self.scopes.clone() };
        unit.put::<Application>(self.application, command).await.map(|_| ())
    }
}

/// Changes an application's name or scopes.
#[derive(Clone, Debug)]
pub struct UpdateApplication {
    pub application: Uuid,
    pub name: Option<String>,
    pub scopes: Option<BTreeSet<Scope>>,
}

#[async_trait]
impl UseCase for UpdateApplication {
    type Output = Arc<Application>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        people_only(unit).await?;
        let by = unit.context().actor;
        let command = application::Command::Update { by, name: self.name.clone(), scopes: self.scopes.clone() };
        unit.put::<Application>(self.application, command).await.map(|_| ())
    }
}

/// Ends an application's rights, for ever. Done twice, the second does nothing.
#[derive(Clone, Debug)]
pub struct RevokeApplication {
    pub application: Uuid,
}

#[async_trait]
impl UseCase for RevokeApplication {
    type Output = Arc<Application>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        people_only(unit).await?;
        let by = unit.context().actor;
        unit.put::<Application>(self.application, application::Command::Revoke { by }).await.map(|_| ())
    }
}
