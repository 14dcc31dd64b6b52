//! Tenants and their settings.

use super::Group;
use super::answers::{Changed, Made, Shown};
use super::asked::{NewTenant, SettingsChange};
use super::desk::{Json, Sent, Visit, answer, done, made};
use super::read::Query;
use super::refusal::No;
use super::resources::{Tenant, TenantList, TenantSettings};
use crate::Service;
use crate::wire::values::{boolean, integer, string};
use crate::wire::{
    Bearer, Body, HeaderParam, KeyText, PageNumber, PageSize, PathParam, QueryParam, Reply, Secured, TenantText,
};
use domain::tenant::SettingsPatch;
use domain::use_cases::{Allowed, ChangeSettings, CreateTenant};
use domain::{Scope, TenantName, What, tenant};
use identity::Principal;
use poem::Request;
use poem_openapi::OpenApi;
use projections::TenantRow;
use std::sync::Arc;

pub(super) struct Tenants(pub Service);

#[OpenApi(prefix_path = "/api/ledger", tag = "Group::Tenants")]
impl Tenants {
    /// List tenants
    ///
    /// For the deployment's own principal.
    #[oai(path = "/tenants", method = "get", operation_id = "listTenants")]
    async fn list(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// Counts from 1.
        #[oai(name = "page")]
        _page: QueryParam<Option<PageNumber>>,
        /// At most 100; 25 when it is missing.
        #[oai(name = "size")]
        _size: QueryParam<Option<PageSize>>,
    ) -> Reply<Shown<TenantList>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(Allowed::Deploy).await?;
            let mut query = Query::of(request);
            let (page, size) = query.page();
            query.finish()?;
            done(&TenantList::from(self.0.views.tenants(page, size).await?))
        })
        .await
    }

    /// Make a tenant
    ///
    /// For the deployment's own principal.
    #[oai(path = "/tenants", method = "post", operation_id = "createTenant")]
    async fn create(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// The same key and body within 24 hours give the same answer, and nothing is done twice.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
        body: Body<Json, NewTenant>,
    ) -> Reply<Made<Tenant>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(Allowed::Deploy).await?;
            Query::of(request).finish()?;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let name = reader.required("name", |v| TenantName::parse(&string(v)?).map_err(ToOwned::to_owned));
            reader.finish()?;
            let mut context = visit.keyed("createTenant", &sent.bytes)?;
            context.tenant = name.ok_or(No::NotAnObject)?;
            let tenant: Arc<tenant::Tenant> = visit.perform(context, CreateTenant {}).await?;
            made(&Tenant::from(&TenantRow::from(&*tenant)))
        })
        .await
    }

    /// Show a tenant
    #[oai(path = "/tenants/:name", method = "get", operation_id = "showTenant")]
    async fn show(&self, request: &Request, _caller: Secured<Bearer>, name: PathParam<String>) -> Reply<Shown<Tenant>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(Allowed::Operate(Scope::Settings)).await?;
            Query::of(request).finish()?;
            let name = TenantName::parse(&name.text).map_err(|_| No::not_found(What::Tenant))?;
            if !matches!(visit.caller.principal, Principal::Deployment) && name != *visit.tenant() {
                return Err(No::not_found(What::Tenant));
            }
            let tenant: Arc<tenant::Tenant> = self.0.bus.load(&name, name.id()).await?;
            if !tenant.exists() {
                return Err(No::not_found(What::Tenant));
            }
            done(&Tenant::from(&TenantRow::from(&*tenant)))
        })
        .await
    }

    /// Show a tenant's settings
    #[oai(path = "/settings", method = "get", operation_id = "showSettings")]
    async fn settings(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
    ) -> Reply<Shown<TenantSettings>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(Allowed::Operate(Scope::Settings)).await?;
            Query::of(request).finish()?;
            let name = visit.tenant();
            let tenant: Arc<tenant::Tenant> = self.0.bus.load(name, name.id()).await?;
            done(&TenantSettings::from(tenant.settings))
        })
        .await
    }

    /// Change a tenant's settings
    ///
    /// What is not named stays as it is; the answer is the whole.
    #[oai(path = "/settings", method = "patch", operation_id = "changeSettings")]
    async fn change_settings(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        body: Body<Json, SettingsChange>,
    ) -> Reply<Changed<TenantSettings>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(Allowed::Operate(Scope::Settings)).await?;
            Query::of(request).finish()?;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let changes = SettingsPatch {
                read_csrf: reader.settable("read_csrf", boolean),
                write_csrf: reader.settable("write_csrf", boolean),
                invite_unregistered: reader.settable("invite_unregistered", boolean),
                valid_days: reader.settable("valid_days", |v| {
                    u32::try_from(integer(v)?).map_err(|_| format!("must be 1 to {}", tenant::MAX_VALID_DAYS))
                }),
            };
            reader.finish()?;
            let tenant = visit.perform(visit.context(), ChangeSettings { changes }).await?;
            done(&TenantSettings::from(tenant.settings))
        })
        .await
    }
}
