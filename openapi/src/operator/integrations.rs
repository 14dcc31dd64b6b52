//! Integrations.

use super::Group;
use super::answers::{Changed, Made, Shown};
use super::asked::{IntegrationChange, NewIntegration};
use super::desk::{Json, Sent, Visit, answer, done, made};
use super::read::Query;
use super::refusal::No;
use super::resources::{Integration, IntegrationList};
use crate::Service;
use crate::wire::values::{name, short};
use crate::wire::{
    Bearer, Body, HeaderParam, KeyText, PageNumber, PageSize, PathParam, QueryParam, Reply, Secured, TenantText,
};
use domain::use_cases::{Allowed, CreateIntegration, UpdateIntegration};
use domain::{Root, Scope, What, integration};
use poem::Request;
use poem_openapi::OpenApi;
use projections::{IntegrationRow, ListQuery};
use std::sync::Arc;

pub(super) struct Integrations(pub Service);

const ALLOWED: Allowed = Allowed::Operate(Scope::Integrations);

impl Integrations {
    async fn find(&self, visit: &Visit<'_>, id: &PathParam<u64>) -> Result<Arc<integration::Integration>, No> {
        let not_found = || No::not_found(What::Integration);
        let number = id.text.parse::<u64>().map_err(|_| not_found())?;
        let found = self.0.bus.numbered(visit.tenant(), integration::Integration::TYPE, number).await?;
        Ok(self.0.bus.load(visit.tenant(), found.ok_or_else(not_found)?).await?)
    }
}

#[OpenApi(prefix_path = "/api/ledger", tag = "Group::Integrations")]
impl Integrations {
    /// List integrations
    #[oai(path = "/integrations", method = "get", operation_id = "listIntegrations")]
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
    ) -> Reply<Shown<IntegrationList>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            let mut query = Query::of(request);
            let (number, size) = query.page();
            query.finish()?;
            let query = ListQuery { number, size, ..ListQuery::default() };
            done(&IntegrationList::from(self.0.views.integrations(visit.tenant(), query, None).await?))
        })
        .await
    }

    /// Make an integration
    #[oai(path = "/integrations", method = "post", operation_id = "createIntegration")]
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
        body: Body<Json, NewIntegration>,
    ) -> Reply<Made<Integration>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let called = reader.required("name", name);
            let description = reader.optional("description", short);
            reader.finish()?;
            let context = visit.keyed("createIntegration", &sent.bytes)?;
            let case = CreateIntegration { name: called.unwrap_or_default(), description };
            let integration = visit.perform(context, case).await?;
            made(&Integration::from(&IntegrationRow::from(&*integration)))
        })
        .await
    }

    /// Show an integration
    #[oai(path = "/integrations/:id", method = "get", operation_id = "showIntegration")]
    async fn show(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<u64>,
    ) -> Reply<Shown<Integration>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            done(&Integration::from(&IntegrationRow::from(&*self.find(&visit, &id).await?)))
        })
        .await
    }

    /// Change an integration
    #[oai(path = "/integrations/:id", method = "patch", operation_id = "updateIntegration")]
    async fn update(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<u64>,
        body: Body<Json, IntegrationChange>,
    ) -> Reply<Changed<Integration>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let integration = self.find(&visit, &id).await?.id;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let called = reader.settable("name", name);
            let description = reader.patch("description", short);
            reader.finish()?;
            let case = UpdateIntegration { integration, name: called, description };
            let integration = visit.perform(visit.context(), case).await?;
            done(&Integration::from(&IntegrationRow::from(&*integration)))
        })
        .await
    }
}
