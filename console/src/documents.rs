//! The API documents: a list, a page to browse each, and the texts themselves.
//!
//! The browser of documents is swagger-ui as poem-openapi carries it. It comes
//! as one page with everything inline; script and style are cut out once and
//! served as files of their own, so that these pages are as strict as the others.

use crate::page::escaped;
use crate::{assets, headers, only};
use poem::endpoint::make_sync;
use poem::{Route, get};
use serde::Deserialize;
use std::sync::Arc;

/// Changes with the program, and so do the files.
const TAG: &str = concat!("\"swagger-ui-", env!("CARGO_PKG_VERSION"), "\"");

/// What a list shows of a document.
struct Card {
    name: String,
    title: String,
    description: String,
}

pub struct Documents {
    cards: Vec<Card>,
    texts: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Head {
    info: Info,
}

#[derive(Deserialize)]
struct Info {
    title: String,
    #[serde(default)]
    description: String,
}

impl Documents {
    pub fn new(texts: &[(String, String)]) -> Self {
        let cards = texts.iter().map(|(name, text)| Card::new(name, text)).collect();
        Self { cards, texts: texts.to_vec() }
    }

    pub fn start_page(&self) -> String {
        assets::text("start.html").replace("{{documents}}", &self.list())
    }

    fn list(&self) -> String {
        self.cards.iter().map(Card::html).collect::<Vec<_>>().join("\n")
    }

    /// `/docs`, `/docs/{name}`, `/docs/{name}.json`, and the browser's two files.
    pub fn mount(self, route: Route) -> Route {
        let list = assets::text("documents.html").replace("{{documents}}", &self.list());
        let (style, script) = browser();
        let route = route
            .at("/docs", crate::page(list))
            .at("/docs/browser/style.css", file("text/css; charset=utf-8", style))
            .at("/docs/browser/script.js", file("text/javascript; charset=utf-8", script));
        let route = self.cards.iter().fold(route, |route, card| {
            let html = assets::text("document.html")
                .replace("{{title}}", &escaped(&card.title))
                .replace("{{name}}", &escaped(&card.name));
            route.at(format!("/docs/{}", card.name), crate::page(html))
        });
        self.texts.into_iter().fold(route, |route, (name, text)| {
            let text: Arc<str> = text.into();
            let answer = make_sync(move |_| {
                let mut response = poem::Response::builder().content_type("application/json").body(text.to_string());
                headers::of_page(&mut response);
                response
            });
            route.at(format!("/docs/{name}.json"), only("GET, HEAD", get(answer)))
        })
    }
}

impl Card {
    /// A text that is no OpenAPI document is shown by its name alone.
    fn new(name: &str, text: &str) -> Self {
        let head = serde_json::from_str::<Head>(text).ok();
        let (title, description) =
            head.map_or_else(|| (name.to_owned(), String::new()), |h| (h.info.title, h.info.description));
        // The program's name stands on the page already.
        let title = title.strip_prefix("Invitation Ledger: ").unwrap_or(&title);
        let mut letters = title.chars();
        let title = letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect());
        // The first paragraph is enough for a card.
        let description = description.split("\n\n").next().unwrap_or_default().replace('`', "").trim().to_owned();
        Self { name: name.to_owned(), title, description }
    }

    fn html(&self) -> String {
        let name = escaped(&self.name);
        format!(
            "<li class=\"card\"><h3>{title}</h3><p>{description}</p>\
             <p class=\"links\"><a href=\"/docs/{name}\">Browse and try</a> · \
             <a href=\"/docs/{name}.json\">OpenAPI as JSON</a></p></li>",
            title = escaped(&self.title),
            description = escaped(&self.description),
        )
    }
}

fn file(kind: &'static str, content: String) -> impl poem::Endpoint<Output = poem::Response> + 'static {
    let content: Arc<str> = content.into();
    let answer = make_sync(move |request| assets::serve(&request, kind, TAG, content.as_bytes().to_vec()));
    only("GET, HEAD", get(answer))
}

/// Style and script of swagger-ui, out of the page that carries them.
fn browser() -> (String, String) {
    let whole = poem_openapi::OpenApiService::new((), "", "").swagger_ui_html();
    let between = |open: &str, close: &str| {
        let start = whole.find(open).map(|at| at + open.len())?;
        let length = whole.get(start..)?.find(close)?;
        whole.get(start..start + length).map(str::to_owned)
    };
    let style = between("<style charset=\"UTF-8\">", "</style>").unwrap_or_default();
    let script = between("<script charset=\"UTF-8\">", "</script>").unwrap_or_default();
    (style, script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_of_documents_is_cut_out_whole() {
        let (style, script) = browser();
        assert!(style.contains(".swagger-ui"), "poem-openapi carries swagger-ui's style elsewhere now");
        assert!(script.contains("SwaggerUIBundle"), "poem-openapi carries swagger-ui's script elsewhere now");
        assert!(style.len() > 100_000 && script.len() > 1_000_000, "{} {}", style.len(), script.len());
    }

    #[test]
    fn a_card_takes_its_words_from_the_document_and_trusts_none() {
        let text = r#"{"info": {"title": "Invitation Ledger: a <b>", "description": "First `x`.\n\nSecond."}}"#;
        let html = Card::new("a", text).html();
        assert!(html.contains("<h3>A &lt;b&gt;</h3><p>First x.</p>"), "{html}");
        assert!(html.contains("href=\"/docs/a.json\""), "{html}");
        assert!(Card::new("odd", "no JSON").html().contains("<h3>Odd</h3>"));
    }
}
