use crate::bus::Unit;
use crate::user::{self, User};
use crate::{Actor, Failure, Refusal, UseCase};
use async_trait::async_trait;
use std::sync::Arc;

/// A user without any record registers as a client.
#[derive(Clone, Debug)]
pub struct RegisterClient {
    pub company_name: String,
}

#[async_trait]
impl UseCase for RegisterClient {
    type Output = Arc<User>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let by = unit.context().actor;
        let Actor::User(id) = by else { return Err(Refusal::UsersOnly.into()) };
        crate::permission::records(unit, id).await?;
        unit.put::<User>(id, user::Command::RegisterClient { by, company_name: self.company_name.clone() })
            .await
            .map(|_| ())
    }
}
