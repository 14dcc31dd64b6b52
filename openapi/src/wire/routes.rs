//! Which operation answers a path and a method.
//!
//! poem's router is not asked: it answers paths that are no UTF-8 itself, and
//! knows no `Allow`. Its endpoints, one for each operation, are called from here.

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem_openapi::OpenApi;
use std::borrow::Cow;
use std::collections::HashMap;

/// Parts of a path that are looked at; no declared path has as many.
const MAX_PARTS: usize = 16;

/// One operation, as poem-openapi made it.
type Operation = BoxEndpoint<'static>;

/// One declared path.
struct Declared {
    template: &'static str,
    operations: HashMap<Method, Operation>,
}

/// All that a dialect declares, in the order in which it is looked through.
pub(super) struct Routes(Vec<Declared>);

/// What a request's path and method mean.
pub(super) enum Match<'r> {
    Unknown,
    /// The path is declared, the method is not.
    Undeclared {
        template: &'static str,
        allow: String,
    },
    Found {
        template: &'static str,
        operation: &'r Operation,
    },
}

impl Routes {
    pub(super) fn of<A: OpenApi>(api: A) -> Self {
        let mut operations = HashMap::new();
        api.add_routes(&mut operations);
        let paths = A::meta().into_iter().flat_map(|api| api.paths).map(|path| path.path);
        // A path that several parts of the dialect declare comes several times, all methods with the first.
        let declared = paths.filter_map(|path| operations.remove(&numbered(&path)).map(|methods| (path, methods)));
        // Leaked once per dialect and process, so that routes can name metrics.
        Self::ordered(declared.map(|(path, operations)| Declared { template: path.leak(), operations }).collect())
    }

    /// A literal path is meant before one with parameters.
    fn ordered(mut declared: Vec<Declared>) -> Self {
        declared.sort_by_key(|d| d.template.matches('{').count());
        Self(declared)
    }

    pub(super) fn find(&self, path: &str, method: &Method) -> Match<'_> {
        if decoded(path).is_none() {
            return Match::Unknown;
        }
        let mut parts = [""; MAX_PARTS];
        let mut count = 0;
        for part in path.split('/') {
            let Some(place) = parts.get_mut(count) else { return Match::Unknown };
            *place = part;
            count += 1;
        }
        let Some(declared) = self.0.iter().find(|d| fits(d.template, &parts[..count])) else { return Match::Unknown };
        let template = declared.template;
        match declared.operation(method) {
            Some(operation) => Match::Found { template, operation },
            None => Match::Undeclared { template, allow: declared.allow() },
        }
    }
}

impl Declared {
    /// `HEAD` is `GET` without its body, which the shell takes away.
    fn operation(&self, method: &Method) -> Option<&Operation> {
        let head = || self.operations.get(&Method::GET).filter(|_| *method == Method::HEAD);
        self.operations.get(method).or_else(head)
    }

    fn allow(&self) -> String {
        let mut names: Vec<&str> = self.operations.keys().map(Method::as_str).collect();
        if self.operations.contains_key(&Method::GET) {
            names.push("HEAD");
        }
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }
}

/// A declared path under the name that poem-openapi gives its operations:
/// parameters are `:param0`, `:param1`, … there.
fn numbered(template: &str) -> String {
    let mut count = 0;
    let parts = template.split('/').map(|part| {
        if !is_parameter(part) {
            return part.to_owned();
        }
        count += 1;
        format!(":param{}", count - 1)
    });
    parts.collect::<Vec<_>>().join("/")
}

fn is_parameter(part: &str) -> bool {
    part.starts_with('{')
}

fn fits(template: &str, parts: &[&str]) -> bool {
    let mut asked = parts.iter();
    let declared_fit = template
        .split('/')
        .all(|declared| asked.next().is_some_and(|a| declared == *a || (is_parameter(declared) && !a.is_empty())));
    declared_fit && asked.next().is_none()
}

