//! The operator routes, over HTTP while a server holds the data folder, and in
//! this process otherwise. Commands do not know which.

use super::exit::Trouble;
use super::request::Request;
use crate::serve::{Local, StartError};
use crate::settings::Settings;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use store::FolderLock;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A backup of a large ledger takes its time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3_600);
/// How often a folder that another command holds is tried again, and the pause between.
const TRIES: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);

pub struct Client {
    transport: Transport,
}

enum Transport {
    Server { http: reqwest::Client, address: String, token: String },
    Here(Box<Local>),
}

impl Client {
    /// Finds the server, or opens the folder; an empty one is bootstrapped.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub async fn open(settings: &Settings) -> Result<Self, Trouble> {
        let mut tries = 0;
        loop {
            if let Some(address) = server_of(settings)? {
                return Self::server(settings, address);
            }
            match Local::open(settings).await {
                Ok(local) => return Ok(Self { transport: Transport::Here(Box::new(local)) }),
                // Another command, or a server that has just started.
                Err(StartError::InUse { .. }) if tries < TRIES => tries += 1,
                Err(other) => return Err(other.into()),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn server(settings: &Settings, address: String) -> Result<Self, Trouble> {
        let file = settings.data.join("admin-token");
        let token =
            std::fs::read_to_string(&file).map_err(Trouble::io(format!("{} cannot be read", file.display())))?;
        // Several of rustls's providers are in the build, and the client wants one even
        // without TLS. Chosen no sooner: the client of EventStoreDB dies if somebody has
        // chosen before it. That one is chosen already is no fault.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .build()
            .map_err(|source| Trouble::Server { address: address.clone(), source })?;
        Ok(Self { transport: Transport::Server { http, address, token: token.trim().to_owned() } })
    }

    /// Whether a server does the work, which also sends mail.
    #[must_use]
    pub fn is_server(&self) -> bool {
        matches!(self.transport, Transport::Server { .. })
    }

    /// The body of a success.
    ///
    /// # Errors
    /// What the service refused, or why it could not be asked.
    pub async fn ask(&self, request: &Request) -> Result<Value, Trouble> {
        let path = request.path_and_query();
        let (status, body) = match &self.transport {
            Transport::Here(local) => local.call(request.method, &path, request.body.clone()).await,
            Transport::Server { http, address, token } => {
                let fault = |source| Trouble::Server { address: address.clone(), source };
                let method = reqwest::Method::from_bytes(request.method.as_bytes())
                    .map_err(|error| Trouble::Internal(error.to_string()))?;
                let mut asked = http.request(method, format!("{address}{path}")).bearer_auth(token);
                if let Some(body) = &request.body {
                    asked = asked.json(body);
                }
                let answer = asked.send().await.map_err(fault)?;
                let status = answer.status().as_u16();
                let bytes = answer.bytes().await.map_err(fault)?;
                (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
            }
        };
        if (200..300).contains(&status) { Ok(body) } else { Err(Trouble::of_answer(status, &body)) }
    }

    pub async fn close(self) {
        match self.transport {
            Transport::Here(local) => local.close().await,
            Transport::Server { .. } => {}
        }
    }
}

/// Where the server that holds the folder answers; none when nobody holds it,
/// or a command does.
///
/// # Errors
/// When the lock cannot be looked at.
pub fn server_of(settings: &Settings) -> Result<Option<String>, Trouble> {
    let holder = FolderLock::holder(&settings.data).map_err(|error| Trouble::Io {
        what: "the lock of the data folder cannot be read".to_owned(),
        source: std::io::Error::other(error),
    })?;
    Ok(holder.as_deref().and_then(address_of))
}

/// The address in `pid 42 http://127.0.0.1:8080`. One that listens everywhere
/// is asked on this machine's own address.
fn address_of(holder: &str) -> Option<String> {
    let address: SocketAddr = holder.split_whitespace().find_map(|word| word.strip_prefix("http://"))?.parse().ok()?;
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    Some(format!("http://{}", SocketAddr::new(ip, address.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_says_where_a_server_answers() {
        assert_eq!(address_of("pid 42 http://127.0.0.1:8080").as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(address_of("pid 42 http://0.0.0.0:80").as_deref(), Some("http://127.0.0.1:80"));
        assert_eq!(address_of("pid 42 http://[::]:80").as_deref(), Some("http://[::1]:80"));
        assert_eq!(address_of("pid 42 a command"), None);
        assert_eq!(address_of(""), None);
    }
}
