//! Which cookie session a request means, and whether it may ride on it.
//!
//! A browser sends cookies whoever wrote the page that asks. So a session by
//! cookie counts only with a second token in a header, which foreign pages can
//! neither read nor send: for writes while `WriteRequestCSRFSupport` is on, for
//! reads while `ReadRequestCSRFSupport` is. The header's name ends with the
//! tenant's, and so says which of several tenants' cookies is meant.

use domain::TenantName;
use domain::tenant::Settings;
use identity::{Secrets, cookies};

/// Why a cookie session does not count. The words are for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsrfFault {
    #[error("there is no session: log in first")]
    NoSession,
    #[error("there are sessions of several tenants: name one with the header X-Csrf-Token_{{tenant}}")]
    Ambiguous,
    #[error("the header X-Csrf-Token_{{tenant}} is missing")]
    Missing,
    #[error("the header X-Csrf-Token_{{tenant}} is not this session's: it is wrong or stale")]
    Wrong,
}

/// The tenant and the token of one `X-Csrf-Token_{tenant}` header.
pub type Header<'a> = (TenantName, &'a str);

/// Reads the CSRF headers among all headers (names in lower case).
pub fn headers<'a>(all: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Vec<Header<'a>> {
    all.filter_map(|(name, value)| {
        let tenant = name.strip_prefix(cookies::CSRF_HEADER)?;
        Some((TenantName::parse(tenant).ok()?, value.unwrap_or_default()))
    })
    .take(cookies::MAX_PRESENTED)
    .collect()
}

/// The session a request means, and the CSRF token it shows for it.
///
/// A header picks its tenant's cookie. `hint`, the tenant in the path, picks
/// among several headers, or where there is none. Else the only session is meant.
///
/// # Errors
/// When there is no session, or more than one and nothing picks.
pub fn pick<'a>(
    sessions: &[(TenantName, &'a str)],
    headers: &[Header<'a>],
    hint: Option<&TenantName>,
) -> Result<(TenantName, &'a str, Option<&'a str>), CsrfFault> {
    let header = |tenant: &TenantName| headers.iter().find(|(t, _)| t == tenant).map(|(_, token)| *token);
    let mut meant = sessions.iter().filter(|(tenant, _)| headers.is_empty() || header(tenant).is_some());
    let (tenant, token) = match (meant.clone().find(|(tenant, _)| Some(tenant) == hint), meant.next(), meant.next()) {
        (Some(hinted), ..) => hinted,
        (None, Some(only), None) => only,
        (None, Some(_), Some(_)) => return Err(CsrfFault::Ambiguous),
        (None, None, _) => return Err(CsrfFault::NoSession),
    };
    Ok((tenant.clone(), token, header(tenant)))
}

/// Whether the shown token lets this request ride on the session.
///
/// # Errors
/// When the tenant's settings ask for the token and it is missing or another's.
pub fn check(write: bool, settings: Settings, shown: Option<&str>, kept: &str) -> Result<(), CsrfFault> {
    let asked = if write { settings.write_csrf } else { settings.read_csrf };
    match shown {
        _ if !asked => Ok(()),
        None => Err(CsrfFault::Missing),
        Some(shown) if !kept.is_empty() && Secrets::same(shown, kept) => Ok(()),
        Some(_) => Err(CsrfFault::Wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantName {
        TenantName::parse(name).unwrap()
    }

    fn settings(read_csrf: bool, write_csrf: bool) -> Settings {
        Settings { read_csrf, write_csrf, ..Settings::default() }
    }

    #[test]
    fn the_table_of_the_two_settings() {
        let missing = Err(CsrfFault::Missing);
        let wrong = Err(CsrfFault::Wrong);
        // (read setting, write setting) → for a read, for a write: none shown, a wrong one shown.
        let rows = [
            ((false, false), (Ok(()), Ok(())), (Ok(()), Ok(()))),
            ((false, true), (Ok(()), Ok(())), (missing, wrong)),
            ((true, false), (missing, wrong), (Ok(()), Ok(()))),
            ((true, true), (missing, wrong), (missing, wrong)),
        ];
        for ((read, write), for_read, for_write) in rows {
            let settings = settings(read, write);
            for (is_write, (none, other)) in [(false, for_read), (true, for_write)] {
                assert_eq!(check(is_write, settings, None, "kept"), none, "{read} {write} {is_write}");
                assert_eq!(check(is_write, settings, Some("stale"), "kept"), other, "{read} {write} {is_write}");
                assert_eq!(check(is_write, settings, Some("kept"), "kept"), Ok(()));
            }
        }
        assert_eq!(check(true, settings(false, true), Some(""), ""), wrong, "an empty token is none");
    }

    #[test]
    fn the_header_picks_the_cookie_among_several_tenants() {
        let sessions = [(tenant("acme"), "a"), (tenant("beta"), "b")];
        let beta = [(tenant("beta"), "token")];
        assert_eq!(pick(&sessions, &beta, None), Ok((tenant("beta"), "b", Some("token"))));
        assert_eq!(pick(&sessions, &[], None), Err(CsrfFault::Ambiguous));
        assert_eq!(pick(&sessions, &[], Some(&tenant("acme"))), Ok((tenant("acme"), "a", None)));
        assert_eq!(pick(&sessions, &beta, Some(&tenant("acme"))), Ok((tenant("beta"), "b", Some("token"))));
        let both = [(tenant("acme"), "1"), (tenant("beta"), "2")];
        assert_eq!(pick(&sessions, &both, None), Err(CsrfFault::Ambiguous));
        assert_eq!(pick(&sessions, &both, Some(&tenant("beta"))), Ok((tenant("beta"), "b", Some("2"))));
    }

    #[test]
    fn one_session_needs_no_picking_and_a_header_without_its_cookie_picks_nothing() {
        let only = [(tenant("acme"), "a")];
        assert_eq!(pick(&only, &[], None), Ok((tenant("acme"), "a", None)));
        assert_eq!(pick(&only, &[(tenant("beta"), "t")], None), Err(CsrfFault::NoSession));
        assert_eq!(pick(&[], &[], None), Err(CsrfFault::NoSession));
    }

    #[test]
    fn headers_are_known_by_their_suffix() {
        let all = [("x-csrf-token_acme", Some("t")), ("x-csrf-token", Some("u")), ("x-csrf-token_Up", Some("v"))];
        assert_eq!(headers(all.into_iter()), vec![(tenant("acme"), "t")]);
    }
}
