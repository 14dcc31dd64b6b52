//! What every operation here begins and ends with: who calls, what may they
//! do, what did they send; and the answer, whatever came of it.

use super::read::Reader;
use super::refusal::{JSON, No, refused};
use crate::Service;
use crate::wire::{
    Body, Caller, CallerError, Media, Reply, caller, idempotency, json_response, media, parse, tenant_of,
};
use domain::bus::UseCase;
use domain::use_cases::{Allowed, Check};
use domain::{Context, TenantName, What};
use poem::http::StatusCode;
use poem::{Request, Response};
use poem_openapi::types::ToJSON;
use serde_json::Value;
use std::future::Future;

/// Bodies of this dialect.
pub(super) struct Json;

impl Media for Json {
    const TYPES: &'static [&'static str] = &["application/json"];
}

/// An authenticated request.
pub(super) struct Visit<'r> {
    pub service: &'r Service,
    pub request: &'r Request,
    pub caller: Caller,
}

impl<'r> Visit<'r> {
    /// Who calls, and for which tenant. Naming another tenant than one's own is
    /// the same as naming none that exists.
    ///
    /// # Errors
    /// When nobody known calls.
    pub(super) async fn begin(service: &'r Service, request: &'r Request) -> Result<Self, No> {
        let caller = caller(request, service).await.map_err(No::Caller)?;
        let named = tenant_of(request).ok_or(No::Caller(CallerError::BadTenant))?;
        let names_one = crate::wire::query(request).iter().any(|(name, _)| name == "tenant");
        if names_one && named != caller.tenant {
            return Err(No::not_found(What::Tenant));
        }
        Ok(Self { service, request, caller })
    }

    pub(super) fn tenant(&self) -> &TenantName {
        &self.caller.tenant
    }

    pub(super) fn context(&self) -> Context {
        self.caller.context(self.request)
    }

    /// [`Visit::context`] with the request's `Idempotency-Key`, for POSTs that write.
    ///
    /// # Errors
    /// When the header cannot be a key.
    pub(super) fn keyed(&self, operation: &'static str, body: &[u8]) -> Result<Context, No> {
        let mut context = self.context();
        context.idempotency = idempotency(self.request, operation, body, &self.service.identity).map_err(No::Key)?;
        Ok(context)
    }

    /// # Errors
    /// When the caller may not.
    pub(super) async fn may(&self, allowed: Allowed) -> Result<(), No> {
        Ok(self.service.bus.perform(self.context(), Check(allowed)).await?)
    }

    pub(super) async fn perform<C: UseCase>(&self, context: Context, case: C) -> Result<C::Output, No> {
        Ok(self.service.bus.perform(context, case).await?)
    }
}

/// The body's bytes and what they say.
pub(super) struct Sent {
    pub bytes: Vec<u8>,
    value: Value,
}

impl Sent {
    /// # Errors
    /// When the body is no JSON object of ours.
    pub(super) fn of<T>(request: &Request, body: &Body<Json, T>) -> Result<Self, No>
    where
        T: poem_openapi::types::Type,
    {
        if !is_json(request) {
            return Err(No::ContentType);
        }
        let bytes = body.bytes().map_err(No::Body)?.to_vec();
        let value = parse(&bytes).map_err(No::Json)?;
        Ok(Self { bytes, value })
    }

    /// # Errors
    /// When the body is no object.
    pub(super) fn reader(&self) -> Result<Reader<'_>, No> {
        Reader::of(&self.value).ok_or(No::NotAnObject)
    }
}

fn is_json(request: &Request) -> bool {
    let Some(media) = request.header("content-type").and_then(media::MediaType::parse) else { return false };
    let utf8 = media.parameter("charset").is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"));
    media.essence == "application/json" && utf8
}

/// What an operation answers, once it is known who asked.
pub(super) async fn answer<A>(request: &Request, work: impl Future<Output = Result<Response, No>>) -> Reply<A> {
    Reply::new(work.await.unwrap_or_else(|no| refused(no, request)))
}

pub(super) fn encoded<T: ToJSON>(status: StatusCode, body: &T) -> Response {
    json_response(status, JSON, &body.to_json().unwrap_or(Value::Null))
}

pub(super) fn done<T: ToJSON>(body: &T) -> Result<Response, No> {
    Ok(encoded(StatusCode::OK, body))
}

pub(super) fn made<T: ToJSON>(body: &T) -> Result<Response, No> {
    Ok(encoded(StatusCode::CREATED, body))
}
