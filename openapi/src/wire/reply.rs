//! An operation's answer: whatever response the dialect built, and what the
//! document says about all the responses there can be.

use poem::http::{HeaderValue, StatusCode};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use serde::Serialize;
use std::marker::PhantomData;

/// What the document says of an operation's answers.
pub trait Answers: Send + Sync + 'static {
    /// One entry per status.
    fn responses() -> Vec<MetaResponse>;
    /// The schemas that [`Answers::responses`] names.
    fn register(registry: &mut Registry);
}

/// A response of an operation that is documented by `A`.
pub struct Reply<A> {
    pub response: Response,
    described: PhantomData<fn() -> A>,
}

impl<A> Reply<A> {
    #[must_use]
    pub fn new(response: Response) -> Self {
        Self { response, described: PhantomData }
    }
}

impl<A> From<Response> for Reply<A> {
    fn from(response: Response) -> Self {
        Self::new(response)
    }
}

impl<A: Answers> IntoResponse for Reply<A> {
    fn into_response(self) -> Response {
        self.response
    }
}

impl<A: Answers> ApiResponse for Reply<A> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: A::responses() }
    }

    fn register(registry: &mut Registry) {
        A::register(registry);
    }
}

/// The document's entry for one status.
#[must_use]
pub fn described(status: u16, description: &'static str, content: Vec<MetaMediaType>) -> MetaResponse {
    MetaResponse { description, status: Some(status), status_range: None, content, headers: vec![] }
}

/// The document's entry for a body of schema `T` as `content_type`.
#[must_use]
pub fn content<T: Type>(content_type: &'static str) -> MetaMediaType {
    MetaMediaType { content_type, schema: T::schema_ref() }
}

/// The document's entry for a response header of schema `T`.
#[must_use]
pub fn header<T: Type>(name: &str, description: &str) -> MetaHeader {
    let schema: MetaSchemaRef = T::schema_ref();
    MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: false,
        deprecated: false,
        schema,
    }
}

/// A response with a JSON body.
#[must_use]
pub fn json_response(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).unwrap_or_else(|error| {
        // Only a map whose keys are no texts cannot be written, and no answer has one.
        tracing::error!(%error, "an answer could not be written");
        Vec::new()
    });
    let mut response = Response::builder().status(status).body(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
    response
}
