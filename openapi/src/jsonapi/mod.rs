//! The jsonapi dialect.

use crate::wire::{Trouble, Words, shell};
use crate::{Dialect, Service, spec};
use poem::endpoint::BoxEndpoint;
use poem::{Request, Response};

/// Its operations, behind their shell.
#[must_use]
pub fn endpoint(service: Service) -> BoxEndpoint<'static> {
    shell(Own, (), &service)
}

/// Its OpenAPI document before [`spec::finish`].
#[must_use]
pub fn source() -> spec::Source {
    spec::Source::of((), "Jsonapi", "")
}

struct Own;

impl Words for Own {
    const DIALECT: Dialect = Dialect::Jsonapi;

    fn trouble(&self, _: &Trouble, _: &Request) -> Response {
        Response::builder().status(poem::http::StatusCode::NOT_IMPLEMENTED).finish()
    }
}
