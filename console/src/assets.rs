//! The files of the pages, embedded in the program.

use crate::{headers, page};
use poem::http::{StatusCode, header};
use poem::{Request, Response};
use rust_embed::RustEmbed;
use std::fmt::Write as _;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// Files that are served as they are; pages and their templates are not.
const SERVED: [(&str, &str); 3] =
    [(".css", "text/css; charset=utf-8"), (".js", "text/javascript; charset=utf-8"), (".svg", "image/svg+xml")];

/// An embedded text; empty when there is none, which a test rules out.
pub fn text(name: &str) -> String {
    Assets::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default()
}

/// Answers `/assets/{file}`.
pub fn answer(request: &Request) -> Response {
    let name = request.raw_path_param("file").unwrap_or_default();
    let kind = SERVED.iter().find(|(ending, _)| name.ends_with(ending));
    match (kind, Assets::get(name)) {
        (Some((_, kind)), Some(file)) => {
            serve(request, kind, &tag(&file.metadata.sha256_hash()), file.data.into_owned())
        }
        (Some(_), None) | (None, _) => page::not_found(),
    }
}

/// A file, or the word that the caller's copy is still good.
pub fn serve(request: &Request, kind: &str, tag: &str, body: Vec<u8>) -> Response {
    let known = request.header(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|t| t.trim() == tag));
    let response = Response::builder().header(header::ETAG, tag);
    let mut response =
        if known { response.status(StatusCode::NOT_MODIFIED).finish() } else { response.content_type(kind).body(body) };
    headers::of_page(&mut response);
    response
}

/// An entity tag out of a digest.
fn tag(digest: &[u8; 32]) -> String {
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in &digest[..16] {
        // Writing to a string cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}
