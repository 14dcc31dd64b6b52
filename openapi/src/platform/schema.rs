//! The schemas of the document. Bodies are read by hand, strictly; these types
//! say what is read and written.

use crate::wire::{EmailText, MessageText};
use poem_openapi::{Enum, Object};

/// Whom to invite to the platform, and a word for them.
#[derive(Object)]
#[oai(rename = "UserInviteRequest", deny_unknown_fields)]
pub struct UserInviteRequest {
    /// Addresses of people; duplicates count once.
    #[oai(rename = "EmailAddresses", validator(min_items = 1, max_items = 100))]
    pub email_addresses: Vec<EmailText>,
    /// The inviter's own words in the mail, as plain text.
    #[oai(rename = "Message")]
    pub message: Option<MessageText>,
}

/// Who logs in.
#[derive(Object)]
#[oai(rename = "LoginRequest", deny_unknown_fields)]
pub struct LoginRequest {
    /// The address of the account.
    #[oai(validator(min_length = 1))]
    pub email: String,
    /// Its password.
    #[oai(validator(min_length = 1))]
    pub password: String,
    /// Keep the session until it is logged out.
    pub remember_me: Option<bool>,
    /// The tenant, here also called business; `default` when absent.
    #[oai(validator(pattern = "^[a-z0-9-]{1,32}$"))]
    pub tenant: Option<String>,
}

/// The session that was opened; its tokens are in the cookies.
#[derive(Object)]
#[oai(rename = "LoginResponse")]
pub struct LoginResponse {
    /// The user's id, a UUID.
    #[oai(rename = "userId")]
    pub user_id: String,
    pub tenant: String,
    /// RFC 3339; null with `remember_me`.
    pub expires_at: Option<String>,
}

/// Nothing to say.
#[derive(Object)]
#[oai(rename = "Empty")]
pub struct Empty {}

/// On or off.
#[derive(Enum)]
#[oai(rename = "Switch")]
pub enum Switch {
    #[oai(rename = "com.soa.feature.enabled")]
    Enabled,
    #[oai(rename = "com.soa.feature.disabled")]
    Disabled,
}

/// The settings of a business; each part only when it was asked for.
#[derive(Object)]
#[oai(rename = "BusinessSettings")]
pub struct BusinessSettings {
    #[oai(rename = "SecuritySettings")]
    pub security: Option<SecuritySettings>,
    #[oai(rename = "UserSettings")]
    pub user: Option<UserSettings>,
}

/// How requests with a session by cookie are guarded.
#[derive(Object)]
#[oai(rename = "SecuritySettings")]
pub struct SecuritySettings {
    #[oai(rename = "ReadRequestCSRFSupport")]
    pub read_csrf: Switch,
    #[oai(rename = "WriteRequestCSRFSupport")]
    pub write_csrf: Switch,
    #[oai(rename = "InviteUnregisteredUsers")]
    pub invite_unregistered: Switch,
}

/// What users may do.
#[derive(Object)]
#[oai(rename = "UserSettings")]
pub struct UserSettings {
    #[oai(rename = "InviteUnregisteredUsers")]
    pub invite_unregistered: Switch,
    /// Days that a new invitation lives.
    #[oai(rename = "InvitedUserValidDays", validator(minimum(value = "1"), maximum(value = "365")))]
    pub valid_days: u32,
}

/// A part of the security settings; what is absent stays as it is.
#[derive(Object)]
#[oai(rename = "SecuritySettingsChange", deny_unknown_fields)]
pub struct SecuritySettingsChange {
    #[oai(rename = "ReadRequestCSRFSupport")]
    pub read_csrf: Option<Switch>,
    #[oai(rename = "WriteRequestCSRFSupport")]
    pub write_csrf: Option<Switch>,
}

/// A part of the user settings; what is absent stays as it is.
#[derive(Object)]
#[oai(rename = "UserSettingsChange", deny_unknown_fields)]
pub struct UserSettingsChange {
    #[oai(rename = "InviteUnregisteredUsers")]
    pub invite_unregistered: Option<Switch>,
    #[oai(rename = "InvitedUserValidDays", validator(minimum(value = "1"), maximum(value = "365")))]
    pub valid_days: Option<u32>,
}

/// A refusal.
#[derive(Object)]
#[oai(rename = "Problem")]
pub struct Problem {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// Each parameter at fault.
    pub details: Vec<Detail>,
}

/// A parameter at fault.
#[derive(Object)]
#[oai(rename = "Detail")]
pub struct Detail {
    pub param: String,
    /// The value at fault, where a list of values was sent.
    pub value: Option<String>,
    pub reason: String,
}
