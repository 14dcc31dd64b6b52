//! SMTP, command by command, because only so is it known whether a mail may
//! have arrived: a fault before the body is sent is a definite no, one after
//! it is unknown.

use super::kept::{Kept, Line};
use super::{Answer, Word};
use crate::error::DeliveryError;
use crate::letter::{Letter, mime};
use crate::options::{OptionsError, Timeouts, is_loopback};
use domain::mail::Reason;
use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use std::future::Future;
use std::time::Duration;

/// Submission with STARTTLS, and with TLS from the first byte.
const SUBMISSION_PORT: u16 = 587;
const SUBMISSIONS_PORT: u16 = 465;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// From the first byte.
    Implicit,
    /// By STARTTLS, or nothing is sent.
    Required,
    /// By STARTTLS where the server offers it.
    Opportunistic,
    Never,
}

/// A server, as its address in the settings says.
pub(crate) struct Place {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub user: Option<(String, String)>,
    /// A file of certificates to trust besides the public ones.
    pub ca: Option<String>,
}

impl Place {
    /// `smtp[s]://[user:password@]host[:port][?tls=required|opportunistic|never][&ca=FILE]`
    ///
    /// A password goes in clear to this machine only, unless `tls` says so.
    pub fn parse(text: &str) -> Result<Self, OptionsError> {
        let url = reqwest::Url::parse(text).map_err(|_| OptionsError::Malformed("it is no url"))?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(OptionsError::Malformed("it has a path"));
        }
        let host = url.host_str().filter(|h| !h.is_empty()).ok_or(OptionsError::Lacks("a host"))?.to_owned();
        let user = match (url.username(), url.password()) {
            ("", None) => None,
            (_, None) | ("", Some(_)) => return Err(OptionsError::Lacks("user or password")),
            (name, Some(password)) => Some((decoded(name)?, decoded(password)?)),
        };
        let implicit = url.scheme() == "smtps";
        let (mut tls, mut ca) = (None, None);
        for (option, value) in url.query_pairs() {
            match (&*option, &*value) {
                ("tls", "required") => tls = Some(Tls::Required),
                ("tls", "opportunistic") => tls = Some(Tls::Opportunistic),
                ("tls", "never") => tls = Some(Tls::Never),
                ("tls", _) => return Err(OptionsError::Tls),
                ("ca", file) => ca = Some(file.to_owned()),
                (other, _) => return Err(OptionsError::UnknownOption(other.to_owned())),
            }
        }
        let default = if user.is_some() && !is_loopback(&host) { Tls::Required } else { Tls::Opportunistic };
        let tls = if implicit { Tls::Implicit } else { tls.unwrap_or(default) };
        let port = url.port().unwrap_or(if implicit { SUBMISSIONS_PORT } else { SUBMISSION_PORT });
        Ok(Self { host, port, tls, user, ca })
    }
}

fn decoded(text: &str) -> Result<String, OptionsError> {
    let malformed = OptionsError::Malformed("user or password is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return Err(malformed) };
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else { return Err(malformed) };
        bytes.push(high * 16 + low);
        rest = tail;
    }
    String::from_utf8(bytes).ok().filter(|t| !t.chars().any(char::is_control)).ok_or(malformed)
}

pub(crate) struct Smtp {
    place: Place,
    parameters: TlsParameters,
    credentials: Option<Credentials>,
    hello: ClientId,
    from: Mailbox,
    timeouts: Timeouts,
    kept: Kept,
}

