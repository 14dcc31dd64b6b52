//! Who calls, for which tenant, and under which idempotency key.

use super::{Arrival, arrival, query};
use crate::Service;
use domain::{Context, Failure, IdempotencyKey, TenantName};
use identity::{AuthError, Identity, Principal};
use poem::Request;

/// The longest `Idempotency-Key`, in characters.
pub const MAX_KEY: usize = 255;
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// An authenticated caller and the tenant they act in.
pub struct Caller {
    pub principal: Principal,
    pub tenant: TenantName,
}

impl Caller {
    /// The context of a command by this caller.
    #[must_use]
    pub fn context(&self, request: &Request) -> Context {
        let Arrival { dialect, request_id, at, late, .. } = *arrival(request);
        let mut context = Context::new(self.tenant.clone(), self.principal.actor(), dialect.channel(), request_id, at);
        context.correlation_id = Some(request_id);
        context.late = late;
        context
    }
}

/// Why nobody is there.
#[derive(Debug)]
pub enum CallerError {
    /// No token at all.
    Missing,
    /// An `Authorization` header that is no `Bearer` one.
    Malformed,
    /// Never issued, revoked, or ended.
    Unknown,
    /// A session that is over.
    Expired,
    /// The deployment's principal named a tenant that cannot be one.
    BadTenant,
    Unavailable(Failure),
}

/// The token of the `Authorization` header.
///
/// # Errors
/// [`CallerError::Malformed`] when there is a header and it is not `Bearer <token>`, or there are two.
pub fn bearer(request: &Request) -> Result<Option<&str>, CallerError> {
    let mut values = request.headers().get_all("authorization").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(CallerError::Malformed);
    }
    let text = value.to_str().map_err(|_| CallerError::Malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(CallerError::Malformed)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.contains(' ') {
        return Err(CallerError::Malformed);
    }
    Ok(Some(token))
}

/// The caller behind the request's `Authorization: Bearer`.
///
/// # Errors
/// Why there is none.
pub async fn caller(request: &Request, service: &Service) -> Result<Caller, CallerError> {
    let token = bearer(request)?.ok_or(CallerError::Missing)?;
    authenticate(request, service, token).await
}

/// The caller behind a token, wherever the dialect found it.
///
/// # Errors
/// Why there is none.
pub async fn authenticate(request: &Request, service: &Service, token: &str) -> Result<Caller, CallerError> {
    let mut known = service.identity.authenticate(token).await;
    if arrival(request).late && matches!(known, Err(AuthError::Unknown)) {
        // Another service may have let them in a moment ago.
        service.bus.arrive().await.map_err(CallerError::Unavailable)?;
        known = service.identity.authenticate(token).await;
    }
    let principal = known.map_err(|error| match error {
        AuthError::Unknown => CallerError::Unknown,
        AuthError::Expired => CallerError::Expired,
        AuthError::Unavailable(failure) => CallerError::Unavailable(failure),
    })?;
    let tenant = match principal.tenant() {
        Some(tenant) => tenant.clone(),
        None => tenant_of(request).ok_or(CallerError::BadTenant)?,
    };
    Ok(Caller { principal, tenant })
}

/// The tenant that a call of the deployment's principal names: the query
/// parameter `tenant`, else `default`. `None` when it cannot be one.
#[must_use]
pub fn tenant_of(request: &Request) -> Option<TenantName> {
    let mut named = query(request).into_iter().filter(|(name, _)| name == "tenant").map(|(_, value)| value);
    match (named.next(), named.next()) {
        (None, _) => Some(TenantName::default_tenant()),
        (Some(name), None) => TenantName::parse(&name).ok(),
        (Some(_), Some(_)) => None,
    }
}

/// An `Idempotency-Key` that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_KEY} visible ASCII characters, once")]
pub struct KeyFault;

/// The request's `Idempotency-Key`, bound to the operation, the path and the body.
///
/// # Errors
/// When the header is there and cannot be a key.
pub fn idempotency(
    request: &Request,
    operation: &'static str,
    body: &[u8],
    identity: &Identity,
) -> Result<Option<IdempotencyKey>, KeyFault> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = key_text(value.as_bytes()).filter(|_| values.next().is_none()).ok_or(KeyFault)?;
    // The same key on another path is another request, as is another body.
    let path = request.original_uri().path().as_bytes();
    let whole = [&(path.len() as u64).to_be_bytes(), path, body].concat();
    Ok(Some(IdempotencyKey { key, operation, fingerprint: identity.secrets().fingerprint(&whole) }))
}

fn key_text(bytes: &[u8]) -> Option<String> {
    let fits = (1..=MAX_KEY).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    if fits { std::str::from_utf8(bytes).ok().map(ToOwned::to_owned) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&str, &str)]) -> Request {
        headers.iter().fold(Request::builder(), |r, (name, value)| r.header(*name, *value)).finish()
    }

    #[test]
    fn a_bearer_token_is_read_and_anything_else_is_malformed() {
        assert!(matches!(bearer(&with(&[])), Ok(None)));
        assert!(matches!(bearer(&with(&[("Authorization", "Bearer il_ses_x")])), Ok(Some("il_ses_x"))));
        assert!(matches!(bearer(&with(&[("Authorization", "bearer  il_ses_x")])), Ok(Some("il_ses_x"))));
        for wrong in ["Bearer", "Bearer ", "Basic abc", "Bearer a b", "il_ses_x"] {
            assert!(matches!(bearer(&with(&[("Authorization", wrong)])), Err(CallerError::Malformed)), "{wrong}");
        }
        let twice = with(&[("Authorization", "Bearer a"), ("Authorization", "Bearer b")]);
        assert!(matches!(bearer(&twice), Err(CallerError::Malformed)));
    }

    #[test]
    fn a_key_is_short_and_visible() {
        assert_eq!(key_text(b"6f1c-x").as_deref(), Some("6f1c-x"));
        assert_eq!(key_text(&[b'k'; 255]).map(|k| k.len()), Some(255));
        assert_eq!(key_text(&[b'k'; 256]), None);
        for wrong in [&b""[..], b"a b", b"a\tb", "ä".as_bytes()] {
            assert_eq!(key_text(wrong), None);
        }
    }

    #[test]
    fn the_deployment_names_its_tenant_in_the_query() {
        let asked = |uri: &str| tenant_of(&Request::builder().uri_str(uri).finish()).map(|t| t.to_string());
        assert_eq!(asked("/x").as_deref(), Some("default"));
        assert_eq!(asked("/x?tenant=acme&page=1").as_deref(), Some("acme"));
        assert_eq!(asked("/x?tenant=A"), None);
        assert_eq!(asked("/x?tenant=a&tenant=b"), None);
    }
}
