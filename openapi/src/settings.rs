//! What the HTTP side can be told by the settings.

use crate::Network;
use crate::wire::Observer;
use std::collections::BTreeSet;
use std::net::IpAddr;
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