impl Smtp {
    pub fn open(url: &str, from: Mailbox, timeouts: Timeouts) -> Result<Self, DeliveryError> {
        let place = Place::parse(url)?;
        let host = place.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let mut parameters = TlsParameters::builder(host);
        if let Some(file) = &place.ca {
            let refused = || OptionsError::Certificates(file.clone());
            let pem = std::fs::read(file).map_err(|_| refused())?;
            parameters = parameters.add_root_certificate(Certificate::from_pem(&pem).map_err(|_| refused())?);
        }
        let parameters = parameters.build_rustls().map_err(|error| DeliveryError::Client(error.into()))?;
        let credentials = place.user.clone().map(|(user, password)| Credentials::new(user, password));
        Ok(Self { place, parameters, credentials, hello: ClientId::default(), from, timeouts, kept: Kept::default() })
    }

    pub async fn send(&self, letter: &Letter) -> Answer {
        let to = match mime::recipient(letter) {
            Ok(to) => to,
            Err(unsendable) => return unsendable.into(),
        };
        // What was kept may be of no use any more: then the mail begins anew.
        if let Some(line) = self.kept.take() {
            match self.try_on(line, letter, to.clone()).await {
                Err(fault) if fault.is_the_connections() => {}
                tried => return tried.unwrap_or_else(|fault| fault.answer()),
            }
        }
        let tried = match within(self.timeouts.connect, "connect", self.connect()).await {
            Ok(connection) => self.try_on(Line { connection, mails: 0 }, letter, to).await,
            Err(fault) => Err(fault),
        };
        tried.unwrap_or_else(|fault| fault.answer())
    }

    /// One mail on a connection, which is kept if it can take another one.
    async fn try_on(&self, mut line: Line, letter: &Letter, to: Address) -> Result<Answer, Fault> {
        let on = &mut line.connection;
        let tried = if line.mails == 0 { Ok(()) } else { self.reset(on).await };
        let tried = match tried {
            Ok(()) => self.converse(on, letter, to).await,
            Err(fault) => Err(fault),
        };
        match &tried {
            Err(fault) if !fault.leaves_the_connection() => line.end(),
            Ok(_) | Err(_) => self.kept.put(line),
        }
        tried
    }

    /// Drops what the mail before may have left, and so tells whether the server is there still.
    async fn reset(&self, on: &mut AsyncSmtpConnection) -> Result<(), Fault> {
        let reset = async { on.command(Rset).await.map_err(Fault::at(RESET)) };
        within(self.timeouts.command, RESET, reset).await.map(|_| ())
    }

