//! Applications: programs that call with a token of their own.

use super::Group;
use super::answers::{Changed, Made, Shown};
use super::asked::{ApplicationChange, NewApplication};
use super::desk::{Json, Sent, Visit, answer, done, made};
use super::read::Query;
use super::refusal::No;
use super::resources::{Application, ApplicationList, NewApplicationToken};
use crate::Service;
use crate::wire::values::{Read, name};
use crate::wire::{
    Bearer, Body, HeaderParam, KeyText, PageNumber, PageSize, PathParam, QueryParam, Reply, Secured, TenantText,
};
use domain::use_cases::{Allowed, CreateApplication, RevokeApplication, UpdateApplication};
use domain::{Context, Failure, Scope, What, application};
use poem::Request;
use poem_openapi::OpenApi;
use projections::ApplicationRow;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

pub(super) struct Applications(pub Service);

const ALLOWED: Allowed = Allowed::Operate(Scope::Operate);

fn scopes(value: &Value) -> Read<BTreeSet<Scope>> {
    let items = value.as_array().ok_or("must be an array")?;
    let scopes: BTreeSet<Scope> = items
        .iter()
        .map(|item| item.as_str().and_then(|text| text.parse().ok()).ok_or_else(unknown_scope))
        .collect::<Read<_>>()?;
    if scopes.is_empty() { Err(unknown_scope()) } else { Ok(scopes) }
}

fn unknown_scope() -> String {
    format!("must name at least one of {}", Scope::ALL.map(Scope::name).join(", "))
}

fn shown(application: &application::Application) -> Application {
    Application::from(&ApplicationRow::from(application))
}

impl Applications {
    async fn find(&self, visit: &Visit<'_>, id: &PathParam<Uuid>) -> Result<Arc<application::Application>, No> {
        let id = id.uuid().ok_or(No::not_found(What::Application))?;
        let found: Arc<application::Application> = self.0.bus.load(visit.tenant(), id).await?;
        if found.exists() { Ok(found) } else { Err(No::not_found(What::Application)) }
    }

    /// The token's digest is kept before the application exists, so that
    /// whoever sees the application can call; without it the token is nobody's.
    async fn make(&self, context: Context, name: String, scopes: BTreeSet<Scope>) -> Result<NewApplicationToken, No> {
        let id = Uuid::now_v7();
        let token = self.0.identity.new_application_token(&context.tenant, id).await?;
        let result = self.0.bus.perform(context, CreateApplication { application: id, name, scopes }).await;
        // It may have landed: then the token must still be known.
        let is_there = result.as_ref().map_or_else(Failure::may_have_landed, |made| made.id == id);
        if !is_there {
            self.0.identity.forget_application(id).await?;
        }
        let token = is_there.then(|| token.reveal().to_owned());
        Ok(NewApplicationToken { application: shown(&*result?), token })
    }
}

#[OpenApi(prefix_path = "/api/ledger", tag = "Group::Applications")]
impl Applications {
    /// List applications
    #[oai(path = "/applications", method = "get", operation_id = "listApplications")]
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
    ) -> Reply<Shown<ApplicationList>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            let mut query = Query::of(request);
            let (page, size) = query.page();
            query.finish()?;
            done(&ApplicationList::from(self.0.views.applications(visit.tenant(), page, size).await?))
        })
        .await
    }

    /// Make an application
    ///
    /// For people: an application makes no application. The token is shown this
    /// once.
    #[oai(path = "/applications", method = "post", operation_id = "createApplication")]
    async fn create(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// The same key and body within 24 hours give the same application, without its token.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
        body: Body<Json, NewApplication>,
    ) -> Reply<Made<NewApplicationToken>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let called = reader.required("name", name);
            let scopes = reader.required("scopes", scopes);
            reader.finish()?;
            let context = visit.keyed("createApplication", &sent.bytes)?;
            made(&self.make(context, called.unwrap_or_default(), scopes.unwrap_or_default()).await?)
        })
        .await
    }

    /// Show an application
    #[oai(path = "/applications/:id", method = "get", operation_id = "showApplication")]
    async fn show(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<Uuid>,
    ) -> Reply<Shown<Application>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            done(&shown(&*self.find(&visit, &id).await?))
        })
        .await
    }

    /// Change an application's name or scopes
    #[oai(path = "/applications/:id", method = "patch", operation_id = "updateApplication")]
    async fn update(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<Uuid>,
        body: Body<Json, ApplicationChange>,
    ) -> Reply<Changed<Application>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let application = self.find(&visit, &id).await?.id;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let called = reader.settable("name", name);
            let scopes = reader.settable("scopes", scopes);
            reader.finish()?;
            let case = UpdateApplication { application, name: called, scopes };
            done(&shown(&*visit.perform(visit.context(), case).await?))
        })
        .await
    }

    /// End an application's rights, for ever
    ///
    /// Done twice, the second does nothing.
    #[oai(path = "/applications/:id/revoke", method = "post", operation_id = "revokeApplication")]
    async fn revoke(
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
    ) -> Reply<Changed<Application>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let application = self.find(&visit, &id).await?.id;
            let context = visit.keyed("revokeApplication", &[])?;
            let revoked = visit.perform(context, RevokeApplication { application }).await?;
            self.0.identity.forget_application(application).await?;
            done(&shown(&revoked))
        })
        .await
    }
}
