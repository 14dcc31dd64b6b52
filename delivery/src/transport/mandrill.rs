//! Mandrill's `messages/send.json`.
//!
//! It answers a list with one status per recipient, or an error object. Only
//! its enumerated words are looked at; its texts are dropped.

use super::{Answer, Word};
use crate::error::DeliveryError;
use crate::letter::{Letter, mime};
use crate::options::{Timeouts, is_loopback};
use domain::mail::Reason;
use lettre::message::Mailbox;
use reqwest::{Client, Response, redirect};
use serde::Deserialize;
use serde_json::json;

/// Bytes of an answer at most.
const MAX_ANSWER: usize = 64 * 1024;

pub(crate) struct Mandrill {
    client: Client,
    url: String,
    key: String,
    from: Mailbox,
}

/// What the provider says, in either of its shapes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Results(Vec<Given>),
    Error { name: String },
}

#[derive(Deserialize)]
struct Given {
    status: String,
    #[serde(default)]
    reject_reason: Option<String>,
}

impl Mandrill {
    pub fn open(url: &str, key: &str, from: Mailbox, timeouts: Timeouts) -> Result<Self, DeliveryError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Somebody else's that came first is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut builder = Client::builder()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.connect + timeouts.answer)
            .redirect(redirect::Policy::none());
        let parsed = reqwest::Url::parse(url).map_err(|error| DeliveryError::Client(error.into()))?;
        if parsed.host_str().is_some_and(is_loopback) {
            builder = builder.no_proxy();
        } else {
            builder = builder.https_only(true);
        }
        let client = builder.build().map_err(|error| DeliveryError::Client(error.into()))?;
        let url = format!("{}/messages/send.json", url.trim_end_matches('/'));
        Ok(Self { client, url, key: key.to_owned(), from })
    }

    pub async fn send(&self, letter: &Letter) -> Answer {
        let to = match mime::recipient(letter) {
            Ok(to) => to,
            Err(unsendable) => return unsendable.into(),
        };
        // What the other transports refuse is refused here too.
        if let Err(unsendable) = mime::message(letter, &self.from, mime::TextForm::SevenBit) {
            return unsendable.into();
        }
        let body = json!({
            "key": self.key,
            "message": {
                "html": letter.html,
                "text": letter.text,
                "subject": letter.subject,
                "from_email": self.from.email.to_string(),
                "from_name": self.from.name.clone().unwrap_or_default(),
                "to": [{"email": to.to_string(), "type": "to"}],
                "headers": {"Message-ID": letter.message_id, "Auto-Submitted": "auto-generated"},
                "important": false,
                "track_opens": false,
                "track_clicks": false,
                "auto_text": false,
                "auto_html": false,
                "inline_css": false,
                "url_strip_qs": false,
                "preserve_recipients": false,
                "view_content_link": false,
            },
            "async": false,
        });
        match self.client.post(&self.url).json(&body).send().await {
            Ok(response) => answer(response).await,
            Err(error) if error.is_connect() => Answer::new(Word::Later, "connect"),
            // The request may have been read in full.
            Err(_) => Answer::new(Word::Unknown, "request"),
        }
    }
}

async fn answer(response: Response) -> Answer {
    let status = response.status().as_u16();
    let said = limited(response).await.and_then(|bytes| serde_json::from_slice::<Said>(&bytes).ok());
    let word = match (said, status) {
        (Some(Said::Results(given)), 200) => match given.as_slice() {
            [one] => word_of(one),
            _ => Word::Unknown,
        },
        (Some(Said::Error { name }), _) => word_of_error(&name, status),
        (_, 401 | 403) => Word::Refused(Reason::AccountRefused),
        // Whoever stands in front of the provider lost it on the way.
        (_, 502 | 504) => Word::Unknown,
        (_, 408 | 425 | 429 | 500..=599) => Word::Later,
        (_, 400..=499) => Word::Refused(Reason::MessageRefused),
        (_, 300..=399) => Word::Later,
        (_, _) => Word::Unknown,
    };
    Answer::with(word, "answer", status)
}

async fn limited(mut response: Response) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    while let Some(chunk) = response.chunk().await.ok()? {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return None;
        }
        bytes.extend_from_slice(&chunk);
    }
    Some(bytes)
}

fn word_of(given: &Given) -> Word {
    match (given.status.as_str(), given.reject_reason.as_deref()) {
        ("sent" | "queued" | "scheduled", _) => Word::Accepted,
        ("invalid", _) => Word::Refused(Reason::AddressInvalid),
        ("rejected", Some("invalid-sender" | "unsigned" | "test-mode-limit")) => Word::Refused(Reason::AccountRefused),
        ("rejected", Some("rule")) => Word::Refused(Reason::MessageRefused),
        ("rejected", _) => Word::Refused(Reason::RecipientRefused),
        (_, _) => Word::Unknown,
    }
}

/// Errors come with HTTP 500 mostly, so the name decides first.
fn word_of_error(name: &str, status: u16) -> Word {
    match (name, status) {
        ("Invalid_Key" | "PaymentRequired" | "Unknown_Subaccount" | "PoorReputation", _) | (_, 401 | 403) => {
            Word::Refused(Reason::AccountRefused)
        }
        ("ValidationError", _) => Word::Refused(Reason::MessageRefused),
        (_, _) => Word::Later,
    }
}
