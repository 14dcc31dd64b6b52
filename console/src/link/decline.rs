//! `POST /i/{link}/decline`: whoever holds the link says no, with or without a reason.

use super::accept::Outcome;
use super::fault::Fault;
use super::{Asked, Links, json, required};
use domain::text::{MAX_TEXT, lines};
use domain::use_cases::DeclineInvitation;
use domain::{Actor, Refusal};
use poem::Response;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    code: String,
    #[serde(default)]
    reason: Option<String>,
}

impl Links {
    pub(super) async fn decline(&self, asked: Asked) -> Result<Response, Fault> {
        let body: Body = asked.decode()?;
        let code = required(&body.code)?;
        let reason = body.reason.map(|text| lines(text.trim(), MAX_TEXT)).transpose();
        let reason = reason.map_err(|why| Fault::from(Refusal::invalid("reason", why)))?;
        self.tries.check(&asked.peer, self.bus.now())?;
        let shown = self.shown(asked.link, code).await?;
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
