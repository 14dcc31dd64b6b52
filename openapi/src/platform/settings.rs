//! `/api/businesses/{BusinessID}/…`: what a business, here called tenant, lets
//! its users and its users' browsers do.

use super::answer::{Five, Refusals, Says, encoded};
use super::door::Door;
use super::fault::{Detail, Fault};
use super::schema::{BusinessSettings, SecuritySettings, SecuritySettingsChange, UserSettings, UserSettingsChange};
use super::{ByBrowserOrBearer, Tag, answered, door, switches};
use crate::Service;
use crate::wire::{Body, Caller, PathParam, QueryParam, Reply, Secured, arrival, query};
use domain::tenant::{Settings as TenantSettings, SettingsPatch, Tenant};
use domain::use_cases::{Allowed, ChangeSettings, Check};
use domain::{Scope, TenantName};
use identity::Principal;
use poem::Request;
use poem::http::StatusCode;
use poem_openapi::OpenApi;
use serde_json::{Map, Value};

/// Before the tenant's name in the long form of a business id.
const LONG_FORM: &str = "tenantbusiness.";

pub struct Settings {
    pub service: Service,
}

pub struct ReadRefused;

impl Refusals for ReadRefused {
    const STATUSES: &'static [u16] = &[400, 401, 403, 404, 406, 415, 500, 503];
}

pub struct WriteRefused;

impl Refusals for WriteRefused {
    const STATUSES: &'static [u16] = &[400, 401, 403, 404, 406, 413, 415, 500, 503];
}

#[OpenApi]
impl Settings {
    /// Read a business's settings
    ///
    /// Each part stands in the answer only when its flag is `true`.
    #[oai(
        path = "/api/businesses/:BusinessID/settings",
        method = "get",
        operation_id = "getBusinessSettings",
        tag = "Tag::Settings"
    )]
    async fn read(
        &self,
        request: &Request,
        /// The tenant's name, or `tenantbusiness.{tenant}`.
        #[oai(name = "BusinessID")]
        business: PathParam<String>,
        #[oai(name = "IncludeSecuritySettings")] _security: QueryParam<Option<bool>>,
        #[oai(name = "IncludeUserSettings")] _user: QueryParam<Option<bool>>,
        _secured: Secured<ByBrowserOrBearer>,
    ) -> Reply<Says<BusinessSettings, ReadRefused>> {
        answered(request, &self.service, false, async |media, door| {
            let settings = self.settings(request, door, &business.text).await?;
            let mut body = Map::new();
            let (security, user) = flags(query(request))?;
            if security {
                body.insert("SecuritySettings".to_owned(), switches::security(settings));
            }
            if user {
                body.insert("UserSettings".to_owned(), switches::user(settings));
            }
            Ok(encoded(media, arrival(request).at, StatusCode::OK, &Value::Object(body)))
        })
        .await
    }

    /// Read the user settings
    #[oai(
        path = "/api/businesses/:BusinessID/usersettings",
        method = "get",
        operation_id = "getUserSettings",
        tag = "Tag::Settings"
    )]
    async fn read_user(
        &self,
        request: &Request,
        /// The tenant's name, or `tenantbusiness.{tenant}`.
        #[oai(name = "BusinessID")]
        business: PathParam<String>,
        _secured: Secured<ByBrowserOrBearer>,
    ) -> Reply<Says<UserSettings, ReadRefused>> {
        answered(request, &self.service, false, async |media, door| {
            let settings = self.settings(request, door, &business.text).await?;
            Ok(encoded(media, arrival(request).at, StatusCode::OK, &switches::user(settings)))
        })
        .await
    }

    /// Change user settings
    ///
    /// Takes a part and answers with the whole. For administrators. It holds from this answer on.
    #[oai(
        path = "/api/businesses/:BusinessID/usersettings",
        method = "put",
        operation_id = "updateUserSettings",
        tag = "Tag::Settings"
    )]
    async fn change_user(
        &self,
        request: &Request,
        /// The tenant's name, or `tenantbusiness.{tenant}`.
        #[oai(name = "BusinessID")]
        business: PathParam<String>,
        body: Body<Five, UserSettingsChange>,
        _secured: Secured<ByBrowserOrBearer>,
    ) -> Reply<Says<UserSettings, WriteRefused>> {
        answered(request, &self.service, true, async |media, door| {
            let settings =
                self.change(request, door, &business.text, || switches::user_patch(&door::json(&body)?)).await?;
            Ok(encoded(media, arrival(request).at, StatusCode::OK, &switches::user(settings)))
        })
        .await
    }

    /// Read the security settings
    #[oai(
        path = "/api/businesses/:BusinessID/securitysettings",
        method = "get",
        operation_id = "getSecuritySettings",
        tag = "Tag::Settings"
    )]
    async fn read_security(
        &self,
        request: &Request,
        /// The tenant's name, or `tenantbusiness.{tenant}`.
        #[oai(name = "BusinessID")]
        business: PathParam<String>,
        _secured: Secured<ByBrowserOrBearer>,
    ) -> Reply<Says<SecuritySettings, ReadRefused>> {
        answered(request, &self.service, false, async |media, door| {
            let settings = self.settings(request, door, &business.text).await?;
            Ok(encoded(media, arrival(request).at, StatusCode::OK, &switches::security(settings)))
        })
        .await
    }

    /// Change security settings
    ///
    /// Takes a part and answers with the whole. For administrators. It holds from this answer on.
    /// `InviteUnregisteredUsers` is shown here and changed among the user settings.
    #[oai(
        path = "/api/businesses/:BusinessID/securitysettings",
        method = "put",
        operation_id = "updateSecuritySettings",
        tag = "Tag::Settings"
    )]
    async fn change_security(
        &self,
        request: &Request,
        /// The tenant's name, or `tenantbusiness.{tenant}`.
        #[oai(name = "BusinessID")]
        business: PathParam<String>,
        body: Body<Five, SecuritySettingsChange>,
        _secured: Secured<ByBrowserOrBearer>,
    ) -> Reply<Says<SecuritySettings, WriteRefused>> {
        answered(request, &self.service, true, async |media, door| {
            let settings =
                self.change(request, door, &business.text, || switches::security_patch(&door::json(&body)?)).await?;
            Ok(encoded(media, arrival(request).at, StatusCode::OK, &switches::security(settings)))
        })
        .await
    }
}

