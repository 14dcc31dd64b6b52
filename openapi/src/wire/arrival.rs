//! What is known of a request as soon as it arrives.

use crate::{Dialect, HttpSettings};
use domain::{Failure, Timestamp, told};
use poem::Request;
use poem::http::HeaderMap;
use std::net::{IpAddr, Ipv4Addr};
use uuid::Uuid;

pub(crate) const REQUEST_ID: &str = "x-request-id";
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Hops of `X-Forwarded-For` that are looked at, from the nearest.
const MAX_HOPS: usize = 8;

/// Put into every request by the shell.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub dialect: Dialect,
    /// The caller's `X-Request-Id` if it is a UUID, else ours.
    pub request_id: Uuid,
    pub at: Timestamp,
    /// Who sent it: the peer, or what a trusted proxy says.
    pub peer: IpAddr,
    /// The path as the dialect declares it, `/api/v2/organizations/:org/invites`.
    pub route: &'static str,
    /// It was not waited for what other services acknowledged before ([`super::late`]).
    pub late: bool,
    /// How long the body may take.
    pub body_wait: std::time::Duration,
}

/// # Panics
/// Never in a mounted dialect: the shell puts it there. A request that came
/// round the shell is a fault of the composition and is answered 500.
#[must_use]
#[expect(clippy::expect_used, reason = "an operation outside its shell cannot answer anything; the shell catches it")]
pub fn arrival(request: &Request) -> &Arrival {
    request.data::<Arrival>().expect("operations are mounted behind the shell")
}

/// Who sent a request: the connection's address, or what a trusted proxy says.
#[must_use]
pub fn peer(request: &Request, settings: &HttpSettings) -> IpAddr {
    let remote = request.remote_addr().as_socket_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |a| a.ip());
    origin(remote.to_canonical(), request.headers(), settings)
}

impl Arrival {
    pub(crate) fn of(request: &Request, dialect: Dialect, settings: &HttpSettings, at: Timestamp) -> Self {
        let request_id = request.header(REQUEST_ID).and_then(super::uuid).unwrap_or_else(Uuid::now_v7);
        let (peer, body_wait) = (peer(request, settings), settings.body_wait);
        Self { dialect, request_id, at, peer, route: "", late: false, body_wait }
    }

    /// Writes down, once, what broke; callers learn the request id only.
    pub fn report(&self, failure: &Failure) {
        match failure {
            Failure::Refused(_) | Failure::KeyReused | Failure::Nobody => {}
            Failure::Unavailable(why) => {
                tracing::warn!(request_id = %self.request_id, dialect = self.dialect.name(), route = self.route, %why, "not available");
            }
            Failure::Internal(_) => {
                tracing::error!(
                    request_id = %self.request_id,
                    dialect = self.dialect.name(),
                    route = self.route,
                    failure = told(failure),
                    "internal failure"
                );
            }
        }
    }
}

/// The nearest hop that is not a trusted proxy of ours.
fn origin(remote: IpAddr, headers: &HeaderMap, settings: &HttpSettings) -> IpAddr {
    if !settings.trusts(remote) {
        return remote;
    }
    let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().filter_map(|v| v.to_str().ok()).collect();
    let mut nearest = remote;
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')).take(MAX_HOPS) {
        let Ok(ip) = hop.trim().parse::<IpAddr>() else { break };
        nearest = ip.to_canonical();
        if !settings.trusts(nearest) {
            break;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::http::HeaderValue;

    fn seen(remote: &str, forwarded: &[&'static str]) -> String {
        let settings = HttpSettings { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..HttpSettings::default() };
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        origin(remote.parse().unwrap(), &headers, &settings).to_string()
    }

    #[test]
    fn a_stranger_cannot_say_where_he_is() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn a_proxy_of_ours_says_it_for_its_peer_and_what_the_peer_claims_is_ignored() {
        assert_eq!(seen("10.0.0.1", &["1.1.1.1, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["1.1.1.1", "198.51.100.1, 10.0.0.7"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["not an address"]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }
}
