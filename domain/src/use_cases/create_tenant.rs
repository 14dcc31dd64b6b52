use crate::bus::Unit;
use crate::tenant::{self, Tenant};
use crate::{Actor, Failure, Refusal, UseCase};
use async_trait::async_trait;
use std::sync::Arc;

/// Makes the tenant that the context names. Only the deployment's own principal may.
#[derive(Clone, Debug)]
pub struct CreateTenant {}

#[async_trait]
impl UseCase for CreateTenant {
    type Output = Arc<Tenant>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let by = unit.context().actor;
        if !matches!(by, Actor::Deployment | Actor::System) {
            return Err(Refusal::NotPermitted.into());
        }
        let name = unit.context().tenant.clone();
        unit.put::<Tenant>(name.id(), tenant::Command::Create { by, name }).await.map(|_| ())
    }
}
