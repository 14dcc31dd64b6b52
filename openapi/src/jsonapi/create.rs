//! `POST /api/v2/organizations/{organization}/invites`

use super::answers::Created;
use super::call::{self, Call};
use super::documents::CreateDocument;
use super::problem::Refused;
use super::{JsonApi, decode, encode, refusal};
use crate::Service;
use crate::wire::{self, Bearer, Body, HeaderParam, KeyText, PathParam, Reply, Secured};
use domain::TenantName;
use domain::invitation::Invitation;
use domain::use_cases::InviteToOrganization;
use poem::http::{HeaderValue, StatusCode};
use poem::{Request, Response};
use poem_openapi::OpenApi;
use projections::InvitationRow;
use std::sync::Arc;
use uuid::Uuid;

const OPERATION: &str = "createInvite";

pub(super) struct Create(pub Service);

#[OpenApi]
impl Create {
    /// Invite an address
    ///
    /// For the organization's admins and applications with the scope `invites`. Nobody gives a higher role than
    /// their own. A pending invite of the address, or its membership, is a conflict.
    #[oai(path = "/api/v2/organizations/:organization/invites", method = "post", operation_id = "createInvite")]
    async fn create(
        &self,
        request: &Request,
        _auth: Secured<Bearer>,
        organization: PathParam<Uuid>,
        /// The same key with the same request gets the same answer for 24 hours, and nothing is done twice.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
        body: Body<JsonApi, CreateDocument>,
    ) -> Reply<Created> {
        self.answer(request, &organization, &body).await.unwrap_or_else(Refused::respond).into()
    }
}

impl Create {
    async fn answer(
        &self,
        request: &Request,
        organization: &PathParam<Uuid>,
        body: &Body<JsonApi, CreateDocument>,
    ) -> Result<Response, Refused> {
        let call = Call::open_with_body(&self.0, request).await?;
        let organization = call::organization(organization)?;
        let read = decode::create(body.bytes()).and_then(|wanted| {
            let key = wire::idempotency(request, OPERATION, body.bytes().unwrap_or_default(), &self.0.identity);
            Ok((wanted, key.map_err(refusal::key)?))
        });
        let (wanted, key) = match read {
            Ok(read) => read,
            Err(refused) => {
                // Who may not invite here learns that first, whatever they sent.
                call.may_invite(organization).await?;
                return Err(refused);
            }
        };
        let recipients = [wanted.email.clone()];
        let case = InviteToOrganization {
            organization,
            id: wanted.id,
            email: wanted.email,
            role: wanted.role,
            updated_in_db_at: wanted.updated_in_db_at,
            message: None,
        };
        let mut context = call.context();
        context.idempotency = key;
        let made = wire::invite(&self.0, context, &recipients, case).await.map_err(refusal::too_many)?;
        let made: Arc<Invitation> = made.map_err(|failure| call.failure(failure))?;
        let row = InvitationRow::from(&*made);
        let mut response = encode::document(StatusCode::CREATED, call.with_code(&row));
        let mut location = format!("/api/v2/organizations/{organization}/invites/{}", row.public_id);
        // Who is of no tenant finds nothing of this one at a path that does not name it.
        let tenant = &call.caller.tenant;
        if call.caller.principal.tenant().is_none() && *tenant != TenantName::default_tenant() {
            location = format!("{location}?tenant={tenant}");
        }
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert("location", location);
        }
        Ok(response)
    }
}
