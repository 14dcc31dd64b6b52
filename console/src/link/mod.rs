//! What the page of a mailed link asks for: look, accept, decline, register.
//!
//! Each is a POST with the secret in its JSON body. An unknown link answers like
//! a wrong secret, and only a look with the right one names anybody. Wrong tries
//! are remembered by the invitation, per caller; those that no invitation can
//! remember are counted here in memory, per peer.

mod accept;
mod body;
mod caller;
mod decline;
mod fault;
mod register;
mod tries;
mod view;

use crate::{ConsoleOptions, MAX_BODY, PeerOf, headers};
use body::Body;
use caller::Caller;
use domain::invitation::Invitation;
use domain::{Actor, Channel, CommandBus, Context, Refusal, TenantName, What};
use fault::Fault;
use identity::{Identity, Secrets, Session, cookies};
use poem::error::ReadBodyError;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, Response};
use projections::Views;
use std::sync::Arc;
use std::time::Instant;
use tries::Tries;
use uuid::Uuid;

/// What is asked of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    View,
    Accept,
    Decline,
    Register,
}

impl Action {
    pub const ALL: [Self; 4] = [Self::View, Self::Accept, Self::Decline, Self::Register];

    pub fn path(self) -> &'static str {
        match self {
            Self::View => "/i/:link/view",
            Self::Accept => "/i/:link/accept",
            Self::Decline => "/i/:link/decline",
            Self::Register => "/i/:link/register",
        }
    }
}

/// The link routes and what they stand on. Cheap to clone.
#[derive(Clone)]
pub struct Links {
    bus: CommandBus,
    views: Views,
    identity: Identity,
    public_url: Arc<str>,
    peer: PeerOf,
    tries: Arc<Tries>,
}

/// One request, once its caller is known.
struct Asked {
    link: Option<Uuid>,
    caller: Caller,
    /// HMAC of the address it comes from, in hex.
    peer: String,
    request_id: Uuid,
    body: Vec<u8>,
}

/// The invitation behind a link, and the secret that was shown for it.
struct Shown {
    tenant: TenantName,
    invitation: Arc<Invitation>,
    digest: String,
}

impl Links {
    pub fn new(bus: CommandBus, views: Views, identity: Identity, options: &ConsoleOptions) -> Self {
        Self {
            bus,
            views,
            identity,
            public_url: options.public_url.as_str().into(),
            peer: options.peer.clone(),
            tries: Arc::default(),
        }
    }

    pub async fn answer(&self, action: Action, request: Request) -> Response {
        let started = Instant::now();
        let request_id = request_id(&request);
        let mut response = match self.serve(action, request, request_id).await {
            Ok(response) => response,
            Err(fault) => fault.answer(request_id),
        };
        headers::of_answer(&mut response);
        if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
            response.headers_mut().insert("x-request-id", id);
        }
        // As the shell of the dialects has it. The path is a secret's half, and stays out.
        tracing::info!(
            dialect = "link",
            method = "POST",
            route = action.path(),
            status = response.status().as_u16(),
            ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            %request_id,
            "answered"
        );
        response
    }

    async fn serve(&self, action: Action, mut request: Request, request_id: Uuid) -> Result<Response, Fault> {
        self.check_provenance(&request)?;
        check_type(&request)?;
        self.bus.arrive().await?;
        let link = request.raw_path_param("link").and_then(|text| Uuid::parse_str(text).ok());
        let peer = self.identity.secrets().peer((self.peer)(&request));
        let caller = Caller::of(&self.identity, &request).await?;
        let body = read(&mut request).await?;
        let asked = Asked { link, caller, peer, request_id, body };
        match action {
            Action::View => self.view(asked).await,
            Action::Accept => self.accept(asked).await,
            Action::Decline => self.decline(asked).await,
            Action::Register => self.register(asked).await,
        }
    }

    fn check_provenance(&self, request: &Request) -> Result<(), Fault> {
        let from = cookies::Provenance {
            origin: request.header(header::ORIGIN),
            fetch_site: request.header("sec-fetch-site"),
            host: request.header(header::HOST),
        };
        if cookies::is_own(from, &self.public_url) { Ok(()) } else { Err(Fault::ForeignOrigin) }
    }

    /// Finds the invitation and hashes the secret. An unknown link gives an
    /// invitation that does not exist, so that the same is done with it.
    async fn shown(&self, link: Option<Uuid>, code: &str) -> Result<Shown, Fault> {
        let row = self.views.invitation_by_link(link.unwrap_or_default()).await?;
        let (tenant, id) = match row {
            Some(row) if link.is_some() => (row.tenant, row.id),
            Some(_) | None => (TenantName::default_tenant(), Uuid::nil()),
        };
        let invitation = self.bus.load::<Invitation>(&tenant, id).await?;
        Ok(Shown { tenant, invitation, digest: Secrets::digest_of(code) })
    }

    /// What events will say about this request.
    fn context(&self, asked: &Asked, tenant: &TenantName, actor: Actor) -> Context {
        let arrived = self.bus.now();
        Context {
            peer: Some(asked.peer.clone()),
            ..Context::new(tenant.clone(), actor, Channel::Link, asked.request_id, arrived)
        }
    }

    /// Hands a browser the session it goes on with.
    fn set_cookies(&self, response: &mut Response, session: &Session) {
        let contents = cookies::Contents {
            tenant: &session.tenant,
            token: session.token.reveal(),
            csrf: &session.csrf,
            remember_me: session.remember_me,
        };
        for cookie in cookies::opening(&contents, cookies::is_secure(&self.public_url)) {
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
        }
    }
}

/// The caller's own, if it is a UUID.
fn request_id(request: &Request) -> Uuid {
    let shown = request.header("x-request-id").and_then(|text| Uuid::parse_str(text).ok());
    shown.unwrap_or_else(Uuid::new_v4)
}

/// Only JSON: a form on a foreign page cannot send that without asking first.
fn check_type(request: &Request) -> Result<(), Fault> {
    let packed =
        request.header(header::CONTENT_ENCODING).is_some_and(|how| !how.trim().eq_ignore_ascii_case("identity"));
    if packed {
        return Err(Fault::Packed);
    }
    let essence = request.content_type().and_then(|text| text.split(';').next()).unwrap_or_default();
    if essence.trim().eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Fault::NotJson) }
}

async fn read(request: &mut Request) -> Result<Vec<u8>, Fault> {
    let body = tokio::time::timeout(crate::BODY_WAIT, request.take_body().into_bytes_limit(MAX_BODY));
    match body.await {
        Ok(Ok(bytes)) => Ok(bytes.to_vec()),
        Ok(Err(ReadBodyError::PayloadTooLarge)) => Err(Fault::TooLarge),
        Ok(Err(_)) | Err(_) => Err(Fault::Body("the body did not arrive whole".to_owned())),
    }
}

impl Asked {
    fn body(&self) -> Result<Body, Fault> {
        Body::read(&self.body)
    }

    /// A body with the secret and nothing else.
    fn code(&self) -> Result<String, Fault> {
        let mut body = self.body()?;
        let code = body.code();
        body.end()?;
        Ok(code)
    }
}

fn json(content: &impl serde::Serialize) -> Result<Response, Fault> {
    let text = serde_json::to_vec(content).map_err(|fault| Fault::from(domain::Failure::internal(fault)))?;
    Ok(Response::builder().status(StatusCode::OK).content_type("application/json").body(text))
}

/// The unit of an unknown link finds nothing; that is told like a wrong secret.
fn wrong_code() -> Fault {
    Refusal::NotFound(What::Invitation).into()
}