    /// Up to a connection that takes mail, protected as it has to be.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Fault> {
        let implicit = (self.place.tls == Tls::Implicit).then(|| self.parameters.clone());
        let host = self.place.host.trim_start_matches('[').trim_end_matches(']');
        let mut connection =
            AsyncSmtpConnection::connect_tokio1((host, self.place.port), None, &self.hello, implicit, None)
                .await
                .map_err(Fault::at("connect"))?;
        match self.place.tls {
            Tls::Required if !connection.can_starttls() => return Err(Fault { stage: "starttls", error: None }),
            Tls::Required | Tls::Opportunistic if connection.can_starttls() => {
                connection.starttls(self.parameters.clone(), &self.hello).await.map_err(Fault::at("starttls"))?;
            }
            Tls::Implicit | Tls::Required | Tls::Opportunistic | Tls::Never => {}
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(Fault::at("auth"))?;
        }
        Ok(connection)
    }

    async fn converse(&self, on: &mut AsyncSmtpConnection, letter: &Letter, to: Address) -> Result<Answer, Fault> {
        let eight_bits = on.server_info().supports_feature(Extension::EightBitMime);
        let form = if eight_bits { mime::TextForm::Whole } else { mime::TextForm::SevenBit };
        let message = match mime::message(letter, &self.from, form) {
            Ok(message) => message.formatted(),
            Err(unsendable) => return Ok(unsendable.into()),
        };
        let mut parameters = vec![];
        if !to.to_string().is_ascii() {
            if !on.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Ok(Answer::new(Word::Refused(Reason::AddressInvalid), "smtputf8"));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if eight_bits && !message.is_ascii() {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let wait = self.timeouts.command;
        let sender = Mail::new(Some(self.from.email.clone()), parameters);
        within(wait, "mail", async { on.command(sender).await.map_err(Fault::at("mail")) }).await?;
        within(wait, "rcpt", async { on.command(Rcpt::new(to, vec![])).await.map_err(Fault::at("rcpt")) }).await?;
        within(wait, "data", async { on.command(Data).await.map_err(Fault::at("data")) }).await?;
        let sent = async { on.message(&message).await.map_err(Fault::at(BODY)) };
        let response = within(self.timeouts.answer, BODY, sent).await?;
        Ok(Answer::with(Word::Accepted, BODY, response.code().into()))
    }
}

/// From here on the mail may have arrived, whatever else happens.
const BODY: &str = "body";

/// On a connection that was kept, before the first byte of a mail.
const RESET: &str = "reset";
/// The server ends the connection with it.
const CLOSING: u16 = 421;

/// Where a conversation ended, and how; without an error, it took too long or was given up.
struct Fault {
    stage: &'static str,
    error: Option<Error>,
}

impl Fault {
    fn at(stage: &'static str) -> impl FnOnce(Error) -> Self {
        move |error| Self { stage, error: Some(error) }
    }

    fn status(&self) -> Option<u16> {
        self.error.as_ref().and_then(Error::status).map(u16::from)
    }

    /// Whether the server has answered, and did not hang up with it.
    fn leaves_the_connection(&self) -> bool {
        self.status().is_some_and(|status| status != CLOSING) && self.stage != RESET
    }

    /// Whether it says something about a kept connection and nothing about the
    /// mail, of which the server has not got the body.
    fn is_the_connections(&self) -> bool {
        match self.status() {
            None | Some(CLOSING) => self.stage != BODY,
            Some(_) => self.stage == RESET,
        }
    }

    fn answer(&self) -> Answer {
        let status = self.status();
        let word = match (&self.error, status) {
            (_, Some(500..=599)) => Word::Refused(refusal(self.stage)),
            (_, Some(_)) => Word::Later,
            (Some(error), None) if self.stage == "auth" && error.is_client() => Word::Refused(Reason::AccountRefused),
            (_, None) if self.stage == BODY => Word::Unknown,
            (_, None) => Word::Later,
        };
        Answer { word, status, stage: self.stage }
    }
}

/// What a definite no means at each stage.
fn refusal(stage: &'static str) -> Reason {
    match stage {
        "rcpt" => Reason::RecipientRefused,
        "data" | BODY => Reason::MessageRefused,
        _ => Reason::AccountRefused,
    }
}

async fn within<T>(
    wait: Duration,
    stage: &'static str,
    doing: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::time::timeout(wait, doing).await.unwrap_or(Err(Fault { stage, error: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_address_is_read() {
        let place = Place::parse("smtp://us%40er:p%3Aw@mx.example:2525?ca=/etc/ca.pem").ok().unwrap();
        assert_eq!(place.user, Some(("us@er".to_owned(), "p:w".to_owned())));
        assert_eq!((place.host.as_str(), place.port, place.tls), ("mx.example", 2525, Tls::Required));
        assert_eq!(place.ca.as_deref(), Some("/etc/ca.pem"));
        let tls = |t: &str| Place::parse(t).map(|p| (p.tls, p.port)).ok();
        assert_eq!(tls("smtp://mx.example"), Some((Tls::Opportunistic, 587)));
        assert_eq!(tls("smtp://a:b@127.0.0.1"), Some((Tls::Opportunistic, 587)));
        assert_eq!(tls("smtp://mx.example?tls=required"), Some((Tls::Required, 587)));
        assert_eq!(tls("smtps://mx.example"), Some((Tls::Implicit, 465)));
        for bad in ["smtp://", "smtp://user@mx.example", "smtp://mx.example/x", "smtp://a:%zz@mx.example"] {
            assert_eq!(tls(bad), None, "{bad}");
        }
    }
}
