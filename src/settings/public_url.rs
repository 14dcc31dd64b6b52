//! Where the service is reached from outside. Links in mails are built from
//! this alone, never from a request's own headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the address to listen at looks like from this machine.
pub(super) fn of_listen(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

/// Scheme, host and port, as browsers write an `Origin`.
///
/// # Errors
/// A reason for people.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|e| format!("is no URL: {e}"))?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must begin with http:// or https:// and name a host".to_owned());
    }
    if !plain || url.fragment().is_some() || url.path() != "/" {
        return Err("must be scheme, host and port alone, like https://invite.example".to_owned());
    }
    Ok(url.origin().ascii_serialization())
}

/// The host to send mails from when nobody says: a name, never an address.
pub(super) fn mail_host(public_url: &str) -> String {
    let url = reqwest::Url::parse(public_url).ok();
    let name = url.as_ref().and_then(|u| u.domain()).filter(|d| d.contains('.'));
    name.unwrap_or("localhost.localdomain").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_browsers_write_an_origin() {
        assert_eq!(parse("https://Invite.Example:443/").as_deref(), Ok("https://invite.example"));
        assert_eq!(parse("http://127.0.0.1:8080").as_deref(), Ok("http://127.0.0.1:8080"));
        assert_eq!(of_listen("0.0.0.0:80".parse().unwrap()), "http://127.0.0.1:80");
        assert_eq!(of_listen("[::]:81".parse().unwrap()), "http://[::1]:81");
    }

    #[test]
    fn anything_a_link_could_be_bent_with_is_refused() {
        for text in ["invite.example", "ftp://invite.example", "https://a:b@invite.example"] {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in ["https://invite.example/path", "https://invite.example/?a=1", "https://invite.example/#x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
