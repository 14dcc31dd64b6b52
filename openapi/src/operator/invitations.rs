//! Invitations of all three kinds, as operators see them.

use super::Group;
use super::answers::{Changed, Made, Shown};
use super::asked::NewInvitation;
use super::desk::{Json, Sent, Visit, answer, done, made};
use super::inviting::Draft;
use super::read::Query;
use super::refusal::No;
use super::resources::{
    History, Invitation, InvitationKind, InvitationList, InvitationTarget, InvitedAddress, LogEvent, PageInfo,
    StateFilter,
};
use crate::Service;
use crate::wire::values::{address, uuid};
use crate::wire::{
    Bearer, Body, EmailText, HeaderParam, KeyText, Number, PageNumber, PageSize, PathParam, QueryParam, Reply, Secured,
    TenantText, invite,
};
use domain::invitation::{Kind, Role, State};
use domain::use_cases::{Allowed, CancelInvitation, ExpireInvitation, ResendInvitation};
use domain::{Actor, Channel, Root, Scope, What, integration, invitation, organization};
use identity::Principal;
use poem::Request;
use poem_openapi::OpenApi;
use projections::{InvitationQuery, InvitationRow};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

pub(super) struct Invitations(pub Service);

const ALLOWED: Allowed = Allowed::Operate(Scope::Invites);
/// Invitations that one list has expired before it answers.
const MAX_SWEPT: usize = 1_000;

pub(super) const ROLES: &[(&str, Role)] = &[("member", Role::Member), ("admin", Role::Admin)];
pub(super) const KINDS: &[(&str, Kind)] =
    &[("integration", Kind::Integration), ("organization", Kind::Organization), ("platform", Kind::Platform)];
const STATES: &[(&str, Option<State>)] = &[
    ("pending", Some(State::Pending)),
    ("accepted", Some(State::Accepted)),
    ("cancelled", Some(State::Cancelled)),
    ("declined", Some(State::Declined)),
    ("expired", Some(State::Expired)),
    ("all", None),
];

impl Invitations {
    async fn find(&self, visit: &Visit<'_>, id: &PathParam<Uuid>) -> Result<Arc<invitation::Invitation>, No> {
        let id = id.uuid().ok_or(No::not_found(What::Invitation))?;
        let found: Arc<invitation::Invitation> = self.0.bus.load(visit.tenant(), id).await?;
        if found.exists() { Ok(found) } else { Err(No::not_found(What::Invitation)) }
    }

    async fn shown(&self, row: &InvitationRow) -> Result<Invitation, No> {
        let target = match row.kind {
            Kind::Platform => InvitationTarget { id: row.tenant.to_string(), name: Some(row.tenant.to_string()) },
            Kind::Organization => {
                let found: Arc<organization::Organization> = self.0.bus.load(&row.tenant, row.target).await?;
                InvitationTarget { id: row.target.to_string(), name: Some(found.name.clone()) }
            }
            Kind::Integration => {
                let found: Arc<integration::Integration> = self.0.bus.load(&row.tenant, row.target).await?;
                InvitationTarget { id: found.number.to_string(), name: Some(found.name.clone()) }
            }
        };
        Ok(Invitation::of(row, target, self.0.bus.now()))
    }

    async fn shown_now(&self, invitation: &invitation::Invitation) -> Result<Invitation, No> {
        self.shown(&InvitationRow::from(invitation)).await
    }

    /// State is by the clock in every answer: what is due is expired in the log
    /// before it is listed, so that rows, filters and counts agree.
    async fn sweep(&self, visit: &Visit<'_>, target: Option<Uuid>) -> Result<(), No> {
        let now = self.0.bus.now();
        let due = self.0.views.due_invitations(Some(visit.tenant()), target, now, MAX_SWEPT).await?;
        for (tenant, invitation) in due {
            let mut context = visit.context();
            context.tenant = tenant;
            context.actor = Actor::System;
            context.channel = Channel::Sweeper;
            visit.perform(context, ExpireInvitation { invitation }).await?;
        }
        Ok(())
    }
}

