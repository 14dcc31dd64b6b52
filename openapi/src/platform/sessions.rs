//! `/api/login`, `/api/login/renewToken`, `/api/logout`: sessions by cookie.

use super::answer::{Five, Media, Refusals, Says, encoded};
use super::fault::{Detail, Fault};
use super::schema::{Empty, LoginRequest, LoginResponse};
use super::{ByBrowserOrBearer, Tag, answered, door};
use crate::Service;
use crate::wire::{Body, Member, Reply, Secured, arrival};
use domain::{Failure, Refusal, TenantName};
use identity::{LogIn, LogInError, Session, cookies};
use poem::http::StatusCode;
use poem::{Request, Response};
use poem_openapi::OpenApi;
use serde_json::{Value, json};

pub struct Sessions {
    pub service: Service,
}

pub struct LoginRefused;

impl Refusals for LoginRefused {
    const STATUSES: &'static [u16] = &[400, 401, 403, 406, 413, 415, 429, 500, 503];
    const COOKIES: bool = true;
}

pub struct RenewRefused;

impl Refusals for RenewRefused {
    const STATUSES: &'static [u16] = &[400, 401, 403, 406, 415, 500, 503];
    const COOKIES: bool = true;
}

#[OpenApi]
impl Sessions {
    /// Log in
    ///
    /// Opens a session and sets its two cookies: `AtmoAuthToken_{tenant}`, which scripts cannot read, and
    /// `Csrf-Token_{tenant}`, whose value writes repeat in the header `X-Csrf-Token_{tenant}`.
    #[oai(path = "/api/login", method = "post", operation_id = "login", tag = "Tag::Sessions")]
    async fn login(
        &self,
        request: &Request,
        body: Body<Five, LoginRequest>,
    ) -> Reply<Says<LoginResponse, LoginRefused>> {
        answered(request, &self.service, true, async |media, _| {
            door::own_page(request, &self.service)?;
            let wanted = door::json(&body)?;
            let wanted = decode(&wanted)?;
            let session = self.service.identity.log_in(wanted.by(request)).await?;
            Ok(self.opened(media, request, &session))
        })
        .await
    }

    /// Renew the session
    ///
    /// A new session token and a new CSRF token, in the cookies; the old ones end. The session still ends seven days
    /// after the log-in.
    #[oai(path = "/api/login/renewToken", method = "post", operation_id = "renewToken", tag = "Tag::Sessions")]
    async fn renew(
        &self,
        request: &Request,
        _secured: Secured<ByBrowserOrBearer>,
    ) -> Reply<Says<LoginResponse, RenewRefused>> {
        answered(request, &self.service, false, async |media, door| {
            let caller = door.enter(None).await?;
            let session = caller.principal.session().ok_or(Refusal::UsersOnly)?;
            match self.service.identity.renew(session).await {
                Ok(renewed) => Ok(self.opened(media, request, &renewed)),
                // It ended, or was renewed, a moment ago.
                Err(Failure::Refused(_)) => Err(Fault::SessionEnded),
                Err(failure) => Err(failure.into()),
            }
        })
        .await
    }

    /// Log out
    ///
    /// Ends the session and clears its cookies.
    #[oai(path = "/api/logout", method = "post", operation_id = "logout", tag = "Tag::Sessions")]
    async fn logout(
        &self,
        request: &Request,
        _secured: Secured<ByBrowserOrBearer>,
    ) -> Reply<Says<Empty, RenewRefused>> {
        answered(request, &self.service, false, async |media, door| {
            let caller = door.enter(None).await?;
            let session = caller.principal.session().ok_or(Refusal::UsersOnly)?;
            self.service.identity.log_out(session).await?;
            let mut response = encoded(media, arrival(request).at, StatusCode::OK, &json!({}));
            door::set_cookies(&mut response, cookies::closing(&session.tenant, door::is_secure(&self.service)));
            Ok(response)
        })
        .await
    }
}

