use super::account;
use crate::bus::Unit;
use crate::user::{self, User};
use crate::{Actor, Address, Failure, Refusal, Scope, UseCase, permission};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// Makes an account. Operators do; invited people come by [`super::RegisterByLink`].
#[derive(Clone, Debug)]
pub struct CreateUser {
    /// The new user's id; its password, if any, is kept under it before this runs.
    pub user: Uuid,
    pub email: Address,
    pub name: Option<String>,
    /// Company name of a client record made with the account.
    pub client: Option<String>,
    pub liaison: bool,
    pub administrator: bool,
}

#[async_trait]
impl UseCase for CreateUser {
    type Output = Arc<User>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        permission::tenant(unit).await?;
        permission::operate(unit, Scope::Users).await?;
        may_give(unit, self.administrator)?;
        if account(unit, &self.email).await?.is_some() {
            return Err(Refusal::AccountExists.into());
        }
        let subject = unit.subject().await?;
        let by = unit.context().actor;
        let create = user::Command::Create {
            by,
            email: self.email.clone(),
            name: self.name.clone(),
            address_verified: false,
            subject,
        };
        unit.put::<User>(self.user, create).await?;
        if let Some(company_name) = self.client.clone() {
            unit.put::<User>(self.user, user::Command::RegisterClient { by, company_name }).await?;
        }
        if self.liaison || self.administrator {
            let rights = user::Command::ChangeRights {
                by,
                administrator: Some(self.administrator),
                liaison: Some(self.liaison),
            };
            unit.put::<User>(self.user, rights).await?;
        }
        Ok(())
    }
}

/// An application makes no administrators: its token would else be worth more than its scopes.
fn may_give(unit: &mut dyn Unit, administrator: bool) -> Result<(), Failure> {
    let refused = administrator && matches!(unit.context().actor, Actor::Application(_));
    if refused { Err(Refusal::NotPermitted.into()) } else { Ok(()) }
}

/// Changes an account's name and rights.
#[derive(Clone, Debug, Default)]
pub struct UpdateUser {
    pub user: Uuid,
    pub name: Option<String>,
    pub client: Option<String>,
    pub liaison: Option<bool>,
    pub administrator: Option<bool>,
}

#[async_trait]
impl UseCase for UpdateUser {
    type Output = Arc<User>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        permission::tenant(unit).await?;
        permission::operate(unit, Scope::Users).await?;
        may_give(unit, self.administrator.is_some())?;
        let by = unit.context().actor;
        let rights = user::Command::ChangeRights { by, administrator: self.administrator, liaison: self.liaison };
        unit.put::<User>(self.user, rights).await?;
        if let Some(name) = self.name.clone() {
            unit.put::<User>(self.user, user::Command::Rename { by, name }).await?;
        }
        if let Some(company_name) = self.client.clone() {
            unit.put::<User>(self.user, user::Command::RegisterClient { by, company_name }).await?;
        }
        Ok(())
    }
}
