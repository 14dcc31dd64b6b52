//! What is asked of every request before its operation: media types, then the
//! caller (Bearer, or a session by cookie that may be ridden on), then the body.

use super::answer::Media;
use super::csrf;
use super::fault::Fault;
use crate::Service;
use crate::wire::{self, Caller, Members};
use domain::tenant::Tenant;
use domain::{Failure, TenantName};
use identity::cookies::{self, Provenance};
use identity::{Principal, Session};
use poem::http::{HeaderValue, Method, header};
use poem::{Request, Response};
use serde_json::Value;
use std::sync::OnceLock;

/// The media type to answer with.
///
/// # Errors
/// `NotAcceptable`, and for a body that is none of our five types
/// `UnsupportedMediaType`. An operation without a body minds only a type that is there.
pub fn media(request: &Request, needs_body: bool) -> Result<Media, (Media, Fault)> {
    let lines = request.headers().get_all(header::ACCEPT).iter().map(|line| line.to_str().unwrap_or("?"));
    let media = Media::to_answer(lines).ok_or((Media::Json, Fault::NotAcceptable))?;
    let known = match request.header(header::CONTENT_TYPE) {
        Some(shown) => Media::of_body(shown).is_some(),
        None => !needs_body,
    };
    if known { Ok(media) } else { Err((media, Fault::UnsupportedMediaType)) }
}

/// Where an operation's caller comes in: once, and their session may be another afterwards.
pub struct Door<'a> {
    request: &'a Request,
    service: &'a Service,
    renewed: OnceLock<Session>,
}

impl<'a> Door<'a> {
    pub fn new(request: &'a Request, service: &'a Service) -> Self {
        Self { request, service, renewed: OnceLock::new() }
    }

    /// The answer of the operation, with the cookies of a session that was
    /// renewed on the way in, whatever became of the rest. An operation that
    /// sets cookies itself knows better.
    pub fn leave(self, mut response: Response) -> Response {
        if let Some(session) = self.renewed.into_inner()
            && !response.headers().contains_key(header::SET_COOKIE)
        {
            set_cookies(&mut response, cookies_of(&session, self.service));
        }
        response
    }

    /// Whoever calls. `hint` is the tenant in the path, where there is one: it
    /// picks among cookies of several tenants, and names the tenant of a call by
    /// the deployment's principal.
    ///
    /// # Errors
    /// Nobody, or a session that may not be ridden on.
    pub async fn enter(&self, hint: Option<&TenantName>) -> Result<Caller, Fault> {
        if let Some(token) = wire::bearer(self.request)? {
            let mut caller = wire::authenticate(self.request, self.service, token).await?;
            if let (None, Some(hint)) = (caller.principal.tenant(), hint) {
                caller.tenant = hint.clone();
            }
            return Ok(caller);
        }
        let mut caller = self.by_cookie(hint).await?;
        self.renew(&mut caller).await?;
        Ok(caller)
    }

    async fn by_cookie(&self, hint: Option<&TenantName>) -> Result<Caller, Fault> {
        let Self { request, service, .. } = *self;
        let lines = request.headers().get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let sessions = cookies::presented(lines);
        let named = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().ok()));
        let (tenant, token, shown) = csrf::pick(&sessions, &csrf::headers(named), hint)?;
        let caller = wire::authenticate(request, service, token).await?;
        // A cookie under another tenant's name, or another kind of token in it, was not set by us.
        let session = caller.principal.session().filter(|session| session.tenant == tenant);
        let session = session.ok_or(Fault::UnknownToken)?;
        let write = !matches!(*request.method(), Method::GET | Method::HEAD);
        if write {
            own_page(request, service)?;
        }
        let settings = service.bus.load::<Tenant>(&tenant, tenant.id()).await?.settings;
        csrf::check(write, settings, shown, &session.csrf)?;
        Ok(caller)
    }

    /// A token that was given out while the account had other rights ends here:
    /// who knew it then shall not have what it may do now.
    async fn renew(&self, caller: &mut Caller) -> Result<(), Fault> {
        let Principal::User(session) = &mut caller.principal else { return Ok(()) };
        if !session.rights_changed {
            return Ok(());
        }
        match self.service.identity.renew(session).await {
            Ok(renewed) => {
                *session = renewed.clone();
                // The first: an operation has one caller.
                let _ = self.renewed.set(renewed);
                Ok(())
            }
            // Another request of the same browser was faster; its answer has the new cookies.
            Err(Failure::Refused(_)) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// The `Set-Cookie` values of a session.
pub fn cookies_of(session: &Session, service: &Service) -> [String; 2] {
    let contents = cookies::Contents {
        tenant: &session.tenant,
        token: session.token.reveal(),
        csrf: &session.csrf,
        remember_me: session.remember_me,
    };
    cookies::opening(&contents, is_secure(service))
}

/// Whether browsers may send the cookies over TLS only.
pub fn is_secure(service: &Service) -> bool {
    cookies::is_secure(&service.settings.public_url)
}

pub fn set_cookies(response: &mut Response, values: [String; 2]) {
    for value in values {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
}

/// # Errors
/// When a browser says that another site's page is asking.
pub fn own_page(request: &Request, service: &Service) -> Result<(), Fault> {
    let from = Provenance {
        origin: request.header(header::ORIGIN),
        fetch_site: request.header("sec-fetch-site"),
        host: request.header(header::HOST),
    };
    if cookies::is_own(from, &service.settings.public_url) { Ok(()) } else { Err(Fault::ForeignOrigin) }
}

/// A body, strictly read.
pub fn json<M, T>(body: &wire::Body<M, T>) -> Result<Value, Fault> {
    Ok(wire::parse(body.bytes()?)?)
}

/// Its members.
pub fn members(value: &Value) -> Result<Members<'_>, Fault> {
    Members::of(value).ok_or(Fault::NotAnObject)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&str, &str)], needs_body: bool) -> Result<Media, (Media, String)> {
        let request = headers.iter().fold(Request::builder(), |r, (name, value)| r.header(*name, *value)).finish();
        media(&request, needs_body).map_err(|(media, fault)| (media, fault.to_string()))
    }

    #[test]
    fn the_samples_headers_are_taken() {
        let sample = [("Accept", "*/*"), ("Content-Type", "application/json; charset=UTF-8")];
        assert_eq!(asked(&sample, true), Ok(Media::Json));
    }

    #[test]
    fn what_cannot_be_answered_is_said_before_what_cannot_be_read() {
        let neither = [("Accept", "text/html"), ("Content-Type", "text/plain")];
        assert_eq!(asked(&neither, true), Err((Media::Json, Fault::NotAcceptable.to_string())));
        let wanted = [("Accept", "application/vnd.soa.v80+json"), ("Content-Type", "text/plain")];
        assert_eq!(asked(&wanted, true), Err((Media::Soa80, Fault::UnsupportedMediaType.to_string())));
        assert_eq!(asked(&wanted, false), Err((Media::Soa80, Fault::UnsupportedMediaType.to_string())));
        assert_eq!(asked(&[], true), Err((Media::Json, Fault::UnsupportedMediaType.to_string())));
        assert_eq!(asked(&[], false), Ok(Media::Json));
    }
}
