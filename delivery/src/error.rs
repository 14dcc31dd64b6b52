//! Why delivery does not start, and why an operator's wish is refused.

use crate::options::OptionsError;
use std::path::PathBuf;
use store::{ReadError, StateError};

/// One thing that is wrong with one template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// Folder and file, as under `delivery/templates`: `organization/body.txt`.
    pub file: String,
    pub line: Option<usize>,
    pub what: String,
}

impl std::fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// Why delivery could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Every fault of every template, at once.
    #[error("mail templates are at fault: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Templates(Vec<TemplateFault>),
    #[error("{} cannot be used for mail templates", folder.display())]
    TemplateFolder {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the sender `{0}` is no mailbox such as `Invitations <invitations@example.com>`")]
    From(String),
    #[error("the public url `{0}` is no http or https address of at most 500 bytes")]
    PublicUrl(String),
    #[error("{} cannot be used for outgoing mail", folder.display())]
    OutboxFolder {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Transport(#[from] OptionsError),
    #[error("the mail provider's client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the outbox cannot be read or written")]
    State(#[from] StateError),
}

/// Why an operator's `retry` or `abandon` did nothing.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("`{0}` is no id of a mail; `outbox list` shows them")]
    NoId(String),
    #[error("no mail `{0}` is waiting or dead")]
    NotFound(String),
    #[error("the mail `{0}` is being sent at this moment; try again when it is not")]
    Busy(String),
    #[error("the outbox cannot be read or written")]
    State(#[from] StateError),
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    #[error("the result could not be recorded in the ledger")]
    Record(#[source] Box<domain::Failure>),
}
