//! The web pages' part of the composition.

use super::house::Rooms;
use console::ConsoleOptions;
use openapi::{Dialect, HttpSettings};
use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt, Response, Route};
use std::sync::Arc;

/// The pages, with the API documents and the peers that the dialects see.
pub(super) fn endpoint(rooms: &Rooms, settings: &Arc<HttpSettings>) -> BoxEndpoint<'static, Response> {
    let documents =
        Dialect::ALL.into_iter().map(|dialect| (dialect.name().to_owned(), openapi::document(dialect))).collect();
    let believed = settings.clone();
    let options = ConsoleOptions {
        documents,
        peer: Arc::new(move |request| openapi::wire::peer(request, &believed)),
        ..ConsoleOptions::new(settings.public_url.clone())
    };
    console::endpoint(rooms.bus.clone(), rooms.views.clone(), rooms.identity.clone(), options)
}

/// Everything that is no API is a page, unknown addresses too, and those that poem cannot read.
pub(super) fn mount(routes: Route, pages: BoxEndpoint<'static, Response>) -> BoxEndpoint<'static, Response> {
    routes.nest_no_strip("/", pages).catch_all_error(|error| async move { console::of_error(&error) }).boxed()
}
