//! A request body: documented as a schema, handed over as the bytes that came.

use super::Arrival;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use std::marker::PhantomData;

/// The largest body that is read, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// The media types an operation declares for its body. Whether the request has
/// one of them is for the dialect to say.
pub trait Media: Send + Sync + 'static {
    const TYPES: &'static [&'static str];
}

/// Why there are no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    #[error("the body is larger than {MAX_BODY} bytes")]
    TooLarge,
    #[error("the body did not arrive in time")]
    TimedOut,
    /// The connection broke, or the body breaks the rules of HTTP.
    #[error("the body could not be read")]
    Broken,
}

/// The bytes of a body that the document describes as `T`.
pub struct Body<M, T> {
    bytes: std::result::Result<Vec<u8>, BodyFault>,
    described: PhantomData<fn() -> (M, T)>,
}

impl<M, T> Body<M, T> {
    /// # Errors
    /// Why there is no body to look at.
    pub fn bytes(&self) -> std::result::Result<&[u8], BodyFault> {
        match &self.bytes {
            Ok(bytes) => Ok(bytes),
            Err(fault) => Err(*fault),
        }
    }
}

impl<'a, M: Media, T: Type> ApiExtractor<'a> for Body<M, T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content =
            M::TYPES.iter().map(|content_type| MetaMediaType { content_type, schema: T::schema_ref() }).collect();
        Some(MetaRequest { description: None, content, required: T::IS_REQUIRED })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        Ok(Self { bytes: read(request, body).await, described: PhantomData })
    }
}

async fn read(request: &Request, body: &mut RequestBody) -> std::result::Result<Vec<u8>, BodyFault> {
    let declared = request.header("content-length").and_then(|v| v.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(BodyFault::TooLarge);
    }
    let body: BoxBody<_, std::io::Error> = body.take().map_err(|_| BodyFault::Broken)?.into();
    let wait = request.data::<Arrival>().map_or(crate::settings::BODY_WAIT, |a| a.body_wait);
    match tokio::time::timeout(wait, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes().into()),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => Err(BodyFault::TooLarge),
        Ok(Err(_)) => Err(BodyFault::Broken),
        Err(_) => Err(BodyFault::TimedOut),
    }
}
