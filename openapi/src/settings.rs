//! What the HTTP side can be told by the settings.

use crate::wire::Observer;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Requests answered at the same time in each dialect; one more gets 503.
pub const REQUESTS_AT_ONCE: usize = 1_024;
/// How long a request's body may take to arrive.
pub const BODY_WAIT: Duration = Duration::from_secs(10);
/// How long a request waits for the mail provider's word.
pub const MAIL_WAIT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct HttpSettings {
    /// Scheme, host and port people reach the service under; no slash at the end.
    pub public_url: String,
    /// Envelope routes that are switched off here, as `integrations/invitation_email`.
    pub routes_disabled: BTreeSet<String>,
    /// Envelope services that are switched off here, as `integrations`.
    pub services_disabled: BTreeSet<String>,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// `None`: this service sends no mail, so there is no word to wait for.
    pub mail_wait: Option<Duration>,
    pub body_wait: Duration,
    pub requests_at_once: usize,
    /// Told of every answered request: metrics plug in here.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8080".to_owned(),
            routes_disabled: BTreeSet::new(),
            services_disabled: BTreeSet::new(),
            trusted_proxies: vec![],
            mail_wait: Some(MAIL_WAIT),
            body_wait: BODY_WAIT,
            requests_at_once: REQUESTS_AT_ONCE,
            observer: None,
        }
    }
}

impl HttpSettings {
    /// Whether cookies must be `Secure`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }
}

/// A range of IP addresses: `10.0.0.0/8`, `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        match (self.address, peer.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(peer)) => {
                same_bits(net.to_bits().into(), peer.to_bits().into(), 32, self.bits)
            }
            (IpAddr::V6(net), IpAddr::V6(peer)) => same_bits(net.to_bits(), peer.to_bits(), 128, self.bits),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn same_bits(a: u128, b: u128, width: u8, bits: u8) -> bool {
    bits == 0 || (a ^ b) >> (width - bits) == 0
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "is no network like 10.0.0.0/8";
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| WRONG)?;
        let address = address.to_canonical();
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= width).ok_or(WRONG)?,
            None => width,
        };
        Ok(Self { address, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_knows_its_own() {
        let contains = |network: &str, peer: &str| network.parse::<Network>().unwrap().contains(peer.parse().unwrap());
        assert!(contains("10.0.0.0/8", "10.200.3.4"));
        assert!(contains("10.0.0.0/8", "::ffff:10.200.3.4"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("fd00::/8", "fd12::1"));
        assert!(!contains("fd00::/8", "10.0.0.1"));
        assert!(contains("127.0.0.1", "127.0.0.1"));
        assert!(!contains("127.0.0.1", "127.0.0.2"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        for wrong in ["", "10.0.0.0/33", "host", "10.0.0/8", "::/129"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
