//! `POST /i/{link}/decline`: whoever holds the link says no, with or without a reason.

use super::accept::Outcome;
use super::fault::Fault;
use super::{Asked, Links, json};
use domain::Actor;
use domain::text::{MAX_TEXT, lines};
use domain::use_cases::DeclineInvitation;
use poem::Response;

impl Links {
    pub(super) async fn decline(&self, asked: Asked) -> Result<Response, Fault> {
        let mut body = asked.body()?;
        let code = body.code();
        let reason = body.optional("reason", |text| lines(text.trim(), MAX_TEXT));
        body.end()?;
        self.tries.check(&asked.peer, self.bus.now())?;
        let shown = self.shown(asked.link, &code).await?;
        let actor = asked.caller.actor(&shown.tenant).unwrap_or(Actor::Visitor);
        let context = self.context(&asked, &shown.tenant, actor);
        let case = DeclineInvitation {
            invitation: shown.invitation.id,
            digest: shown.digest.clone(),
            reason: reason.filter(|text| !text.is_empty()),
        };
        match self.bus.perform(context, case).await {
            Ok(declined) => json(&Outcome::of(&declined)),
            Err(failure) => Err(self.remembered(&asked, &shown, failure.into())),
        }
    }
}
