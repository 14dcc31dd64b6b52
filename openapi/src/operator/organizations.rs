//! Organizations and their members.

use super::Group;
use super::answers::{Changed, Made, Shown};
use super::asked::{MembershipChange, NewOrganization, OrganizationChange};
use super::desk::{Json, Sent, Visit, answer, done, made};
use super::invitations::ROLES;
use super::read::{Query, word};
use super::refusal::No;
use super::resources::{MemberList, MembershipNow, Organization, OrganizationList};
use crate::Service;
use crate::wire::values::{boolean, name};
use crate::wire::{
    Bearer, Body, HeaderParam, KeyText, PageNumber, PageSize, PathParam, QueryParam, Reply, Secured, TenantText,
};
use domain::use_cases::{Allowed, CreateOrganization, GrantMembership, RevokeMembership, UpdateOrganization};
use domain::{Scope, What, organization};
use poem::Request;
use poem_openapi::OpenApi;
use projections::OrganizationRow;
use std::sync::Arc;
use uuid::Uuid;

pub(super) struct Organizations(pub Service);

const ALLOWED: Allowed = Allowed::Operate(Scope::Organizations);

impl Organizations {
    async fn find(&self, visit: &Visit<'_>, id: &PathParam<Uuid>) -> Result<Arc<organization::Organization>, No> {
        let id = id.uuid().ok_or(No::not_found(What::Organization))?;
        let found: Arc<organization::Organization> = self.0.bus.load(visit.tenant(), id).await?;
        if found.exists() { Ok(found) } else { Err(No::not_found(What::Organization)) }
    }
}

#[OpenApi(prefix_path = "/api/ledger", tag = "Group::Organizations")]
impl Organizations {
    /// List organizations
    #[oai(path = "/organizations", method = "get", operation_id = "listOrganizations")]
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
    ) -> Reply<Shown<OrganizationList>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            let mut query = Query::of(request);
            let (page, size) = query.page();
            query.finish()?;
            done(&OrganizationList::from(self.0.views.organizations(visit.tenant(), page, size).await?))
        })
        .await
    }

    /// Make an organization
    #[oai(path = "/organizations", method = "post", operation_id = "createOrganization")]
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
        body: Body<Json, NewOrganization>,
    ) -> Reply<Made<Organization>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let called = reader.required("name", name);
            let bind_recipient = reader.optional("bind_recipient", boolean).unwrap_or(false);
            reader.finish()?;
            let context = visit.keyed("createOrganization", &sent.bytes)?;
            let case = CreateOrganization { name: called.unwrap_or_default(), bind_recipient };
            let organization = visit.perform(context, case).await?;
            made(&Organization::from(&OrganizationRow::from(&*organization)))
        })
        .await
    }

    /// Show an organization
    #[oai(path = "/organizations/:id", method = "get", operation_id = "showOrganization")]
    async fn show(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<Uuid>,
    ) -> Reply<Shown<Organization>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            done(&Organization::from(&OrganizationRow::from(&*self.find(&visit, &id).await?)))
        })
        .await
    }

    /// Change an organization
    #[oai(path = "/organizations/:id", method = "patch", operation_id = "updateOrganization")]
    async fn update(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<Uuid>,
        body: Body<Json, OrganizationChange>,
    ) -> Reply<Changed<Organization>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let organization = self.find(&visit, &id).await?.id;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let called = reader.settable("name", name);
            let bind_recipient = reader.settable("bind_recipient", boolean);
            reader.finish()?;
            let case = UpdateOrganization { organization, name: called, bind_recipient };
            let organization = visit.perform(visit.context(), case).await?;
            done(&Organization::from(&OrganizationRow::from(&*organization)))
        })
        .await
    }

    /// List an organization's members
    #[oai(path = "/organizations/:id/members", method = "get", operation_id = "listMembers")]
    async fn members(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<Uuid>,
        /// Counts from 1.
        #[oai(name = "page")]
        _page: QueryParam<Option<PageNumber>>,
        /// At most 100; 25 when it is missing.
        #[oai(name = "size")]
        _size: QueryParam<Option<PageSize>>,
    ) -> Reply<Shown<MemberList>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            let mut query = Query::of(request);
            let (page, size) = query.page();
            query.finish()?;
            let organization = self.find(&visit, &id).await?.id;
            done(&MemberList::from(self.0.views.members(visit.tenant(), organization, page, size).await?))
        })
        .await
    }

    /// Make a user a member, or change their role
    #[oai(path = "/organizations/:id/members/:user", method = "put", operation_id = "putMember")]
    async fn put_member(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<Uuid>,
        user: PathParam<Uuid>,
        body: Body<Json, MembershipChange>,
    ) -> Reply<Changed<MembershipNow>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let organization = self.find(&visit, &id).await?.id;
            let user = user.uuid().ok_or(No::not_found(What::User))?;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let role = reader.required("role", word(ROLES));
            reader.finish()?;
            let case = GrantMembership { organization, user, role: role.unwrap_or_default() };
            let membership = visit.perform(visit.context(), case).await?;
            done(&MembershipNow { organization, user, role: membership.role.map(|r| r.name().to_owned()) })
        })
        .await
    }

    /// End a membership
    ///
    /// Done twice, the second does nothing.
    #[oai(path = "/organizations/:id/members/:user", method = "delete", operation_id = "deleteMember")]
    async fn delete_member(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<Uuid>,
        user: PathParam<Uuid>,
    ) -> Reply<Changed<MembershipNow>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let organization = self.find(&visit, &id).await?.id;
            let user = user.uuid().ok_or(No::not_found(What::User))?;
            let membership = visit.perform(visit.context(), RevokeMembership { organization, user }).await?;
            done(&MembershipNow { organization, user, role: membership.role.map(|r| r.name().to_owned()) })
        })
        .await
    }
}
