//! `PUT /api/v2/organizations/{organization}/invites/{invite}/accept`
//!
//! Once five wrong codes have locked the invite for a caller, every further
//! try is 423, right or wrong: the lock would else tell which it was.

use super::answers::Accepted;
use super::call::{self, Call};
use super::documents::AcceptDocument;
use super::problem::Refused;
use super::refusal::{self, About};
use super::{JsonApi, decode, encode};
use crate::Service;
use crate::wire::{Bearer, Body, PathParam, Reply, Secured};
use domain::Refusal;
use domain::use_cases::AcceptInvitation;
use identity::{Principal, Secrets};
use poem::http::StatusCode;
use poem::{Request, Response};
use poem_openapi::OpenApi;
use projections::InvitationRow;
use uuid::Uuid;

pub(super) struct Accept(pub Service);

#[OpenApi]
impl Accept {
    /// Accept an invite
    ///
    /// For any logged-in user who shows its code, or the secret of its mail: makes them a member with
    /// `invite_user_as`. The same user again gets the same answer.
    #[oai(
        path = "/api/v2/organizations/:organization/invites/:invite/accept",
        method = "put",
        operation_id = "acceptInvite"
    )]
    async fn accept(
        &self,
        request: &Request,
        _auth: Secured<Bearer>,
        organization: PathParam<Uuid>,
        invite: PathParam<Uuid>,
        body: Body<JsonApi, AcceptDocument>,
    ) -> Reply<Accepted> {
        self.answer(request, (&organization, &invite), &body).await.unwrap_or_else(Refused::respond).into()
    }
}

impl Accept {
    async fn answer(
        &self,
        request: &Request,
        (organization, invite): (&PathParam<Uuid>, &PathParam<Uuid>),
        body: &Body<JsonApi, AcceptDocument>,
    ) -> Result<Response, Refused> {
        let call = Call::open_with_body(&self.0, request).await?;
        match call.caller.principal {
            Principal::User(_) => {}
            Principal::Deployment | Principal::Application { .. } => {
                return Err(refusal::refused(Refusal::UsersOnly, About::Accepting));
            }
        }
        let (organization, invitation) = (call::organization(organization)?, call::invite(invite)?);
        let code = match decode::code(body.bytes(), invitation) {
            Ok(code) => code,
            Err(refused) => {
                // What is not there is not there, whatever was sent.
                call.find(organization, invitation).await?;
                return Err(refused);
            }
        };
        let case = AcceptInvitation { invitation, organization: Some(organization), digest: Secrets::digest_of(&code) };
        let accepted = call.perform(case, About::Accepting).await?;
        let shown = encode::invite(&InvitationRow::from(&*accepted), Some(code), call.arrival.at);
        Ok(encode::document(StatusCode::OK, shown))
    }
}
