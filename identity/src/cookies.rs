//! Cookies of a browser's session, and whether a browser's write is its own.
//!
//! Texts in, texts out: this room knows no HTTP. One place, because two doors
//! set and read these cookies (the platform dialect and the accept page) and
//! must never disagree. The session token stands in a cookie that scripts cannot
//! read; the token that a write must repeat in a header stands in one they can.

use domain::TenantName;

/// Before the tenant's name; holds the session token, hidden from scripts.
pub const SESSION_COOKIE: &str = "AtmoAuthToken_";
/// Before the tenant's name; readable, repeated by scripts in [`CSRF_HEADER`].
pub const CSRF_COOKIE: &str = "Csrf-Token_";
/// Before the tenant's name, in lower case as headers are compared.
pub const CSRF_HEADER: &str = "x-csrf-token_";
/// Sessions of tenants that one request may present; more are not looked at.
pub const MAX_PRESENTED: usize = 16;
/// How long a remembered session's cookies last: what browsers keep at most, 400 days.
const REMEMBERED_S: u64 = 400 * 24 * 60 * 60;

/// What the two cookies carry.
pub struct Contents<'a> {
    pub tenant: &'a TenantName,
    pub token: &'a str,
    pub csrf: &'a str,
    /// Without it the cookies end with the browser.
    pub remember_me: bool,
}

/// The two `Set-Cookie` values of a new session. `secure`: the public URL is https.
#[must_use]
pub fn opening(contents: &Contents<'_>, secure: bool) -> [String; 2] {
    let age = if contents.remember_me { format!("; Max-Age={REMEMBERED_S}") } else { String::new() };
    pair(contents.tenant, (contents.token, contents.csrf), &age, secure)
}

/// The two `Set-Cookie` values that make a browser forget a session.
#[must_use]
pub fn closing(tenant: &TenantName, secure: bool) -> [String; 2] {
    pair(tenant, ("", ""), "; Max-Age=0", secure)
}

fn pair(tenant: &TenantName, (token, csrf): (&str, &str), age: &str, secure: bool) -> [String; 2] {
    let secure = if secure { "; Secure" } else { "" };
    [
        format!("{SESSION_COOKIE}{tenant}={token}; Path=/; SameSite=Lax; HttpOnly{secure}{age}"),
        format!("{CSRF_COOKIE}{tenant}={csrf}; Path=/; SameSite=Lax{secure}{age}"),
    ]
}

/// Whether cookies must be marked `Secure`.
#[must_use]
pub fn is_secure(public_url: &str) -> bool {
    public_url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
}

/// The sessions that `Cookie` headers present: tenant and token, each tenant once
/// (a name that comes twice with two values is no session: somebody planted one).
#[must_use]
pub fn presented<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<(TenantName, &'a str)> {
    let mut found: Vec<(TenantName, &'a str)> = vec![];
    let mut planted: Vec<TenantName> = vec![];
    for (name, value) in headers.flat_map(|header| header.split(';')).filter_map(|part| part.trim().split_once('=')) {
        let Some(tenant) = name.strip_prefix(SESSION_COOKIE).and_then(|t| TenantName::parse(t).ok()) else { continue };
        match found.iter().find(|(t, _)| *t == tenant) {
            Some((_, token)) if *token != value => planted.push(tenant),
            Some(_) => {}
            None if found.len() < MAX_PRESENTED && !value.is_empty() => found.push((tenant, value)),
            None => {}
        }
    }
    found.retain(|(tenant, _)| !planted.contains(tenant));
    found
}

/// What a browser says about where a request comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Provenance<'a> {
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    pub host: Option<&'a str>,
}

/// Whether a write that rides on cookies comes from our own pages, or from a
/// client that is no browser. On loopback the request's own host counts too:
/// there the port may be a tunnel's. A foreign name that merely resolves to
/// loopback does not.
#[must_use]
pub fn is_own(from: Provenance<'_>, public_url: &str) -> bool {
    if from.fetch_site.is_some_and(|site| site.eq_ignore_ascii_case("cross-site")) {
        return false;
    }
    let Some(origin) = from.origin else { return true };
    let own_host = || {
        let host = from.host.filter(|h| is_loopback(h))?;
        Some(origin.eq_ignore_ascii_case(&format!("http://{host}")))
    };
    origin_of(public_url).is_some_and(|own| own == origin.to_ascii_lowercase()) || own_host().unwrap_or(false)
}

/// Scheme, host and port, as browsers write an origin.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let authority = rest.split(['/', '?', '#']).next()?.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    (!authority.is_empty()).then(|| format!("{scheme}://{authority}"))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        Some(_) | None => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantName {
        TenantName::parse(name).unwrap()
    }

    #[test]
    fn only_the_session_cookie_is_hidden_and_both_are_secure_on_https_alone() {
        let acme = tenant("acme");
        let contents = Contents { tenant: &acme, token: "il_ses_x", csrf: "c1", remember_me: false };
        assert_eq!(
            opening(&contents, is_secure("http://127.0.0.1:8080")),
            ["AtmoAuthToken_acme=il_ses_x; Path=/; SameSite=Lax; HttpOnly", "Csrf-Token_acme=c1; Path=/; SameSite=Lax",]
        );
        assert_eq!(
            opening(&Contents { remember_me: true, ..contents }, is_secure("HTTPS://invite.example")),
            [
                "AtmoAuthToken_acme=il_ses_x; Path=/; SameSite=Lax; HttpOnly; Secure; Max-Age=34560000",
                "Csrf-Token_acme=c1; Path=/; SameSite=Lax; Secure; Max-Age=34560000",
            ]
        );
        assert_eq!(closing(&acme, false)[1], "Csrf-Token_acme=; Path=/; SameSite=Lax; Max-Age=0");
    }

    #[test]
    fn sessions_of_several_tenants_are_told_apart_and_a_planted_twin_spoils_its_tenant() {
        let read = |text: &'static str| presented(std::iter::once(text));
        assert_eq!(
            read("a=1; AtmoAuthToken_acme=x;AtmoAuthToken_beta=y=="),
            vec![(tenant("acme"), "x"), (tenant("beta"), "y==")]
        );
        assert_eq!(
            read("AtmoAuthToken_acme=x; AtmoAuthToken_acme=z; AtmoAuthToken_beta=y"),
            vec![(tenant("beta"), "y")]
        );
        assert_eq!(read("AtmoAuthToken_ACME=x; AtmoAuthToken_=x; AtmoAuthToken_acme="), vec![]);
    }

    #[test]
    fn a_write_is_own_by_origin_and_by_nothing_a_stranger_can_choose() {
        let public = "https://Invite.Example:443/base";
        let own = |origin, fetch_site, host| is_own(Provenance { origin, fetch_site, host }, public);
        assert!(own(None, None, None), "a client that is no browser");
        assert!(own(Some("https://invite.example"), Some("same-origin"), None));
        assert!(own(Some("http://127.0.0.1:9000"), None, Some("127.0.0.1:9000")));
        assert!(own(Some("http://[::1]:9000"), None, Some("[::1]:9000")));
        assert!(!own(Some("https://invite.example.evil.test"), None, None));
        assert!(!own(Some("http://invite.example"), None, None), "another scheme is another origin");
        assert!(!own(Some("null"), None, Some("null")));
        assert!(!own(Some("http://evil.test"), None, Some("evil.test")), "a name that resolves to loopback");
        assert!(!own(Some("http://localhost:1"), None, Some("localhost:2")));
        assert!(!own(None, Some("cross-site"), None));
    }
}
