//! The pages as a browser without a session meets them.

use super::*;
use poem::http::Method;
use poem::test::{TestClient, TestResponse};

const DOCUMENT: &str = r#"{"openapi": "3.0.3", "info": {"title": "Sample dialect", "description": "Says things."}}"#;

fn site() -> TestClient<impl Endpoint> {
    let documents = [("sample".to_owned(), DOCUMENT.to_owned())];
    TestClient::new(pages(&documents).catch_all_error(|error| async move { page::of_error(&error) }))
}

async fn get_text(path: &str) -> (TestResponse, String) {
    let mut response = site().get(path).send().await;
    let text = response.0.take_body().into_string().await.unwrap();
    (response, text)
}

/// What stands between `before` and the next quote, wherever it stands.
fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.match_indices(before).filter_map(|(at, _)| text[at + before.len()..].split('"').next()).collect()
}

#[tokio::test]
async fn the_page_of_a_link_is_the_same_for_every_link_and_for_what_is_none() {
    let (_, known) = get_text("/i/8646b67b-9a28-4de7-bd0e-27adacc99e45").await;
    let (_, other) = get_text("/i/00000000-0000-0000-0000-000000000000").await;
    let (_, none) = get_text("/i/none").await;
    assert!(known.contains("Your invitation"));
    assert_eq!(known, other);
    assert_eq!(known, none);
}

#[tokio::test]
async fn every_page_keeps_itself_to_itself() {
    for path in ["/", "/docs", "/docs/sample", "/docs/sample.json", "/i/x", "/assets/site.css", "/nowhere"] {
        let response = site().get(path).send().await;
        let header = |name: &str| response.0.header(name).unwrap_or_default().to_owned();
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn nothing_stands_inline_and_all_that_a_page_names_is_served_here() {
    for path in ["/", "/docs", "/docs/sample", "/i/x", "/nowhere"] {
        let (_, html) = get_text(path).await;
        assert!(!html.contains("<style") && !html.contains("style=") && !html.contains(" onclick"), "{path}");
        assert_eq!(html.matches("<script").count(), quoted(&html, "<script src=\"").len(), "{path}");
        assert!(!html.contains("{{"), "{path} has a place that was not filled");
        let named = [quoted(&html, "href=\""), quoted(&html, "src=\"")].concat();
        for address in named.into_iter().filter(|address| !address.starts_with('#')) {
            assert!(address.starts_with('/') && !address.starts_with("//"), "{path} asks another host for {address}");
            site().get(address).send().await.assert_status_is_ok();
        }
    }
}

#[tokio::test]
async fn asking_with_head_says_the_same_without_a_body() {
    let mut response = site().head("/i/x").send().await;
    response.assert_status_is_ok();
    assert_eq!(response.0.content_type(), Some("text/html; charset=utf-8"));
    assert_eq!(response.0.take_body().into_string().await.unwrap(), "");
}

#[tokio::test]
async fn another_method_is_told_which_there_are() {
    for path in ["/", "/i/x", "/docs/sample", "/docs/sample.json", "/assets/site.css"] {
        for method in [Method::POST, Method::DELETE, Method::OPTIONS] {
            let response = site().request(method, path).send().await;
            response.assert_status(StatusCode::METHOD_NOT_ALLOWED);
            response.assert_header("allow", "GET, HEAD");
        }
    }
}

#[tokio::test]
async fn a_file_that_has_not_changed_is_not_sent_again() {
    let first = site().get("/assets/invitation.js").send().await;
    let tag = first.0.header("etag").unwrap().to_owned();
    let again = site().get("/assets/invitation.js").header("If-None-Match", &tag).send().await;
    again.assert_status(StatusCode::NOT_MODIFIED);
    let other = site().get("/assets/invitation.js").header("If-None-Match", "\"other\"").send().await;
    other.assert_status_is_ok();
}

#[tokio::test]
async fn templates_are_pages_and_not_files() {
    for path in ["/assets/start.html", "/assets/..%2fCargo.toml", "/assets/none.css", "/assets/"] {
        site().get(path).send().await.assert_status(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn the_documents_are_listed_shown_and_handed_out_as_they_are() {
    let (_, list) = get_text("/docs").await;
    assert!(list.contains("Sample dialect") && list.contains("Says things."));
    let (_, browse) = get_text("/docs/sample").await;
    assert_eq!(quoted(&browse, "data-source=\""), ["/docs/sample.json"]);
    let (response, text) = get_text("/docs/sample.json").await;
    response.assert_content_type("application/json");
    assert_eq!(text, DOCUMENT);
}

/// The script and its page are written apart; a name that only one of them
/// knows would show on the day somebody is invited.
#[test]
fn the_script_of_the_link_finds_all_that_it_looks_for() {
    let (script, html) = (assets::text("invitation.js"), assets::text("invitation.html"));
    let ids = quoted(&html, " id=\"");
    let looked_for = [quoted(&script, "part(\""), quoted(&script, "show(\"")].concat();
    assert!(looked_for.len() > 20, "{looked_for:?}");
    for name in looked_for {
        assert!(ids.contains(&name), "the page has no #{name}");
    }
    for name in quoted(&html, "aria-controls=\"").into_iter().chain(quoted(&html, "aria-labelledby=\"")) {
        assert!(ids.contains(&name), "the page has no #{name}");
    }
}
