use super::{Area, Json};
use crate::Service;
use crate::envelope::call::{Call, Operation, Who, read};
use crate::envelope::content::Form;
use crate::envelope::refusal::Refused;
use crate::envelope::reply::{Answer, Done, Reply, reply};
use crate::envelope::resources::Invitation;
use crate::envelope::sending::{self, Asked, Asking, Word, Written};
use crate::envelope::slug::Slug;
use crate::wire::values;
use crate::wire::{Bearer, HeaderParam, KeyText, Secured};
use async_trait::async_trait;
use domain::bus::{MailRef, Unit};
use domain::invitation::State;
use domain::use_cases::{Allowed, FindFaults, InviteToIntegration};
use domain::{Failure, Root, TenantName, UseCase, invitation, mail};
use poem::Request;
use poem_openapi::{Object, OpenApi};
use projections::InvitationRow;
use std::sync::Arc;

pub(in crate::envelope) const OPERATION: Operation = Operation {
    id: "integrations_invitation_email",
    form: Form::Json,
    needs_params: true,
    writes: true,
    who: Who::Recorded,
};

/// What `integrations/invitation_email` takes.
#[derive(Object)]
#[oai(rename = "IntegrationsInvitationEmailParams", deny_unknown_fields)]
pub(in crate::envelope) struct Params {
    /// Token of an application or a session; required, unless the header Authorization carries it.
    token: Option<String>,
    /// The integration's.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    id: i64,
    /// Whom to invite.
    #[oai(validator(max_length = 254))]
    email: String,
    /// The tenant, for the deployment's own token.
    #[oai(validator(pattern = "^[a-z0-9-]{1,32}$"))]
    tenant: Option<String>,
}

pub(in crate::envelope) struct IntegrationsInvitationEmail(pub Service);

#[OpenApi]
impl IntegrationsInvitationEmail {
    /// Invite by e-mail
    ///
    /// Invites an address to an integration, and waits up to ten seconds for the mail provider's word. A pending
    /// invitation of that address is sent again instead of doubled. Where the provider refused, the invitation stays
    /// pending and is not sent again by itself; where it has not answered, delivery goes on.
    #[oai(
        path = "/api/v1/integrations/invitation_email",
        method = "post",
        operation_id = "integrations_invitation_email",
        tag = "Area::Integrations"
    )]
    async fn integrations_invitation_email(
        &self,
        request: &Request,
        _secured: Secured<Bearer>,
        body: Json<Params>,
        /// Makes a repeated request give the same answer, once done.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
    ) -> Reply<Answer<Invitation>> {
        reply(invite(&self.0, request, &body).await)
    }
}

async fn invite(service: &Service, request: &Request, body: &Json<Params>) -> Result<Done, Refused> {
    let mut call = Call::open(service, request, body.bytes(), &OPERATION)?;
    let number = call.params.required("id", values::number);
    let email = call.params.required("email", values::address);
    let call = call.admit().await?;
    call.settle_with(Allowed::Integrations, FindFaults::Integration { number, email: email.clone() }).await?;
    let case = Inviting(InviteToIntegration { number: read(number)?, email: read(email)? });
    let written = sending::perform(service, call.context(), case).await.map_err(|f| call.refuse(f))?;
    let invitation = made(written).map_err(|f| call.refuse(f))?;
    let tenant = &call.caller.tenant;
    said(word(service, tenant, &invitation).await.map_err(|f| call.refuse(f))?)?;
    let integration = service.bus.load(tenant, invitation.target).await.map_err(|f| call.refuse(f))?;
    let mut row = InvitationRow::from(&*invitation);
    row.email_status = mail::Status::Sent;
    Ok(Done::of(&Invitation::of(&row, &integration)))
}

struct Inviting(InviteToIntegration);

#[async_trait]
impl Asking for Inviting {
    type Aggregate = invitation::Invitation;

    async fn run(&self, unit: &mut dyn Unit) -> Result<Asked, Failure> {
        self.0.run(unit).await?;
        Ok(Asked { recipients: vec![self.0.email.clone()], invitations: 1 })
    }
}

/// The invitation that was made or sent again: the one of the unit that is
/// pending. Another one of the same address may have expired in it.
fn made(written: Written<invitation::Invitation>) -> Result<Arc<invitation::Invitation>, Failure> {
    let pending = written.all.into_iter().rev().find(|i| i.state == State::Pending);
    pending.ok_or_else(|| Failure::internal("inviting left no pending invitation"))
}

/// The provider's word on this sending. A repeated request may ask for it when
/// the invitation has been sent again since, or is over.
async fn word(service: &Service, tenant: &TenantName, invitation: &invitation::Invitation) -> Result<Word, Failure> {
    let now = service.bus.load::<invitation::Invitation>(tenant, invitation.id).await?;
    let wanted = now.generation == invitation.generation && now.is_pending(service.bus.now());
    let mail = MailRef {
        tenant: tenant.clone(),
        aggregate: invitation::Invitation::TYPE,
        id: invitation.id,
        number: u64::from(invitation.generation),
        part: 0,
    };
    Ok(sending::word(service, mail, wanted).await)
}

fn said(word: Word) -> Result<(), Refused> {
    let message = match word {
        Word::Sent => return Ok(()),
        Word::Refused(reason) => {
            format!("The e-mail was not sent ({}). The invitation stays pending.", reason.name())
        }
        Word::Open => "It is not known yet whether the e-mail was sent. The invitation is pending, and its delivery \
                       goes on."
            .to_owned(),
        Word::Off => "This service sends no e-mail at present: it waits until that is changed. The invitation is \
                      pending."
            .to_owned(),
    };
    Err(Refused::saying(Slug::MandrillEmailFailed, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::mail::Reason;

    #[test]
    fn a_refused_mail_and_an_open_one_are_told_apart() {
        assert_eq!(said(Word::Sent), Ok(()));
        let refused = said(Word::Refused(Reason::AddressInvalid)).unwrap_err();
        assert_eq!(refused.slug, Slug::MandrillEmailFailed);
        assert_eq!(refused.message, "The e-mail was not sent (address_invalid). The invitation stays pending.");
        let open = said(Word::Open).unwrap_err();
        assert_eq!(open.slug, Slug::MandrillEmailFailed);
        assert_eq!(
            open.message,
            "It is not known yet whether the e-mail was sent. The invitation is pending, and its delivery goes on."
        );
    }

    #[test]
    fn the_pending_invitation_is_answered_not_the_one_that_expired_on_the_way() {
        let of =
            |number: u32, state| Arc::new(invitation::Invitation { generation: number, state, ..Default::default() });
        let written = Written { all: vec![of(1, State::Expired), of(2, State::Pending)], wrote: true };
        let chosen = made(written).unwrap();
        assert_eq!(chosen.generation, 2);
    }
}
