//! The OpenAPI documents: one function finishes what poem-openapi writes.
//!
//! What is served and what is checked in under `openapi/spec/` is the same
//! text. Finishing makes it what generators and readers take: version 3.0.3,
//! `security: []` on public operations, header names in their usual case, no
//! two-element `allOf`, `null` declared where answers have it, examples.

mod finish;
mod merged;
#[cfg(test)]
mod tests;

pub use finish::finish;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem_openapi::registry::{MetaApi, Registry};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::Value;
use std::collections::HashMap;
use std::marker::PhantomData;

/// Where in an operation an example belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Request,
    Response(u16),
}

/// An example of a body, as it would go over the wire.
#[derive(Clone, Debug)]
pub struct Example {
    pub operation: &'static str,
    pub place: Place,
    pub value: Value,
}

/// An API's description without an instance of it: a document needs no service.
struct Described<A>(PhantomData<A>);

impl<A: OpenApi> OpenApi for Described<A> {
    fn meta() -> Vec<MetaApi> {
        A::meta()
    }

    fn register(registry: &mut Registry) {
        A::register(registry);
    }

    fn add_routes(self, _: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

/// A dialect's document before it is finished.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) text: String,
    pub(crate) examples: Vec<Example>,
}

impl Source {
    /// The document of an API. It may be made of several parts that declare
    /// methods of the same path.
    #[must_use]
    pub fn of<A: OpenApi>(title: &str, description: &str) -> Self {
        let api = Described::<A>(PhantomData);
        let service = OpenApiService::new(api, title, env!("CARGO_PKG_VERSION")).description(description).server("/");
        Self { text: service.spec(), examples: vec![] }
    }

    /// Adds an example.
    #[must_use]
    pub fn example(mut self, operation: &'static str, place: Place, value: Value) -> Self {
        self.examples.push(Example { operation, place, value });
        self
    }
}
