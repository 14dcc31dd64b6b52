//! `PATCH /api/v2/organizations/{organization}/invites/{invite}`

use super::answers::Changed;
use super::call::{self, Call};
use super::documents::UpdateDocument;
use super::problem::Refused;
use super::refusal::About;
use super::{JsonApi, decode, encode};
use crate::Service;
use crate::wire::{Bearer, Body, PathParam, Reply, Secured};
use domain::use_cases::UpdateInvitation;
use poem::http::StatusCode;
use poem::{Request, Response};
use poem_openapi::OpenApi;
use projections::InvitationRow;
use uuid::Uuid;

pub(super) struct Patch(pub Service);

#[OpenApi]
impl Patch {
    /// Change an invite
    ///
    /// Pending ones only: what it makes of the user, and the client's own time of change.
    #[oai(
        path = "/api/v2/organizations/:organization/invites/:invite",
        method = "patch",
        operation_id = "updateInvite"
    )]
    async fn patch(
        &self,
        request: &Request,
        _auth: Secured<Bearer>,
        organization: PathParam<Uuid>,
        invite: PathParam<Uuid>,
        body: Body<JsonApi, UpdateDocument>,
    ) -> Reply<Changed> {
        self.answer(request, (&organization, &invite), &body).await.unwrap_or_else(Refused::respond).into()
    }
}

impl Patch {
    async fn answer(
        &self,
        request: &Request,
        (organization, invite): (&PathParam<Uuid>, &PathParam<Uuid>),
        body: &Body<JsonApi, UpdateDocument>,
    ) -> Result<Response, Refused> {
        let call = Call::open_with_body(&self.0, request).await?;
        let (organization, invitation) = (call::organization(organization)?, call::invite(invite)?);
        let change = match decode::change(body.bytes(), invitation) {
            Ok(change) => change,
            Err(refused) => {
                // Who may not, or names nothing, learns that first.
                call.may_invite(organization).await?;
                call.find(organization, invitation).await?;
                return Err(refused);
            }
        };
        let case =
            UpdateInvitation { organization, invitation, role: change.role, updated_in_db_at: change.updated_in_db_at };
        let changed = call.perform(case, About::Inviting).await?;
        Ok(encode::document(StatusCode::OK, call.with_code(&InvitationRow::from(&*changed))))
    }
}