impl Settings {
    /// Whoever calls, in the business of the path.
    async fn enter(&self, door: &Door<'_>, business: &str) -> Result<Caller, Fault> {
        let named = tenant_of(business);
        let caller = door.enter(named.as_ref()).await?;
        // Foreign and unknown are the same word.
        if named.as_ref() == Some(&caller.tenant) { Ok(caller) } else { Err(Fault::NoBusiness) }
    }

    async fn settings(&self, request: &Request, door: &Door<'_>, business: &str) -> Result<TenantSettings, Fault> {
        let caller = self.enter(door, business).await?;
        let allowed = match caller.principal {
            Principal::Application { .. } => Allowed::Operate(Scope::Settings),
            Principal::User(_) | Principal::Deployment => Allowed::User,
        };
        self.service.bus.perform(caller.context(request), Check(allowed)).await?;
        Ok(self.service.bus.load::<Tenant>(&caller.tenant, caller.tenant.id()).await?.settings)
    }

    /// Permission comes before parameters that are at fault: the use case asks
    /// again when it writes.
    async fn change(
        &self,
        request: &Request,
        door: &Door<'_>,
        business: &str,
        patch: impl FnOnce() -> Result<SettingsPatch, Fault>,
    ) -> Result<TenantSettings, Fault> {
        let caller = self.enter(door, business).await?;
        let context = caller.context(request);
        self.service.bus.perform(context.clone(), Check(Allowed::Operate(Scope::Settings))).await?;
        let case = ChangeSettings { changes: patch()? };
        Ok(self.service.bus.perform(context, case).await?.settings)
    }
}

/// The tenant that a business id means.
fn tenant_of(business: &str) -> Option<TenantName> {
    TenantName::parse(business.strip_prefix(LONG_FORM).unwrap_or(business)).ok()
}

/// `IncludeSecuritySettings` and `IncludeUserSettings`; other parameters are not looked at.
fn flags(parameters: Vec<(String, String)>) -> Result<(bool, bool), Fault> {
    let mut faults = vec![];
    let mut flag = |name: &str| {
        let mut given = parameters.iter().filter(|(n, _)| n == name).map(|(_, value)| value.to_ascii_lowercase());
        match (given.next().as_deref(), given.next()) {
            (None | Some("false"), None) => false,
            (Some("true"), None) => true,
            (_, Some(_)) | (Some(_), None) => {
                faults.push(Detail::new(name, "must be true or false, once"));
                false
            }
        }
    };
    let both = (flag("IncludeSecuritySettings"), flag("IncludeUserSettings"));
    if faults.is_empty() { Ok(both) } else { Err(Fault::Parameters(faults)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_business_is_a_tenant_under_either_form_of_its_id() {
        let named = |text| tenant_of(text).map(|tenant| tenant.to_string());
        assert_eq!(named("acme").as_deref(), Some("acme"));
        assert_eq!(named("tenantbusiness.acme").as_deref(), Some("acme"));
        for wrong in ["", "tenantbusiness.", "Acme", "tenantbusiness.tenantbusiness.acme", "acme."] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn flags_are_off_unless_they_are_true() {
        let read = |pairs: &[(&str, &str)]| {
            flags(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()).map_err(|f| f.to_string())
        };
        assert_eq!(read(&[]), Ok((false, false)));
        assert_eq!(read(&[("IncludeSecuritySettings", "True"), ("x", "y")]), Ok((true, false)));
        assert_eq!(read(&[("IncludeSecuritySettings", "false"), ("IncludeUserSettings", "true")]), Ok((false, true)));
        assert!(read(&[("IncludeUserSettings", "yes")]).is_err());
        assert!(read(&[("IncludeUserSettings", "true"), ("IncludeUserSettings", "true")]).is_err());
    }
}
