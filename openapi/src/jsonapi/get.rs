//! `GET /api/v2/organizations/{organization}/invites/{invite}`

use super::answers::Got;
use super::call::{self, Call};
use super::encode;
use super::problem::Refused;
use crate::Service;
use crate::wire::{Bearer, PathParam, Reply, Secured};
use poem::http::StatusCode;
use poem::{Request, Response};
use poem_openapi::OpenApi;
use uuid::Uuid;

pub(super) struct Get(pub Service);

#[OpenApi]
impl Get {
    /// Show an invite
    ///
    /// In any state, for whoever may list the organization's invites.
    #[oai(path = "/api/v2/organizations/:organization/invites/:invite", method = "get", operation_id = "getInvite")]
    async fn get(
        &self,
        request: &Request,
        _auth: Secured<Bearer>,
        organization: PathParam<Uuid>,
        invite: PathParam<Uuid>,
    ) -> Reply<Got> {
        self.answer(request, &organization, &invite).await.unwrap_or_else(Refused::respond).into()
    }
}

impl Get {
    async fn answer(
        &self,
        request: &Request,
        organization: &PathParam<Uuid>,
        invite: &PathParam<Uuid>,
    ) -> Result<Response, Refused> {
        let call = Call::open(&self.0, request).await?;
        let (organization, invite) = (call::organization(organization)?, call::invite(invite)?);
        let codes = call.may_read(organization).await?;
        let row = call.find(organization, invite).await?;
        let shown = encode::invite(&row, codes.then(|| call.code(&row)), call.arrival.at);
        Ok(encode::document(StatusCode::OK, shown))
    }
}