/// What stands in a path where its template has this parameter, percent-decoded.
pub(super) fn parameter<'p>(template: &str, path: &'p str, name: &str) -> Option<Cow<'p, str>> {
    let is_named = |declared: &str| declared.strip_prefix('{').and_then(|d| d.strip_suffix('}')) == Some(name);
    let (_, part) = template.split('/').zip(path.split('/')).find(|(declared, _)| is_named(declared))?;
    decoded(part)
}

/// Percent-decoded; `None` when that is no UTF-8. A `%` without two digits stands for itself.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.as_bytes().contains(&b'%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes().iter();
    while let Some(byte) = bytes.next() {
        let digits = bytes.as_slice().get(..2).filter(|_| *byte == b'%');
        let hex = digits.and_then(|d| std::str::from_utf8(d).ok()).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                bytes.nth(1);
            }
            None => decoded.push(*byte),
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::EndpointExt;
    use poem::endpoint::make_sync;

    fn table() -> Routes {
        let declared = |template, methods: &[Method]| {
            let operation = || make_sync(|_| "").map_to_response().boxed();
            Declared { template, operations: methods.iter().map(|m| (m.clone(), operation())).collect() }
        };
        Routes::ordered(vec![
            declared("/api/v2/orgs/{org}/invites", &[Method::POST, Method::GET]),
            declared("/api/v2/orgs/{org}/invites/{id}", &[Method::DELETE]),
            declared("/api/v2/orgs/{org}/invites/mine", &[Method::GET]),
        ])
    }

    /// The template found, or the methods allowed.
    fn found(path: &str, method: &Method) -> Option<Result<&'static str, String>> {
        match table().find(path, method) {
            Match::Unknown => None,
            Match::Undeclared { allow, .. } => Some(Err(allow)),
            Match::Found { template, .. } => Some(Ok(template)),
        }
    }

    #[test]
    fn paths_are_matched_part_by_part() {
        assert_eq!(found("/api/v2/orgs/1/invites", &Method::GET), Some(Ok("/api/v2/orgs/{org}/invites")));
        assert_eq!(found("/api/v2/orgs/1/invites/mine", &Method::HEAD), Some(Ok("/api/v2/orgs/{org}/invites/mine")));
        assert_eq!(found("/api/v2/orgs/1/invites/2", &Method::DELETE), Some(Ok("/api/v2/orgs/{org}/invites/{id}")));
        for path in ["/api/v2", "/api/v2/orgs/1/invites/", "/api/v2/orgs//invites", "/api/v2/orgs/1/invites/2/3"] {
            assert_eq!(found(path, &Method::GET), None, "{path}");
        }
        assert_eq!(found(&"/a".repeat(100), &Method::GET), None);
    }

    #[test]
    fn what_is_no_text_is_no_path() {
        for (good, text) in
            [("/a", "/a"), ("/a%20b", "/a b"), ("/a%C3%BC", "/aü"), ("/100%", "/100%"), ("/%zz", "/%zz")]
        {
            assert_eq!(decoded(good).as_deref(), Some(text));
        }
        for bad in ["/%FF", "/a%C3/%BC", "/%ed%a0%80"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_parameter_is_what_stands_in_its_place() {
        let template = "/orgs/{org}/invites/{id}";
        let part = |name| parameter(template, "/orgs/a%2Fb/invites/7", name);
        assert_eq!(part("org").as_deref(), Some("a/b"));
        assert_eq!(part("id").as_deref(), Some("7"));
        assert_eq!(part("orgs"), None);
    }

    #[test]
    fn operations_are_known_by_numbered_parameters() {
        assert_eq!(numbered("/orgs/{org}/invites/{id}"), "/orgs/:param0/invites/:param1");
    }

    #[test]
    fn an_undeclared_method_learns_the_declared_ones() {
        let allow = |path, method| found(path, &method).unwrap().unwrap_err();
        assert_eq!(allow("/api/v2/orgs/1/invites", Method::OPTIONS), "GET, HEAD, POST");
        assert_eq!(allow("/api/v2/orgs/1/invites/2", Method::HEAD), "DELETE");
    }
}
