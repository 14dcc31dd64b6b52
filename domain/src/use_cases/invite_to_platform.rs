use super::{Draft, account, pending_holder, stage_invitation, stage_resend};
use crate::bus::Unit;
use crate::invitation::{Kind, Role};
use crate::user::{self, User};
use crate::{Address, Failure, UseCase, permission};
use async_trait::async_trait;
use std::collections::HashSet;

/// Addresses in one request.
pub const MAX_ADDRESSES: usize = 100;

/// Invites addresses to join the tenant itself: all of them or none. An
/// address that has an account is told so by mail, and nobody else is.
#[derive(Clone, Debug)]
pub struct InviteToPlatform {
    /// At most [`MAX_ADDRESSES`]; duplicates count once.
    pub emails: Vec<Address>,
    pub message: Option<String>,
}

#[async_trait]
impl UseCase for InviteToPlatform {
    type Output = ();

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let tenant = permission::invite_to_platform(unit).await?;
        let mut seen = HashSet::new();
        for email in &self.emails {
            if seen.insert(email.key().to_owned()) {
                self.invite(unit, email, tenant.settings.valid_days).await?;
            }
        }
        Ok(())
    }
}

impl InviteToPlatform {
    async fn invite(&self, unit: &mut dyn Unit, email: &Address, valid_days: u32) -> Result<(), Failure> {
        let target = unit.context().tenant.id();
        let by = unit.context().actor;
        if let Some(user) = account(unit, email).await? {
            unit.put::<User>(user.id, user::Command::RequestAccountNotice { by }).await?;
            return Ok(());
        }
        if let Some(holder) = pending_holder(unit, Kind::Platform, target, email).await? {
            return stage_resend(unit, &holder, valid_days).await.map(|_| ());
        }
        let draft = Draft {
            kind: Kind::Platform,
            target,
            role: Role::Member,
            chosen_id: None,
            email,
            message: self.message.clone(),
            updated_in_db_at: None,
            valid_days,
        };
        stage_invitation(unit, draft).await.map(|_| ())
    }
}
