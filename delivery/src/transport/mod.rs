//! How mails leave, and what each provider's word means.
//!
//! Promise: `Refused` and `Later` are said only when the provider did not take
//! the mail; whatever may have arrived is `Unknown`. A provider's own text goes
//! nowhere: only enumerated words and SMTP or HTTP status numbers do.

mod file;
mod kept;
mod mandrill;
pub(crate) mod smtp;

use crate::error::DeliveryError;
use crate::letter::{Letter, mime};
use crate::options::{DeliveryOptions, TransportOptions};
use domain::mail::Reason;
use lettre::message::Mailbox;

/// What a provider said about a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It will deliver it.
    Accepted,
    /// It will not, ever.
    Refused(Reason),
    /// It did not take it now.
    Later,
    /// It may have taken it.
    Unknown,
}

/// The word, and what of it may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub word: Word,
    /// SMTP reply code or HTTP status.
    pub status: Option<u16>,
    /// Where it was said: `connect`, `rcpt`, `data`, …
    pub stage: &'static str,
}

impl Answer {
    pub fn new(word: Word, stage: &'static str) -> Self {
        Self { word, status: None, stage }
    }

    pub fn with(word: Word, stage: &'static str, status: u16) -> Self {
        Self { word, status: Some(status), stage }
    }
}

impl From<mime::Unsendable> for Answer {
    fn from(unsendable: mime::Unsendable) -> Self {
        let reason = match unsendable {
            mime::Unsendable::Address => Reason::AddressInvalid,
            mime::Unsendable::Message => Reason::MessageRefused,
        };
        Self::new(Word::Refused(reason), "message")
    }
}

pub(crate) enum Transport {
    File(file::File),
    Smtp(Box<smtp::Smtp>),
    Mandrill(Box<mandrill::Mandrill>),
    None,
}

impl Transport {
    /// # Errors
    /// When the settings do not make a transport, or its folder cannot be made.
    pub fn open(options: &DeliveryOptions) -> Result<Self, DeliveryError> {
        let from: Mailbox = mime::sender(&options.from)?;
        Ok(match &options.transport {
            TransportOptions::None => Self::None,
            TransportOptions::File => Self::File(file::File::open(&options.outbox_folder, from)?),
            TransportOptions::Smtp(url) => Self::Smtp(Box::new(smtp::Smtp::open(url, from, options.timeouts)?)),
            TransportOptions::Mandrill { url, key } => {
                Self::Mandrill(Box::new(mandrill::Mandrill::open(url, key, from, options.timeouts)?))
            }
        })
    }

    pub fn sends(&self) -> bool {
        !matches!(self, Self::None)
    }

    pub async fn send(&self, letter: &Letter) -> Answer {
        match self {
            Self::File(file) => file.send(letter).await,
            Self::Smtp(smtp) => smtp.send(letter).await,
            Self::Mandrill(mandrill) => mandrill.send(letter).await,
            Self::None => Answer::new(Word::Later, "none"),
        }
    }
}
