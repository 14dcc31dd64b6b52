//! What all operations begin with: media types, caller, path, rights.

use super::problem::Refused;
use super::refusal::{self, About};
use super::{encode, negotiate};
use crate::Service;
use crate::wire::{Arrival, Caller, PathParam, arrival, caller};
use domain::use_cases::{Allowed, Check};
use domain::{Context, Failure, Refusal, UseCase, What};
use poem::Request;
use projections::InvitationRow;
use uuid::Uuid;

/// A request whose caller is known.
pub(super) struct Call<'r> {
    pub service: &'r Service,
    pub request: &'r Request,
    pub arrival: &'r Arrival,
    pub caller: Caller,
}

impl<'r> Call<'r> {
    /// # Errors
    /// 406, 401.
    pub(super) async fn open(service: &'r Service, request: &'r Request) -> Result<Self, Refused> {
        negotiate::wanted(request)?;
        Self::known(service, request).await
    }

    async fn known(service: &'r Service, request: &'r Request) -> Result<Self, Refused> {
        let arrival = arrival(request);
        let caller = caller(request, service).await.map_err(|error| refusal::nobody(arrival, error))?;
        Ok(Self { service, request, arrival, caller })
    }

    /// [`Call::open`] for operations that take a body.
    ///
    /// # Errors
    /// 406, 415, 401.
    pub(super) async fn open_with_body(service: &'r Service, request: &'r Request) -> Result<Self, Refused> {
        negotiate::wanted(request)?;
        negotiate::brought(request)?;
        Self::known(service, request).await
    }

    pub(super) fn context(&self) -> Context {
        self.caller.context(self.request)
    }

    pub(super) fn failure(&self, failure: Failure) -> Refused {
        refusal::failure(self.arrival, failure, About::Inviting)
    }

    pub(super) async fn perform<C: UseCase>(&self, case: C, about: About) -> Result<C::Output, Refused> {
        let result = self.service.bus.perform(self.context(), case).await;
        result.map_err(|failure| refusal::failure(self.arrival, failure, about))
    }

    async fn allowed(&self, what: Allowed) -> Result<(), Failure> {
        self.service.bus.perform(self.context(), Check(what)).await
    }

    /// # Errors
    /// 403, 404 for whoever may not invite to this organization.
    pub(super) async fn may_invite(&self, organization: Uuid) -> Result<(), Refused> {
        self.allowed(Allowed::Organization(organization)).await.map_err(|failure| self.failure(failure))
    }

    /// Whether the caller sees codes.
    ///
    /// # Errors
    /// 403, 404 for whoever may not read this organization's invites.
    pub(super) async fn may_read(&self, organization: Uuid) -> Result<bool, Refused> {
        match self.allowed(Allowed::Organization(organization)).await {
            Ok(()) => return Ok(true),
            Err(Failure::Refused(Refusal::NotPermitted)) => {}
            Err(other) => return Err(self.failure(other)),
        }
        let read = self.allowed(Allowed::ReadOrganization(organization)).await;
        read.map(|()| false).map_err(|failure| self.failure(failure))
    }

    /// The invite as the views have it.
    ///
    /// # Errors
    /// 404, 503.
    pub(super) async fn find(&self, organization: Uuid, invite: Uuid) -> Result<InvitationRow, Refused> {
        let found = self.service.views.invitation_in(&self.caller.tenant, organization, invite).await;
        let found = found.map_err(|failure| self.failure(failure))?;
        found.ok_or_else(|| refusal::not_found(What::Invitation))
    }

    /// The resource with its code, for a caller who may invite.
    pub(super) fn with_code(&self, row: &InvitationRow) -> super::documents::Invite {
        encode::invite(row, Some(self.code(row)), self.arrival.at)
    }

    pub(super) fn code(&self, row: &InvitationRow) -> String {
        self.service.identity.secrets().code(&row.tenant, row.id, row.generation)
    }
}

/// # Errors
/// 404: what is no UUID names nothing.
pub(super) fn organization(id: &PathParam<Uuid>) -> Result<Uuid, Refused> {
    id.uuid().ok_or_else(|| refusal::not_found(What::Organization))
}

/// # Errors
/// 404: what is no UUID names nothing.
pub(super) fn invite(id: &PathParam<Uuid>) -> Result<Uuid, Refused> {
    id.uuid().ok_or_else(|| refusal::not_found(What::Invitation))
}
