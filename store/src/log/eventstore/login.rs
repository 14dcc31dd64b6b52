//! Who asks, as an address says it.

use std::borrow::Cow;

use eventstore::Credentials;
use urlencoding::decode;

/// An address as the client takes it, and the log-in to send with every question if the client
/// would send another one than is meant: it does not decode what is percent-encoded, and encodes
/// what is not. Nodes of a cluster are then asked for without it, which a server allows unless it
/// is told otherwise.
pub(super) fn of(url: &str) -> Option<(Cow<'_, str>, Option<Credentials>)> {
    let begin = url.find("://")? + "://".len();
    let end = url[begin..].find(['/', '?', '#']).map_or(url.len(), |length| begin + length);
    let Some((login, hosts)) = url[begin..end].rsplit_once('@') else { return Some((url.into(), None)) };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"!$&'()*+-._~".contains(&byte);
    if user.bytes().chain(password.bytes()).all(stays) {
        return Some((url.into(), None));
    }
    let credentials = Credentials::new(decode(user).ok()?.into_owned(), decode(password).ok()?.into_owned());
    Some((format!("{}{hosts}{}", &url[..begin], &url[end..]).into(), Some(credentials)))
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_log_in_that_the_client_would_change_is_taken_out_of_the_address() {
        let of = |url: &str| of(url).map(|(address, credentials)| (address.into_owned(), credentials.is_some()));
        for left in ["esdb://one", "esdb://one,two?tlsCAFile=/a@b%20c", "esdb+discover://ada:a-b_c!@one:2113?tls=false"]
        {
            assert_eq!(of(left), Some((left.to_owned(), false)));
        }
        for encoded in ["a%40b", "a@b", "a:b", "a,b", "\u{e4}"] {
            let told = of(&format!("esdb://ada:{encoded}@one:1,two?tls=false#x"));
            assert_eq!(told, Some(("esdb://one:1,two?tls=false#x".to_owned(), true)), "{encoded}");
        }
        assert_eq!(of("esdb://ada:%FF@one"), None, "no text");
        assert_eq!(of("one"), None);
    }
}
