//! Who holds the link: somebody logged in, by cookie or by Bearer, or a visitor.

use super::fault::Fault;
use domain::{Actor, TenantName};
use identity::{AuthError, Identity, Principal, Secrets, Session, cookies};
use poem::Request;
use poem::http::header;

/// The sessions a request shows, and what it says beside them.
pub enum Caller {
    Bearer(Principal),
    /// Sessions by cookie that are good, at most one of each tenant.
    Browser(Vec<Session>),
}

impl Caller {
    /// # Errors
    /// `NoSession` for a Bearer token that is none, or none any more; a cookie
    /// like that is as good as absent. `WrongCsrf` where a CSRF header is shown
    /// that is not its session's: scripts of the page send one if they can.
    pub async fn of(identity: &Identity, request: &Request) -> Result<Self, Fault> {
        if let Some(header) = request.header(header::AUTHORIZATION) {
            let token = bearer(header).ok_or(Fault::NoSession)?;
            return Ok(Self::Bearer(identity.authenticate(token).await?));
        }
        let all = request.headers().get_all(header::COOKIE);
        let mut sessions = vec![];
        for (tenant, token) in cookies::presented(all.iter().filter_map(|value| value.to_str().ok())) {
            match identity.authenticate(token).await {
                Ok(Principal::User(session)) if session.tenant == tenant => {
                    let shown = request.header(format!("{}{tenant}", cookies::CSRF_HEADER));
                    if shown.is_some_and(|shown| !Secrets::same(shown, &session.csrf)) {
                        return Err(Fault::WrongCsrf);
                    }
                    sessions.push(session);
                }
                Ok(_) | Err(AuthError::Unknown | AuthError::Expired) => {}
                Err(AuthError::Unavailable(failure)) => return Err(failure.into()),
            }
        }
        Ok(Self::Browser(sessions))
    }

    /// Whoever is logged in to this tenant.
    pub fn actor(&self, tenant: &TenantName) -> Option<Actor> {
        match self {
            Self::Bearer(principal) if principal.tenant().is_none_or(|t| t == tenant) => Some(principal.actor()),
            Self::Bearer(_) => None,
            Self::Browser(_) => self.cookie(tenant).map(|session| Actor::User(session.user)),
        }
    }

    /// The session by cookie for this tenant.
    pub fn cookie(&self, tenant: &TenantName) -> Option<&Session> {
        match self {
            Self::Bearer(_) => None,
            Self::Browser(sessions) => sessions.iter().find(|session| session.tenant == *tenant),
        }
    }

    /// Whether there is any session, of whatever tenant.
    pub fn is_anybody(&self) -> bool {
        match self {
            Self::Bearer(_) => true,
            Self::Browser(sessions) => !sessions.is_empty(),
        }
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
