//! How a command can end, and what it says on standard error then: one clear
//! sentence, and what to do next.

use crate::serve::StartError;
use crate::settings::SettingsError;
use serde_json::Value;
use std::fmt::Write;
use std::io;
use std::process::ExitCode;

/// The exit codes of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// The service said no, or something is wrong with the ledger's health.
    Refused,
    Usage,
    Internal,
    Io,
}

impl Exit {
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Internal => 70,
            Self::Io => 74,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The service answered with a refusal.
    #[error("{message}")]
    Refused { status: u16, code: String, message: String },
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Start(#[from] StartError),
    /// A file or stream.
    #[error("{what}")]
    Io {
        what: String,
        #[source]
        source: io::Error,
    },
    /// The server that holds the folder does not answer.
    #[error("the server at {address} does not answer")]
    Server {
        address: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{0}")]
    Internal(String),
}

impl Trouble {
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            // Whoever reads our output has enough: that is no fault.
            Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Refused { status: 500, .. } | Self::Internal(_) => Exit::Internal,
            Self::Refused { .. } => Exit::Refused,
            Self::Usage(_) | Self::Settings(_) | Self::Start(StartError::NotBuilt { .. }) => Exit::Usage,
            Self::Io { .. } | Self::Server { .. } => Exit::Io,
            Self::Start(StartError::InUse { .. } | StartError::Elsewhere { .. } | StartError::Closed { .. }) => {
                Exit::Refused
            }
            Self::Start(StartError::Listen { .. } | StartError::Folder { .. }) => Exit::Io,
            Self::Start(StartError::Room { .. }) => Exit::Internal,
        }
    }

    /// The whole chain of reasons, on one line.
    #[must_use]
    pub fn told(&self) -> String {
        domain::told(self)
    }

    /// An answer that is no success.
    #[must_use]
    pub fn of_answer(status: u16, body: &Value) -> Self {
        let error = &body["error"];
        let code = error["code"].as_str().unwrap_or("unexpected").to_owned();
        let mut message = match error["message"].as_str() {
            Some(message) => message.to_owned(),
            None => format!("the service answered {status} without saying why"),
        };
        let params = error["params"].as_array().map(Vec::as_slice).unwrap_or_default();
        if params.len() > 1 {
            message.push(':');
            for param in params {
                let (name, reason) = (param["param"].as_str(), param["reason"].as_str());
                let _ = write!(message, "\n  {} {}", name.unwrap_or_default(), reason.unwrap_or_default());
            }
        }
        if let Some(hint) = hint(&code) {
            let _ = write!(message, "; {hint}");
        }
        Self::Refused { status, code, message }
    }

    /// For `--json`: the same on standard error.
    #[must_use]
    pub fn json(&self) -> Value {
        let code = match self {
            Self::Refused { code, .. } => code.as_str(),
            Self::Usage(_) => "usage",
            Self::Settings(_) => "settings",
            Self::Start(_) => "start",
            Self::Io { .. } | Self::Server { .. } => "io",
            Self::Internal(_) => "internal",
        };
        serde_json::json!({"error": {"code": code, "message": self.told()}})
    }
}

/// What to do about a refusal, where that is not plain.
fn hint(code: &str) -> Option<&'static str> {
    match code {
        "unauthenticated" => Some("the server's DATA/admin-token is not the one in this folder"),
        "already_pending" => Some("`invitation-ledger invitation resend ID` sends it again"),
        "outcome_unknown" => Some("look whether it was done before trying again"),
        "internal" => Some("the server's log says more"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn exit_codes_are_those_of_the_contract() {
        let codes = [Exit::Done, Exit::Refused, Exit::Usage, Exit::Internal, Exit::Io].map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 70, 74]);
    }

    #[test]
    fn each_trouble_ends_with_its_code() {
        let refused =
            |status| Trouble::of_answer(status, &json!({"error": {"code": "x", "message": "no", "params": []}}));
        let io = |kind: io::ErrorKind| Trouble::io("writing")(kind.into());
        let in_use = StartError::InUse { folder: "data".into(), holder: "pid 7".into() };
        let cases = [
            (refused(404), Exit::Refused),
            (refused(503), Exit::Refused),
            (refused(500), Exit::Internal),
            (Trouble::Usage("no".into()), Exit::Usage),
            (SettingsError { faults: vec![] }.into(), Exit::Usage),
            (io(io::ErrorKind::PermissionDenied), Exit::Io),
            (io(io::ErrorKind::BrokenPipe), Exit::Done),
            (in_use.into(), Exit::Refused),
            (Trouble::Internal("no".into()), Exit::Internal),
        ];
        for (trouble, exit) in cases {
            assert_eq!(trouble.exit(), exit, "{trouble:?}");
        }
    }

    #[test]
    fn several_faults_are_told_on_lines_of_their_own_and_one_is_not() {
        let one = json!({"error": {"code": "invalid_params", "message": "name is blank", "params": [
            {"param": "name", "reason": "is blank"}]}});
        assert_eq!(Trouble::of_answer(400, &one).told(), "name is blank");
        let two = json!({"error": {"code": "invalid_params", "message": "2 parameters are at fault", "params": [
            {"param": "name", "reason": "is blank"}, {"param": "email", "reason": "is missing"}]}});
        assert_eq!(
            Trouble::of_answer(400, &two).told(),
            "2 parameters are at fault:\n  name is blank\n  email is missing"
        );
        assert_eq!(Trouble::of_answer(502, &Value::Null).told(), "the service answered 502 without saying why");
    }
}
