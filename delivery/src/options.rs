//! Settings of delivery, checked where they are read.
//!
//! Invariant: no secret of a transport (password, key) is ever printed by
//! `Debug` or `Display` of anything here.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Mails being sent at the same time, at most.
pub const MAX_SENDING: usize = 16;
/// Steps a retry schedule may have.
pub const MAX_RETRIES: usize = 20;
/// A step of a retry schedule is no longer than this.
pub const MAX_RETRY_STEP: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Bytes of `public_url`.
pub const MAX_PUBLIC_URL: usize = 500;

/// How mails leave.
#[derive(Clone, PartialEq, Eq)]
pub enum TransportOptions {
    /// One `.eml` per mail in the outbox folder.
    File,
    /// Nothing is followed or sent; asks wait for the next start with a transport.
    None,
    /// `smtp://` or `smtps://`, with user, password, port and `?tls=` `?ca=`.
    Smtp(String),
    /// `url` is the API's base, such as `https://mandrillapp.com/api/1.0`.
    Mandrill { url: String, key: String },
}

/// Where Mandrill answers unless another base is set.
pub const MANDRILL_URL: &str = "https://mandrillapp.com/api/1.0";

/// Why a transport's setting is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    #[error("mail must be file, none, smtp://…, smtps://… or mandrill://KEY")]
    Scheme,
    #[error("the mail server's address lacks {0}")]
    Lacks(&'static str),
    #[error("the mail server's address is malformed: {0}")]
    Malformed(&'static str),
    #[error("the mail server's address has an unknown option `{0}`; known are tls and ca")]
    UnknownOption(String),
    #[error("tls must be required, opportunistic or never")]
    Tls,
    #[error("the file of certificates {0} cannot be used")]
    Certificates(String),
    #[error("a retry schedule is up to 20 steps of up to 7 days such as `1m 5m 2h`")]
    Schedule,
}

impl FromStr for TransportOptions {
    type Err = OptionsError;

    fn from_str(text: &str) -> Result<Self, OptionsError> {
        match text {
            "file" => return Ok(Self::File),
            "none" => return Ok(Self::None),
            _ => {}
        }
        if text.starts_with("smtp://") || text.starts_with("smtps://") {
            crate::transport::smtp::Place::parse(text)?;
            return Ok(Self::Smtp(text.to_owned()));
        }
        let rest = text.strip_prefix("mandrill://").ok_or(OptionsError::Scheme)?;
        let (key, place) = rest.split_once('@').map_or((rest, None), |(key, place)| (key, Some(place)));
        if key.is_empty() || key.contains('/') || key.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(OptionsError::Lacks("a key"));
        }
        let url = place.map_or(Ok(MANDRILL_URL.to_owned()), mandrill_base)?;
        Ok(Self::Mandrill { url, key: key.to_owned() })
    }
}

/// `host[:port][/path]` to a base. Only this machine itself is spoken to without TLS.
fn mandrill_base(place: &str) -> Result<String, OptionsError> {
    let place = place.trim_end_matches('/');
    let (host, path) = place.split_once('/').map_or((place, "api/1.0"), |(host, path)| (host, path));
    if host.is_empty() {
        return Err(OptionsError::Lacks("a host"));
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let scheme = if is_loopback(name) { "http" } else { "https" };
    let url = format!("{scheme}://{host}/{path}");
    reqwest::Url::parse(&url).map_err(|_| OptionsError::Malformed("it is no host and path"))?;
    Ok(url)
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl TransportOptions {
    /// `file`, `none`, `smtp` or `mandrill`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::None => "none",
            Self::Smtp(_) => "smtp",
            Self::Mandrill { .. } => "mandrill",
        }
    }
}

impl fmt::Display for TransportOptions {
    /// With user, password and key masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File | Self::None => f.write_str(self.name()),
            Self::Smtp(url) => match url.split_once("://").map(|(s, r)| (s, r.rsplit_once('@'))) {
                Some((scheme, Some((_, place)))) => write!(f, "{scheme}://***@{place}"),
                Some((_, None)) | None => f.write_str(url),
            },
            Self::Mandrill { url, .. } => write!(f, "mandrill (***) at {url}"),
        }
    }
}

impl fmt::Debug for TransportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// When a mail that could not be handed over is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule {
    /// Pauses after the first, second, … failure; after the last one it is given up.
    pub steps: Vec<Duration>,
    /// Each pause is longer by up to this many per cent, so that mails that failed together spread.
    pub jitter_percent: u32,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        let minutes = |m: u64| Duration::from_secs(m * 60);
        let steps = [1, 5, 30, 2 * 60, 6 * 60, 12 * 60, 24 * 60].map(minutes).to_vec();
        Self { steps, jitter_percent: 20 }
    }
}

