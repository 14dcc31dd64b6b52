//! What the log says about mails: enumerated results only. A provider's own
//! words may hold personal data, so they never reach an event.

use serde::{Deserialize, Serialize};

/// Why a mail was not delivered. Closed, and free of the provider's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The provider refused this recipient for good (SMTP 5xx on RCPT, Mandrill `rejected`).
    RecipientRefused,
    /// The provider holds the address invalid (Mandrill `invalid`).
    AddressInvalid,
    /// The provider refused the message itself.
    MessageRefused,
    /// The provider refused our credentials or account.
    AccountRefused,
    /// Retries are used up; the provider never said yes.
    GaveUp,
    /// The message may or may not have been accepted, and may not be tried again by itself.
    OutcomeUnknown,
    /// An operator gave it up.
    Abandoned,
    /// The template could not be rendered.
    TemplateBroken,
}

impl Reason {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RecipientRefused => "recipient_refused",
            Self::AddressInvalid => "address_invalid",
            Self::MessageRefused => "message_refused",
            Self::AccountRefused => "account_refused",
            Self::GaveUp => "gave_up",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Abandoned => "abandoned",
            Self::TemplateBroken => "template_broken",
        }
    }
}

/// Where the newest mail of an invitation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Queued,
    Sent,
    Failed,
    Unknown,
}

impl Status {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// What a failed mail shows as.
    #[must_use]
    pub fn after(reason: Reason) -> Self {
        if reason == Reason::OutcomeUnknown { Self::Unknown } else { Self::Failed }
    }
}

/// One result of one mail, as the courier records it on the asking aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Sent,
    Failed(Reason),
}
