//! Networks whose forwarded headers are believed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The bits before an IPv4 address in `::ffff:0:0/96`.
const MAPPED_BITS: u8 = 96;

/// An address with how many of its leading bits count: `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the peer is in it. An IPv4 peer in IPv6 clothes counts as IPv4.
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        match (self.address, peer.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(peer)) => {
                same(u128::from(own.to_bits()), u128::from(peer.to_bits()), 32, self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(peer)) => same(own.to_bits(), peer.to_bits(), 128, self.prefix),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn same(a: u128, b: u128, width: u32, prefix: u8) -> bool {
    let ignored = width.saturating_sub(u32::from(prefix));
    // A shift by the whole width has no meaning for integers: nothing counts then.
    (a ^ b).checked_shr(ignored).unwrap_or(0) == 0
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr =
            address.parse().map_err(|_| format!("names `{text}`, which is no network like 10.0.0.0/8"))?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(bits) => bits.parse::<u8>().ok().filter(|bits| *bits <= widest),
            None => Some(widest),
        };
        let prefix = prefix.ok_or_else(|| format!("names `{text}`, whose prefix is not 0 to {widest}"))?;
        // IPv4 in IPv6 clothes stands behind 96 bits that all of it has.
        match (address.to_canonical(), prefix.checked_sub(MAPPED_BITS)) {
            (v4 @ IpAddr::V4(_), Some(prefix)) if address.is_ipv6() => Ok(Self { address: v4, prefix }),
            (_, Some(_) | None) => Ok(Self { address, prefix }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, peer: &str) -> bool {
        network.parse::<Network>().unwrap().contains(peer.parse().unwrap())
    }

    #[test]
    fn a_peer_is_in_the_network_by_its_leading_bits() {
        assert!(contains("10.0.0.0/8", "10.255.1.2"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("127.0.0.1", "127.0.0.1"));
        assert!(!contains("127.0.0.1", "127.0.0.2"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.1.1"));
        assert!(contains("::ffff:10.0.0.0/104", "10.1.1.1"));
        assert!(!contains("::ffff:10.0.0.0/104", "11.1.1.1"));
        assert!(contains("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1"));
        assert!(!contains("2001:db8::/32", "10.1.1.1"));
        assert!(contains("::/0", "2001:db8::1"));
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_it_was() {
        let reason = |text: &str| text.parse::<Network>().unwrap_err();
        assert_eq!(reason("proxy"), "names `proxy`, which is no network like 10.0.0.0/8");
        assert_eq!(reason("10.0.0.0/33"), "names `10.0.0.0/33`, whose prefix is not 0 to 32");
    }
}
