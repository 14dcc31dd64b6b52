use crate::bus::Unit;
use crate::tenant::{self, SettingsPatch, Tenant};
use crate::{Failure, Scope, UseCase, permission};
use async_trait::async_trait;
use std::sync::Arc;

/// Changes a part of the tenant's settings.
#[derive(Clone, Debug)]
pub struct ChangeSettings {
    pub changes: SettingsPatch,
}

#[async_trait]
impl UseCase for ChangeSettings {
    type Output = Arc<Tenant>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let tenant = permission::tenant(unit).await?;
        permission::operate(unit, Scope::Settings).await?;
        let by = unit.context().actor;
        unit.put::<Tenant>(tenant.name.id(), tenant::Command::ChangeSettings { by, changes: self.changes })
            .await
            .map(|_| ())
    }
}
