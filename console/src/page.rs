//! Pages that are made here, and what is answered where there is none.

use crate::headers;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Error, Response};
use std::any::Any;

/// A page.
pub fn answer(status: StatusCode, html: &str) -> Response {
    let mut response =
        Response::builder().status(status).content_type("text/html; charset=utf-8").body(html.to_owned());
    headers::of_page(&mut response);
    response
}

pub fn not_found() -> Response {
    plain(StatusCode::NOT_FOUND, "Nothing is here", "The address is not one of this service.")
}

/// A known address, asked in a way it does not know.
pub fn wrong_method(allow: &'static str) -> Response {
    let text = "The address does not know that method.";
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "That does not go here", text);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// What poem refuses by itself: unknown paths, mostly.
pub fn of_error(error: &Error) -> Response {
    match error.status() {
        StatusCode::NOT_FOUND => not_found(),
        StatusCode::BAD_REQUEST => plain(StatusCode::BAD_REQUEST, "That was no request", "The address cannot be read."),
        status => {
            tracing::error!(%status, error = %error, "a page could not be answered");
            broken()
        }
    }
}

pub fn of_panic(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a page's answer panicked");
    broken()
}

fn broken() -> Response {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", "It is not your doing, and it has been noted.")
}

fn plain(status: StatusCode, title: &str, text: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/assets/site.css\"></head><body><main class=\"narrow\"><h1>{title}</h1>\
         <p>{text}</p><p><a href=\"/\">To the start page</a></p></main></body></html>\n"
    );
    answer(status, &html)
}

/// A text as HTML shows it.
pub fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            plain => html.push(plain),
        }
    }
    html
}
