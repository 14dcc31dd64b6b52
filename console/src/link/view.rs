//! `POST /i/{link}/view`: what the link invites to, for whoever shows its secret.
//!
//! Changes nothing and leaves no event. A lock that wrong tries have closed is
//! closed here too, or a look would tell right secrets from wrong ones again.

use super::fault::Fault;
use super::{Asked, Links, Shown, json, wrong_code};
use domain::application::Application;
use domain::integration::Integration;
use domain::invitation::{Invitation, Kind, Proof, State};
use domain::organization::Organization;
use domain::user::User;
use domain::{Actor, Failure, Refusal, claims};
use poem::Response;
use serde::Serialize;
use uuid::Uuid;

/// All that the page shows.
#[derive(Serialize)]
struct Seen {
    tenant: String,
    kind: &'static str,
    target: Target,
    /// Only an organization's invitations give one.
    role: Option<&'static str>,
    email: Option<String>,
    message: Option<String>,
    invited_by: Option<Named>,
    state: &'static str,
    expires_at: String,
    /// Who is logged in, as the page would accept.
    session: Option<Me>,
    /// The mail's secret was shown, and its address has no account yet.
    can_register: bool,
}

#[derive(Serialize)]
struct Target {
    id: Uuid,
    name: Option<String>,
}

#[derive(Serialize)]
struct Named {
    name: String,
}

#[derive(Serialize)]
struct Me {
    id: Uuid,
    name: Option<String>,
    email: Option<String>,
}

impl Links {
    pub(super) async fn view(&self, asked: Asked) -> Result<Response, Fault> {
        let code = asked.code()?;
        self.tries.check(&asked.peer, self.bus.now())?;
        let shown = self.shown(asked.link, &code).await?;
        let me = asked.caller.actor(&shown.tenant);
        let proof = self.look(&asked, &shown, me)?;
        let now = self.bus.now();
        let invitation = &shown.invitation;
        let state = invitation.state_at(now);
        let mine = matches!(me, Some(Actor::User(user)) if invitation.accepted_by == Some(user));
        match state {
            State::Pending => {}
            State::Accepted if mine => {}
            State::Accepted | State::Cancelled | State::Declined | State::Expired => {
                return Err(Refusal::NotPending(state).into());
            }
        }
        let can_register = proof == Proof::Mail && state == State::Pending && !self.has_account(&shown).await?;
        json(&Seen {
            tenant: shown.tenant.to_string(),
            kind: invitation.kind.name(),
            target: Target { id: invitation.target, name: self.target_name(&shown).await? },
            role: (invitation.kind == Kind::Organization).then(|| invitation.role.name()),
            email: invitation.email.as_ref().map(|email| email.as_str().to_owned()),
            message: invitation.message.clone(),
            invited_by: self.inviter(&shown).await?,
            state: state.name(),
            expires_at: invitation.expires_at.rfc3339(),
            session: self.me(&shown, me).await?,
            can_register,
        })
    }

    /// Whether the secret is right; a wrong one is counted in memory.
    fn look(&self, asked: &Asked, shown: &Shown, me: Option<Actor>) -> Result<Proof, Fault> {
        let invitation: &Invitation = &shown.invitation;
        let visitor = self.context(asked, &shown.tenant, Actor::Visitor).caller();
        let user = me.map(|actor| self.context(asked, &shown.tenant, actor).caller());
        if invitation.is_locked_for(&visitor) || user.is_some_and(|user| invitation.is_locked_for(&user)) {
            return Err(Refusal::Locked.into());
        }
        match invitation.proof(&shown.digest) {
            Some(proof) if invitation.exists() => Ok(proof),
            Some(_) | None if invitation.is_of_earlier_generation(&shown.digest) => Err(Fault::LinkReplaced),
            Some(_) | None => {
                self.tries.count(&asked.peer, self.bus.now());
                Err(wrong_code())
            }
        }
    }

    pub(super) async fn has_account(&self, shown: &Shown) -> Result<bool, Failure> {
        match &shown.invitation.email {
            Some(email) => Ok(self.bus.holder(&shown.tenant, claims::account(&shown.tenant, email)).await?.is_some()),
            // Forgotten since: nobody can register with it.
            None => Ok(true),
        }
    }

    async fn target_name(&self, shown: &Shown) -> Result<Option<String>, Failure> {
        let (tenant, target) = (&shown.tenant, shown.invitation.target);
        Ok(match shown.invitation.kind {
            Kind::Organization => Some(self.bus.load::<Organization>(tenant, target).await?.name.clone()),
            Kind::Integration => Some(self.bus.load::<Integration>(tenant, target).await?.name.clone()),
            Kind::Platform => None,
        })
    }

    async fn inviter(&self, shown: &Shown) -> Result<Option<Named>, Failure> {
        let tenant = &shown.tenant;
        let name = match shown.invitation.invited_by {
            Actor::User(id) => {
                let user = self.bus.load::<User>(tenant, id).await?;
                user.name.clone().or_else(|| user.email.as_ref().map(|email| email.as_str().to_owned()))
            }
            Actor::Application(id) => Some(self.bus.load::<Application>(tenant, id).await?.name.clone()),
            Actor::Deployment | Actor::System | Actor::Visitor => None,
        };
        Ok(name.filter(|name| !name.is_empty()).map(|name| Named { name }))
    }

    async fn me(&self, shown: &Shown, me: Option<Actor>) -> Result<Option<Me>, Failure> {
        let Some(Actor::User(id)) = me else { return Ok(None) };
        let user = self.bus.load::<User>(&shown.tenant, id).await?;
        let email = user.email.as_ref().map(|email| email.as_str().to_owned());
        Ok(Some(Me { id, name: user.name.clone(), email }))
    }
}