impl RetrySchedule {
    /// The pause after this many failures (1 = the first); `None` when it is time to give up.
    /// `spread` is any number that differs from mail to mail.
    pub(crate) fn pause(&self, failures: u32, spread: u64) -> Option<Duration> {
        let step = *self.steps.get(usize::try_from(failures.checked_sub(1)?).ok()?)?;
        let part = u32::try_from(spread % 1_000).unwrap_or(0);
        Some(step + step * self.jitter_percent.min(100) * part / 100_000)
    }
}

impl FromStr for RetrySchedule {
    type Err = OptionsError;

    /// `1m 5m 2h`, `30s,1d`: numbers with s, m, h or d.
    fn from_str(text: &str) -> Result<Self, OptionsError> {
        let steps = text
            .split([' ', ','])
            .filter(|t| !t.is_empty())
            .map(|t| step(t).ok_or(OptionsError::Schedule))
            .collect::<Result<Vec<_>, _>>()?;
        if steps.len() > MAX_RETRIES {
            return Err(OptionsError::Schedule);
        }
        Ok(Self { steps, ..Self::default() })
    }
}

fn step(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let step = Duration::from_secs(count.checked_mul(seconds)?);
    (step <= MAX_RETRY_STEP).then_some(step)
}

/// How long a provider is waited for, per stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name, connection, TLS, greeting.
    pub connect: Duration,
    /// One SMTP command and its reply.
    pub command: Duration,
    /// The mail's bytes and the provider's word about them.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), command: seconds(30), answer: seconds(60) }
    }
}

/// All settings of delivery.
#[derive(Clone, Debug)]
pub struct DeliveryOptions {
    pub transport: TransportOptions,
    /// Where people reach the service, for links; never taken from a request.
    pub public_url: String,
    /// Files that replace the built-in templates, in the same layout.
    pub templates: Option<PathBuf>,
    /// A mailbox: `Invitations <invitations@example.com>`.
    pub from: String,
    /// Of the file transport.
    pub outbox_folder: PathBuf,
    pub retry: RetrySchedule,
    pub timeouts: Timeouts,
    /// At most [`MAX_SENDING`].
    pub sending: usize,
}

impl DeliveryOptions {
    /// The defaults for everything that has one.
    #[must_use]
    pub fn new(transport: TransportOptions, public_url: &str, from: &str, outbox_folder: &Path) -> Self {
        Self {
            transport,
            public_url: public_url.to_owned(),
            templates: None,
            from: from.to_owned(),
            outbox_folder: outbox_folder.to_owned(),
            retry: RetrySchedule::default(),
            timeouts: Timeouts::default(),
            sending: MAX_SENDING,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_the_mail_setting_are_read() {
        let parse = |t: &str| t.parse::<TransportOptions>();
        assert_eq!(parse("file"), Ok(TransportOptions::File));
        assert_eq!(parse("none"), Ok(TransportOptions::None));
        assert_eq!(parse("smtp://a:b@mx.example:25"), Ok(TransportOptions::Smtp("smtp://a:b@mx.example:25".into())));
        let mandrill = |url: &str| Ok(TransportOptions::Mandrill { url: url.into(), key: "Key-1".into() });
        assert_eq!(parse("mandrill://Key-1"), mandrill("https://mandrillapp.com/api/1.0"));
        assert_eq!(parse("mandrill://Key-1@mail.example"), mandrill("https://mail.example/api/1.0"));
        assert_eq!(parse("mandrill://Key-1@127.0.0.1:99/x/"), mandrill("http://127.0.0.1:99/x"));
        assert_eq!(parse("post"), Err(OptionsError::Scheme));
        assert_eq!(parse("mandrill://"), Err(OptionsError::Lacks("a key")));
        assert_eq!(parse("smtp://mx.example?tls=perhaps"), Err(OptionsError::Tls));
        assert_eq!(parse("smtp://mx.example?tsl=required"), Err(OptionsError::UnknownOption("tsl".into())));
    }

    #[test]
    fn secrets_do_not_show() {
        let shown = |t: &str| format!("{:?}", t.parse::<TransportOptions>().unwrap());
        assert_eq!(shown("smtp://user:p%40ss@mx.example"), "smtp://***@mx.example");
        assert_eq!(shown("mandrill://Key-1"), "mandrill (***) at https://mandrillapp.com/api/1.0");
    }

    #[test]
    fn a_schedule_is_read_and_ends() {
        let schedule: RetrySchedule = "30s, 5m 2h".parse().unwrap();
        let plain = RetrySchedule { jitter_percent: 0, ..schedule.clone() };
        let pauses: Vec<_> = (1..=4).map(|n| plain.pause(n, 7).map(|d| d.as_secs())).collect();
        assert_eq!(pauses, [Some(30), Some(300), Some(7200), None]);
        assert_eq!(schedule.pause(2, 999).map(|d| d.as_millis()), Some(359_940));
        assert_eq!("8d".parse::<RetrySchedule>(), Err(OptionsError::Schedule));
        assert_eq!("soon".parse::<RetrySchedule>(), Err(OptionsError::Schedule));
    }
}
