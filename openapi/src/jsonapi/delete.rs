//! `DELETE /api/v2/organizations/{organization}/invites/{invite}`

use super::answers::Deleted;
use super::call::{self, Call};
use super::problem::Refused;
use super::refusal::About;
use crate::Service;
use crate::wire::{Bearer, PathParam, Reply, Secured};
use domain::use_cases::CancelInvitation;
use poem::http::StatusCode;
use poem::{Request, Response};
use poem_openapi::OpenApi;
use uuid::Uuid;

pub(super) struct Delete(pub Service);

#[OpenApi]
impl Delete {
    /// Cancel an invite
    ///
    /// Its secrets are dead at once; it stays readable with who cancelled it. Cancelling again changes nothing.
    #[oai(
        path = "/api/v2/organizations/:organization/invites/:invite",
        method = "delete",
        operation_id = "deleteInvite"
    )]
    async fn delete(
        &self,
        request: &Request,
        _auth: Secured<Bearer>,
        organization: PathParam<Uuid>,
        invite: PathParam<Uuid>,
    ) -> Reply<Deleted> {
        self.answer(request, &organization, &invite).await.unwrap_or_else(Refused::respond).into()
    }
}

impl Delete {
    async fn answer(
        &self,
        request: &Request,
        organization: &PathParam<Uuid>,
        invite: &PathParam<Uuid>,
    ) -> Result<Response, Refused> {
        let call = Call::open(&self.0, request).await?;
        let (organization, invitation) = (call::organization(organization)?, call::invite(invite)?);
        let case = CancelInvitation { organization: Some(organization), invitation };
        call.perform(case, About::Inviting).await?;
        Ok(Response::builder().status(StatusCode::NO_CONTENT).finish())
    }
}
