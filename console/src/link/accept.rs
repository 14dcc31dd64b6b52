//! `POST /i/{link}/accept`: a logged-in user accepts. A session by cookie is
//! renewed by it, since what it may do has changed.

use super::fault::Fault;
use super::{Asked, Links, Shown, json, wrong_code};
use domain::invitation::Invitation;
use domain::use_cases::AcceptInvitation;
use poem::Response;
use serde::Serialize;
use uuid::Uuid;

/// What became of the invitation.
#[derive(Serialize)]
pub(super) struct Outcome {
    pub state: &'static str,
    pub kind: &'static str,
    pub target: Uuid,
    pub tenant: String,
}

impl Outcome {
    pub fn of(invitation: &Invitation) -> Self {
        Self {
            state: invitation.state.name(),
            kind: invitation.kind.name(),
            target: invitation.target,
            tenant: invitation.tenant.to_string(),
        }
    }
}

impl Links {
    pub(super) async fn accept(&self, asked: Asked) -> Result<Response, Fault> {
        if !asked.caller.is_anybody() {
            return Err(Fault::NoSession);
        }
        let code = asked.code()?;
        self.tries.check(&asked.peer, self.bus.now())?;
        let shown = self.shown(asked.link, &code).await?;
        let Some(actor) = asked.caller.actor(&shown.tenant) else { return Err(self.elsewhere(&asked, &shown)) };
        let context = self.context(&asked, &shown.tenant, actor);
        let case =
            AcceptInvitation { invitation: shown.invitation.id, organization: None, digest: shown.digest.clone() };
        let accepted = match self.bus.perform(context, case).await {
            Ok(accepted) => accepted,
            Err(failure) => return Err(self.remembered(&asked, &shown, failure.into())),
        };
        let mut response = json(&Outcome::of(&accepted))?;
        if let Some(session) = asked.caller.cookie(&shown.tenant) {
            // It is accepted: what fails now must not deny that.
            match self.identity.renew(session).await {
                Ok(renewed) => self.set_cookies(&mut response, &renewed),
                Err(failure) => Fault::from(failure).report(asked.request_id, "a session was not renewed"),
            }
        }
        Ok(response)
    }

    /// Somebody who is logged in to other tenants only: told to log in to this
    /// one if the secret is right, and else nothing about the link.
    fn elsewhere(&self, asked: &Asked, shown: &Shown) -> Fault {
        if shown.invitation.exists() && shown.invitation.proof(&shown.digest).is_some() {
            return Fault::NoSession;
        }
        self.tries.count(&asked.peer, self.bus.now());
        wrong_code()
    }

    /// Counts a try that no invitation could remember.
    pub(super) fn remembered(&self, asked: &Asked, shown: &Shown, fault: Fault) -> Fault {
        if !shown.invitation.exists() {
            self.tries.count(&asked.peer, self.bus.now());
        }
        fault
    }
}