#[OpenApi(prefix_path = "/api/ledger", tag = "Group::Invitations")]
impl Invitations {
    /// List invitations
    ///
    /// Newest first.
    #[oai(path = "/invitations", method = "get", operation_id = "listInvitations")]
    async fn list(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// Counts from 1.
        #[oai(name = "page")]
        _page: QueryParam<Option<PageNumber>>,
        /// At most 100; 25 when it is missing.
        #[oai(name = "size")]
        _size: QueryParam<Option<PageSize>>,
        /// Only those to this kind of thing.
        #[oai(name = "kind")]
        _kind: QueryParam<Option<InvitationKind>>,
        /// Only those in this state; `pending` when it is missing.
        #[oai(name = "state")]
        _state: QueryParam<Option<StateFilter>>,
        /// Only those to this organization.
        #[oai(name = "organization")]
        _organization: QueryParam<Option<Uuid>>,
        /// Only those to this integration.
        #[oai(name = "integration")]
        _integration: QueryParam<Option<Number>>,
        /// Only those of this address.
        #[oai(name = "email")]
        _email: QueryParam<Option<EmailText>>,
    ) -> Reply<Shown<InvitationList>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            let mut query = Query::of(request);
            let (page, per_page) = query.page();
            let kind = query.word("kind", KINDS);
            let state = query.word("state", STATES).unwrap_or(Some(State::Pending));
            let organization = query.optional("organization", |text| uuid(&Value::from(text)));
            let number = query.optional("integration", |t| super::read::whole::<u64>(t, 1, u64::MAX));
            let address = query.optional("email", |text| address(&Value::from(text)));
            query.finish()?;
            let integration = match number {
                Some(number) => {
                    let found = self.0.bus.numbered(visit.tenant(), integration::Integration::TYPE, number).await?;
                    Some(found.ok_or(No::not_found(What::Integration))?)
                }
                None => None,
            };
            let target = organization.or(integration);
            self.sweep(&visit, target).await?;
            let query = InvitationQuery { kind, target, state, address, invited_by: None, page, per_page };
            let found = self.0.views.invitations(visit.tenant(), query).await?;
            let mut items = vec![];
            for row in &found.rows {
                items.push(self.shown(row).await?);
            }
            done(&InvitationList { items, page: PageInfo::of(&found) })
        })
        .await
    }

    /// Invite an address
    ///
    /// To an integration or the platform a pending invitation of the address is
    /// sent again instead of doubled; to an organization it is a conflict.
    #[oai(path = "/invitations", method = "post", operation_id = "createInvitation")]
    async fn create(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// The same key and body within 24 hours give the same answer, and nothing is done twice.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
        body: Body<Json, NewInvitation>,
    ) -> Reply<Made<InvitedAddress>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let sent = Sent::of(request, &body)?;
            let draft = Draft::read(&sent)?;
            let context = visit.keyed("createInvitation", &sent.bytes)?;
            let invitation = match draft.perform(&self.0, context).await? {
                Some(invitation) => Some(self.shown_now(&invitation).await?),
                None => None,
            };
            made(&InvitedAddress { invitation })
        })
        .await
    }

    /// Show an invitation
    #[oai(path = "/invitations/:id", method = "get", operation_id = "showInvitation")]
    async fn show(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<Uuid>,
    ) -> Reply<Shown<Invitation>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            done(&self.shown_now(&*self.find(&visit, &id).await?).await?)
        })
        .await
    }

    /// Take an invitation back
    ///
    /// Done twice, the second does nothing.
    #[oai(path = "/invitations/:id/cancel", method = "post", operation_id = "cancelInvitation")]
    async fn cancel(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// The same key within 24 hours gives the same answer.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
        id: PathParam<Uuid>,
    ) -> Reply<Changed<Invitation>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let invitation = self.find(&visit, &id).await?.id;
            let context = visit.keyed("cancelInvitation", &[])?;
            let after = visit.perform(context, CancelInvitation { organization: None, invitation }).await?;
            done(&self.shown_now(&after).await?)
        })
        .await
    }

    /// Send a pending invitation again
    ///
    /// The link and code sent before are dead at once. At most once a minute.
    #[oai(path = "/invitations/:id/resend", method = "post", operation_id = "resendInvitation")]
    async fn resend(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// The same key within 24 hours gives the same answer, and nothing is sent twice.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
        id: PathParam<Uuid>,
    ) -> Reply<Changed<Invitation>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let before = self.find(&visit, &id).await?;
            let context = visit.keyed("resendInvitation", &[])?;
            let recipients: Vec<_> = before.email.iter().cloned().collect();
            let case = ResendInvitation { invitation: before.id };
            let after = invite(&self.0, context, &recipients, case).await.map_err(No::TooMany)??;
            done(&self.shown_now(&after).await?)
        })
        .await
    }

    /// Show what happened to an invitation
    ///
    /// All its events, oldest first, without personal members.
    #[oai(path = "/invitations/:id/events", method = "get", operation_id = "listInvitationEvents")]
    async fn events(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<Uuid>,
    ) -> Reply<Shown<History>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(Allowed::Operate(Scope::Audit)).await?;
            Query::of(request).finish()?;
            let invitation = self.find(&visit, &id).await?.id;
            let kind = invitation::Invitation::TYPE;
            let events = self.0.powers.history(visit.tenant(), kind, invitation, false).await?;
            let positions = matches!(visit.caller.principal, Principal::Deployment);
            done(&History { items: events.into_iter().map(|event| LogEvent::told(event, positions)).collect() })
        })
        .await
    }
}
