//! The web pages, embedded in the program: the start page, the browsable API
//! documents, and the page of a mailed link.
//!
//! Nothing is fetched from other hosts, no script or style stands inline, and no
//! GET changes anything. The page of a link is the same for every link; the
//! secret stays in the browser until a button hands it over in a POST.

mod assets;
mod documents;
mod headers;
mod link;
mod page;

pub use page::of_error;

use domain::CommandBus;
use identity::Identity;
use poem::endpoint::{BoxEndpoint, make_sync};
use poem::http::StatusCode;
use poem::middleware::CatchPanic;
use poem::{Endpoint, EndpointExt, Request, Response, Route, RouteMethod, get, post};
use projections::Views;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The largest body the link's routes read, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// How long a request's body may take to arrive.
pub const BODY_WAIT: Duration = Duration::from_secs(10);

/// Who a request comes from; the root knows which proxies are believed.
pub type PeerOf = Arc<dyn Fn(&Request) -> IpAddr + Send + Sync>;

/// What the composition root decides for the pages.
#[derive(Clone)]
pub struct ConsoleOptions {
    /// Scheme, host and port people reach the service under.
    pub public_url: String,
    /// Name and JSON text of each API document, in the order they are shown.
    pub documents: Vec<(String, String)>,
    pub peer: PeerOf,
}

impl ConsoleOptions {
    /// No documents, and the connection's own address as the peer.
    #[must_use]
    pub fn new(public_url: impl Into<String>) -> Self {
        Self { public_url: public_url.into(), documents: vec![], peer: Arc::new(connection_of) }
    }
}

/// The connection's address; unspecified where there is none, as in tests.
fn connection_of(request: &Request) -> IpAddr {
    let address = request.remote_addr().as_socket_addr();
    address.map_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical())
}

/// All pages, and a page of their own for what does not exist. To be nested
/// under `/`, without stripping.
#[must_use]
pub fn endpoint(
    bus: CommandBus,
    views: Views,
    identity: Identity,
    options: ConsoleOptions,
) -> BoxEndpoint<'static, Response> {
    let links = link::Links::new(bus, views, identity, &options);
    let route = link::Action::ALL.into_iter().fold(pages(&options.documents), |route, action| {
        let links = links.clone();
        let answer = poem::endpoint::make(move |request| {
            let links = links.clone();
            async move { links.answer(action, request).await }
        });
        route.at(action.path(), only("POST", post(answer)))
    });
    route
        .catch_all_error(|error| async move { page::of_error(&error) })
        .with(CatchPanic::new().with_handler(page::of_panic))
        .map_to_response()
        .boxed()
}

/// The static part.
fn pages(documents: &[(String, String)]) -> Route {
    let documents = documents::Documents::new(documents);
    let route = Route::new()
        .at("/", page(documents.start_page()))
        .at("/i/:link", page(assets::text("invitation.html")))
        .at("/assets/:file", only("GET, HEAD", get(make_sync(|request| assets::answer(&request)))));
    documents.mount(route)
}

/// One page, the same for everybody.
fn page(html: String) -> impl Endpoint<Output = Response> + 'static {
    let html: Arc<str> = html.into();
    only("GET, HEAD", get(make_sync(move |_| page::answer(StatusCode::OK, &html))))
}

/// Says which methods there are to whoever tries another.
fn only(allow: &'static str, methods: RouteMethod) -> impl Endpoint<Output = Response> + 'static {
    methods
        .catch_error(move |_: poem::error::MethodNotAllowedError| async move { page::wrong_method(allow) })
        .map_to_response()
}

#[cfg(test)]
mod tests;
