//! The table of declared paths and methods, as the shell needs it.

use poem::http::Method;
use poem_openapi::OpenApi;

/// One declared path.
#[derive(Debug)]
struct Declared {
    template: &'static str,
    methods: Vec<Method>,
}

/// All that a dialect declares.
#[derive(Debug)]
pub(super) struct Routes(Vec<Declared>);

/// What a request's path and method mean.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match {
    Unknown,
    /// The path is declared, the method is not.
    Undeclared {
        template: &'static str,
        allow: String,
    },
    Found {
        template: &'static str,
    },
}

impl Routes {
    pub(super) fn of<A: OpenApi>() -> Self {
        let mut table: Vec<(String, Vec<Method>)> = vec![];
        for path in A::meta().into_iter().flat_map(|api| api.paths) {
            let methods = path.operations.iter().map(|operation| operation.method.clone());
            match table.iter_mut().find(|(template, _)| *template == path.path) {
                Some((_, known)) => known.extend(methods),
                None => table.push((path.path.clone(), methods.collect())),
            }
        }
        // Leaked once per dialect and process, so that routes can name metrics.
        Self(table.into_iter().map(|(t, methods)| Declared { template: t.leak(), methods }).collect())
    }

    pub(super) fn find(&self, path: &str, method: &Method) -> Match {
        if !is_text(path) {
            return Match::Unknown;
        }
        let mut matching: Vec<&Declared> = self.0.iter().filter(|d| fits(d.template, path)).collect();
        // A literal path is meant before one with parameters.
        matching.sort_by_key(|d| d.template.matches('{').count());
        let Some(declared) = matching.first() else { return Match::Unknown };
        let template = declared.template;
        let head = *method == Method::HEAD && declared.methods.contains(&Method::GET);
        if head || declared.methods.contains(method) {
            return Match::Found { template };
        }
        Match::Undeclared { template, allow: declared.allow() }
    }
}

impl Declared {
    fn allow(&self) -> String {
        let mut names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        if self.methods.contains(&Method::GET) {
            names.push("HEAD");
        }
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut declared, mut asked) = (template.split('/'), path.split('/'));
    loop {
        match (declared.next(), asked.next()) {
            (None, None) => return true,
            (Some(d), Some(a)) if d == a || (d.starts_with('{') && !a.is_empty()) => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

/// Whether the path is UTF-8 once it is decoded: poem drops parts that are not.
fn is_text(path: &str) -> bool {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.as_bytes().iter();
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
    std::str::from_utf8(&decoded).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Routes {
        Routes(vec![
            Declared { template: "/api/v2/orgs/{org}/invites", methods: vec![Method::POST, Method::GET] },
            Declared { template: "/api/v2/orgs/{org}/invites/{id}", methods: vec![Method::DELETE] },
            Declared { template: "/api/v2/orgs/{org}/invites/mine", methods: vec![Method::GET] },
        ])
    }

    #[test]
    fn paths_are_matched_part_by_part() {
        let found = |path, method| table().find(path, &method);
        assert_eq!(
            found("/api/v2/orgs/1/invites", Method::GET),
            Match::Found { template: "/api/v2/orgs/{org}/invites" }
        );
        assert_eq!(
            found("/api/v2/orgs/1/invites/mine", Method::HEAD),
            Match::Found { template: "/api/v2/orgs/{org}/invites/mine" }
        );
        for path in ["/api/v2", "/api/v2/orgs/1/invites/", "/api/v2/orgs//invites", "/api/v2/orgs/1/invites/2/3"] {
            assert_eq!(found(path, Method::GET), Match::Unknown, "{path}");
        }
    }

    #[test]
    fn what_is_no_text_is_no_path() {
        for good in ["/a", "/a%20b", "/a%C3%BC", "/100%", "/%zz", "/%+1"] {
            assert!(is_text(good), "{good}");
        }
        for bad in ["/%FF", "/a%C3/%BC", "/%ed%a0%80"] {
            assert!(!is_text(bad), "{bad}");
        }
    }

    #[test]
    fn an_undeclared_method_learns_the_declared_ones() {
        let allow = |path, method| match table().find(path, &method) {
            Match::Undeclared { allow, .. } => allow,
            other @ (Match::Unknown | Match::Found { .. }) => format!("{other:?}"),
        };
        assert_eq!(allow("/api/v2/orgs/1/invites", Method::OPTIONS), "GET, HEAD, POST");
        assert_eq!(allow("/api/v2/orgs/1/invites/2", Method::HEAD), "DELETE");
    }
}
