//! Whether the server is believed. The client ends without a word when a file cannot be
//! read, and says of a certificate only that it could not connect: the files are read before,
//! and a server that could not be asked is looked at again, for the reason.

use std::{
    fmt::Display,
    net::{TcpStream, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use eventstore::{ClientSettings, Endpoint};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use super::unfit;
use crate::OpenError;

/// How long a server may take for each step of shaking hands.
const GREETED_WITHIN: Duration = Duration::from_secs(2);

/// Refuses files of the address that the client could not use.
pub(super) fn check_files(settings: &ClientSettings) -> Result<(), OpenError> {
    // Also without TLS: the client reads them all the same.
    roots(settings)?;
    if let Some((certificate, key)) = settings.user_certificate() {
        certificates("userCertFile", certificate)?;
        PrivateKeyDer::from_pem_file(key).map_err(|fault| unreadable("userKeyFile", key, fault))?;
    }
    Ok(())
}

/// What is wrong with a server's certificate, if that is why it could not be asked.
pub(super) fn doubt(settings: &ClientSettings) -> Option<OpenError> {
    if !settings.is_secure_mode_enabled() {
        return None;
    }
    let config = ClientConfig::builder_with_provider(CryptoProvider::get_default()?.clone())
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots(settings).ok()?)
        .with_no_client_auth();
    let (config, verifies) = (Arc::new(config), settings.is_tls_certificate_verification_enabled());
    settings.hosts().iter().find_map(|host| told(host, &shake_hands(host, &config)?, verifies))
}

/// A fault in words, if it is one that ends the client's connection, too.
fn told(host: &Endpoint, fault: &Error, verifies: bool) -> Option<OpenError> {
    let place = format!("{}:{}", host.host, host.port);
    if let Error::InvalidCertificate(why) = fault {
        return verifies.then(|| unfit(format!("the certificate of {place} is not believed ({why})"), mend(why)));
    }
    let speaks_otherwise = matches!(fault, Error::InvalidMessage(_));
    let fix = "set it up with a certificate, or say tls=false in the address";
    speaks_otherwise.then(|| unfit(format!("the server {place} speaks no TLS"), fix))
}

fn mend(why: &CertificateError) -> &'static str {
    if matches!(why, CertificateError::UnknownIssuer) {
        "name the file with the certificate of the authority that vouches for it: tlsCAFile=FILE"
    } else if matches!(why, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) {
        "ask the server by a name that its certificate has"
    } else {
        "give the server another one"
    }
}

/// The fault of TLS, if one is met.
fn shake_hands(host: &Endpoint, config: &Arc<ClientConfig>) -> Option<Error> {
    let name = ServerName::try_from(host.host.clone()).ok()?;
    let port = u16::try_from(host.port).ok()?;
    let mut addresses = (host.host.as_str(), port).to_socket_addrs().ok()?;
    let mut server = addresses.find_map(|address| TcpStream::connect_timeout(&address, GREETED_WITHIN).ok())?;
    server.set_read_timeout(Some(GREETED_WITHIN)).ok()?;
    server.set_write_timeout(Some(GREETED_WITHIN)).ok()?;
    let mut connection = ClientConnection::new(config.clone(), name).ok()?;
    let fault = connection.complete_io(&mut server).err()?;
    fault.get_ref()?.downcast_ref::<Error>().cloned()
}

/// Whom the client believes: the authority that the address names, or those of the machine.
fn roots(settings: &ClientSettings) -> Result<RootCertStore, OpenError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = settings.tls_ca_file() {
        for certificate in certificates("tlsCAFile", file)? {
            roots.add(certificate).map_err(|fault| unreadable("tlsCAFile", file, fault))?;
        }
        return Ok(roots);
    }
    let of_machine = rustls_native_certs::load_native_certs();
    let refused = of_machine.certs.into_iter().find_map(|certificate| roots.add(certificate).err());
    let fault = of_machine.errors.first().map(ToString::to_string).or(refused.map(|fault| fault.to_string()));
    match fault {
        None => Ok(roots),
        Some(fault) => Err(unfit(
            format!("the certificates that this machine believes cannot be read ({fault})"),
            "mend them (SSL_CERT_FILE, SSL_CERT_DIR), or name the server's authority: tlsCAFile=FILE",
        )),
    }
}

fn certificates(setting: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let found: Vec<_> = read.map_err(|fault| unreadable(setting, file, fault))?;
    if found.is_empty() {
        return Err(unreadable(setting, file, "it holds no certificate"));
    }
    Ok(found)
}

fn unreadable(setting: &str, file: &str, fault: impl Display) -> OpenError {
    unfit(format!("{setting}: {file} cannot be read ({fault})"), "name a file in PEM format that the service may read")
}