impl Sessions {
    fn opened(&self, media: Media, request: &Request, session: &Session) -> Response {
        let body = json!({
            "userId": session.user,
            "tenant": session.tenant,
            "expires_at": session.expires_at.map(domain::Timestamp::rfc3339),
        });
        let mut response = encoded(media, arrival(request).at, StatusCode::OK, &body);
        door::set_cookies(&mut response, door::cookies_of(session, &self.service));
        response
    }
}

impl From<LogInError> for Fault {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::Refused => Self::LogInRefused,
            LogInError::TooMany(limit) => Self::TooMany(limit),
            LogInError::Unavailable(failure) => Self::Failed(failure),
        }
    }
}

/// A log-in as it stands in the body.
#[derive(Debug, PartialEq)]
struct Wanted<'a> {
    email: &'a str,
    password: &'a str,
    remember_me: bool,
    tenant: TenantName,
}

impl<'a> Wanted<'a> {
    fn by(self, request: &Request) -> LogIn<'a> {
        LogIn {
            tenant: self.tenant,
            email: self.email,
            password: self.password,
            remember_me: self.remember_me,
            peer: arrival(request).peer,
        }
    }
}

fn decode(body: &Value) -> Result<Wanted<'_>, Fault> {
    let mut members = door::members(body)?;
    let mut faults = vec![];
    let email = text("email", members.take("email"), &mut faults);
    let password = text("password", members.take("password"), &mut faults);
    let remember_me = match members.take("remember_me").value() {
        None => false,
        Some(Value::Bool(flag)) => *flag,
        Some(_) => {
            faults.push(Detail::new("remember_me", "must be true or false"));
            false
        }
    };
    let tenant = match members.take("tenant").value().map(|value| value.as_str().map(TenantName::parse)) {
        None => TenantName::default_tenant(),
        Some(Some(Ok(tenant))) => tenant,
        Some(Some(Err(_)) | None) => {
            faults.push(Detail::new("tenant", "is no tenant's name"));
            TenantName::default_tenant()
        }
    };
    faults.extend(members.unknown().into_iter().map(|name| Detail::new(name, "is not known")));
    if faults.is_empty() { Ok(Wanted { email, password, remember_me, tenant }) } else { Err(Fault::Parameters(faults)) }
}

fn text<'a>(name: &str, member: Member<'a>, faults: &mut Vec<Detail>) -> &'a str {
    let reason = match member {
        Member::Present(Value::String(text)) if !text.is_empty() => return text,
        Member::Present(Value::String(_)) => "is blank",
        Member::Absent | Member::Null => "is missing",
        Member::Present(_) => "must be a string",
    };
    faults.push(Detail::new(name, reason));
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_takes_the_default_tenant_unless_one_is_named() {
        let body = json!({"email": "a@x.com", "password": "correct horse"});
        let wanted = decode(&body).unwrap();
        assert_eq!((wanted.tenant.as_str(), wanted.remember_me), ("default", false));
        let body = json!({"email": "a@x.com", "password": "p", "remember_me": true, "tenant": "acme"});
        let wanted = decode(&body).unwrap();
        assert_eq!((wanted.tenant.as_str(), wanted.remember_me), ("acme", true));
    }

    #[test]
    fn all_that_is_wrong_with_a_log_in_is_told_at_once() {
        let body = json!({"email": "", "remember_me": "yes", "tenant": "A", "admin": true});
        let Err(Fault::Parameters(details)) = decode(&body) else { panic!("taken") };
        let named: Vec<(&str, &str)> = details.iter().map(|d| (d.param.as_str(), d.reason.as_str())).collect();
        assert_eq!(
            named,
            [
                ("email", "is blank"),
                ("password", "is missing"),
                ("remember_me", "must be true or false"),
                ("tenant", "is no tenant's name"),
                ("admin", "is not known"),
            ]
        );
    }
}
