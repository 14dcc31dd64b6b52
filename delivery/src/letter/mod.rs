//! From an outbox row to a mail: who gets it and what it says.
//!
//! Everything personal and every secret is loaded here, when the mail is about
//! to be sent, and dropped after it. A mail that nobody wants any more is not
//! made at all.

pub(crate) mod mime;
pub(crate) mod templates;
mod wrap;

use crate::error::DeliveryError;
use crate::row::{Kind, Row};
use domain::employee::Employee;
use domain::integration::Integration;
use domain::invitation::{self, Invitation, Role};
use domain::organization::Organization;
use domain::user::User;
use domain::{Actor, Address, CommandBus, Event, Failure, Root, TenantName, Timestamp};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::{Ledger, Recorded};
use templates::{Occasion, Templates, Words};
use uuid::Uuid;

/// From tenant, invitation and generation to the secret that stands in its mail alone.
pub type MailSecret = Arc<dyn Fn(&TenantName, Uuid, u32) -> String + Send + Sync>;

/// A mail, ready for any transport.
#[derive(Clone)]
pub(crate) struct Letter {
    pub to: Address,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// With its angle brackets.
    pub message_id: String,
    pub date: Timestamp,
}

/// Why a mail is not sent although it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwanted {
    NotPending,
    SentAgainSince,
    PersonForgotten,
    NothingThere,
}

impl Unwanted {
    pub fn name(self) -> &'static str {
        match self {
            Self::NotPending => "the invitation is not pending any more",
            Self::SentAgainSince => "the invitation was sent again since",
            Self::PersonForgotten => "the person is forgotten",
            Self::NothingThere => "the record is not there",
        }
    }
}

/// What became of making a mail.
pub(crate) enum Made {
    Letter(Box<Letter>),
    Unwanted(Unwanted),
    /// A template failed on this mail; the fault is logged.
    Broken,
}

/// Makes letters.
pub(crate) struct Letters {
    bus: CommandBus,
    ledger: Ledger,
    secret: MailSecret,
    templates: Templates,
    place: Place,
}

/// Where the service is.
#[derive(Clone)]
pub(crate) struct Place {
    /// Without a slash at its end.
    url: String,
    /// Of `url`, for message ids.
    host: String,
    /// Host, port and path, for people.
    name: String,
}

impl Place {
    pub fn parse(public_url: &str) -> Result<Self, DeliveryError> {
        let refused = || DeliveryError::PublicUrl(public_url.chars().take(crate::options::MAX_PUBLIC_URL).collect());
        let url = reqwest::Url::parse(public_url).map_err(|_| refused())?;
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let fits = public_url.len() <= crate::options::MAX_PUBLIC_URL && matches!(url.scheme(), "http" | "https");
        let host = url.host_str().filter(|_| plain && fits).ok_or_else(refused)?.to_owned();
        let text = url.as_str().trim_end_matches('/').to_owned();
        let name = text.split_once("://").map_or(text.clone(), |(_, rest)| rest.to_owned());
        Ok(Self { url: text, host, name })
    }
}

impl Letters {
    pub fn new(bus: CommandBus, ledger: Ledger, secret: MailSecret, templates: Templates, place: Place) -> Self {
        Self { bus, ledger, secret, templates, place }
    }

    /// The letter as it has to be now.
    ///
    /// # Errors
    /// When ledger or bus cannot be read at the moment.
    pub async fn make(&self, row: &Row, now: Timestamp) -> Result<Made, Failure> {
        let found = match row.aggregate {
            Kind::Invitation => self.invitation(row, now).await?,
            Kind::Employee => self.employee(row).await?,
            Kind::User => self.user(row).await?,
        };
        let (occasion, to, words) = match found {
            Ok(found) => found,
            Err(unwanted) => return Ok(Made::Unwanted(unwanted)),
        };
        match self.templates.render(occasion, &words) {
            Ok(rendered) => Ok(Made::Letter(Box::new(Letter {
                to,
                subject: rendered.subject,
                text: rendered.text,
                html: rendered.html,
                message_id: self.message_id(row),
                date: now,
            }))),
            Err(fault) => {
                tracing::error!(template = %fault.file, line = fault.line, "a mail template failed");
                Ok(Made::Broken)
            }
        }
    }

    /// The same for every attempt at this mail, and different for every other mail.
    pub fn message_id(&self, row: &Row) -> String {
        let mut hash = Sha256::new();
        hash.update(self.ledger.ledger_id().as_bytes());
        hash.update(row.mail_text());
        let short: String = hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect();
        format!("<inv-{short}@{}>", self.place.host)
    }

    async fn invitation(&self, row: &Row, now: Timestamp) -> Result<Found, Failure> {
        let invitation = self.bus.load_since::<Invitation>(&row.tenant, row.id, row.version).await?;
        if !invitation.exists() {
            return Ok(Err(Unwanted::NothingThere));
        }
        if u64::from(invitation.generation) != row.number {
            return Ok(Err(Unwanted::SentAgainSince));
        }
        if !invitation.is_pending(now) {
            return Ok(Err(Unwanted::NotPending));
        }
        let Some(email) = invitation.email.clone() else { return Ok(Err(Unwanted::PersonForgotten)) };
        let (occasion, target) = self.target(row, &invitation).await?;
        let secret = (self.secret)(&row.tenant, row.id, invitation.generation);
        let words = Words {
            target,
            inviter: self.name_of(&row.tenant, invitation.invited_by).await?,
            role: Some(match invitation.role {
                Role::Member => "a member",
                Role::Admin => "an administrator",
            }),
            link: Some(format!("{}/i/{}#{secret}", self.place.url, invitation.link)),
            expires: Some(in_words(invitation.expires_at)),
            message: invitation.message.as_deref().map(quotable).unwrap_or_default(),
            ..self.words()
        };
        Ok(Ok((occasion, email, words)))
    }

    async fn target(&self, row: &Row, invitation: &Invitation) -> Result<(Occasion, String), Failure> {
        Ok(match invitation.kind {
            invitation::Kind::Organization => {
                let organization = self.bus.load::<Organization>(&row.tenant, invitation.target).await?;
                (Occasion::Organization, named(&organization.name).unwrap_or_else(|| "an organization".to_owned()))
            }
            invitation::Kind::Integration => {
                let integration = self.bus.load::<Integration>(&row.tenant, invitation.target).await?;
                (Occasion::Integration, named(&integration.name).unwrap_or_else(|| "an integration".to_owned()))
            }
            invitation::Kind::Platform => (Occasion::Platform, self.platform(&row.tenant)),
        })
    }

    /// The addresses stand in the asking event alone: the record keeps only the newest.
    async fn employee(&self, row: &Row) -> Result<Found, Failure> {
        let employee = self.bus.load_since::<Employee>(&row.tenant, row.id, row.version).await?;
        if !employee.exists() {
            return Ok(Err(Unwanted::NothingThere));
        }
        let asked = self.asking_event(row)?;
        let changed_at = Timestamp(asked.at);
        let Ok(domain::employee::Event::Updated(updated)) = decode::<Employee>(&asked) else {
            return Ok(Err(Unwanted::NothingThere));
        };
        let personal = updated.personal.filter(|p| !p.erased);
        let (occasion, to) = match row.part {
            0 => (Occasion::EmailChangedOld, personal.and_then(|p| p.previous_email)),
            _ => (Occasion::EmailChangedNew, personal.and_then(|p| p.email)),
        };
        let Some(to) = to else { return Ok(Err(Unwanted::PersonForgotten)) };
        let words = Words {
            target: self.platform(&row.tenant),
            name: employee.personal.first_name.clone().flatten().as_deref().and_then(named),
            changed: Some(in_words(changed_at)),
            ..self.words()
        };
        Ok(Ok((occasion, to, words)))
    }

    async fn user(&self, row: &Row) -> Result<Found, Failure> {
        let user = self.bus.load_since::<User>(&row.tenant, row.id, row.version).await?;
        if !user.exists() {
            return Ok(Err(Unwanted::NothingThere));
        }
        let Some(email) = user.email.clone() else { return Ok(Err(Unwanted::PersonForgotten)) };
        let asked = self.asking_event(row)?;
        let Ok(domain::user::Event::AccountNoticeRequested(requested)) = decode::<User>(&asked) else {
            return Ok(Err(Unwanted::NothingThere));
        };
        let words = Words {
            target: self.platform(&row.tenant),
            inviter: self.name_of(&row.tenant, requested.by).await?,
            name: user.name.as_deref().and_then(named),
            link: Some(format!("{}/", self.place.url)),
            ..self.words()
        };
        Ok(Ok((Occasion::AccountNotice, email, words)))
    }

    fn asking_event(&self, row: &Row) -> Result<Recorded, Failure> {
        let found = self.ledger.read_log(row.position.saturating_sub(1), 1).map_err(Failure::internal)?;
        let event = found.into_iter().next().filter(|event| event.event_id == row.event);
        event
            .map(|e| (*e).clone())
            .ok_or_else(|| Failure::internal("the event that asked for a mail is not in the log"))
    }

    /// A user's own name; addresses of inviters are not passed on.
    async fn name_of(&self, tenant: &TenantName, actor: Actor) -> Result<Option<String>, Failure> {
        match actor {
            Actor::User(id) => Ok(self.bus.load::<User>(tenant, id).await?.name.as_deref().and_then(named)),
            Actor::Application(_) | Actor::Deployment | Actor::System | Actor::Visitor => Ok(None),
        }
    }

    /// The tenant as people outside know it: the default one is the service itself.
    fn platform(&self, tenant: &TenantName) -> String {
        if *tenant == TenantName::default_tenant() { self.place.name.clone() } else { tenant.to_string() }
    }

    fn words(&self) -> Words {
        Words { service: self.place.name.clone(), ..Words::default() }
    }
}

type Found = Result<(Occasion, Address, Words), Unwanted>;

fn decode<A: Root>(event: &Recorded) -> Result<A::Event, domain::DecodeError> {
    A::Event::decode(A::TYPE, &event.kind, event.schema, &event.payload)
}

/// `Tuesday, 30 November 2021, 14:38 UTC`.
fn in_words(at: Timestamp) -> String {
    at.chrono().format("%A, %-d %B %Y, %H:%M UTC").to_string()
}

/// Control characters and runs of white space become one space: names reach headers.
pub(crate) fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn named(name: &str) -> Option<String> {
    Some(one_line(name)).filter(|n| !n.is_empty())
}

/// Somebody's words, line by line, without what could disguise a text.
fn quotable(message: &str) -> Vec<String> {
    message.trim().lines().map(|line| line.chars().filter(|c| !is_unsafe(*c)).collect()).collect()
}

/// What may reach no header, envelope or quotation: controls, and characters
/// that hide or change the direction of others.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_add_header_lines() {
        assert_eq!(one_line("Jane\r\nBcc: x@y.z\u{202E}"), "Jane Bcc: x@y.z");
        assert_eq!(named(" \n "), None);
    }

    #[test]
    fn a_time_reads_as_people_say_it() {
        let at = Timestamp::parse("2021-11-03T04:08:00Z").unwrap();
        assert_eq!(in_words(at), "Wednesday, 3 November 2021, 04:08 UTC");
    }

    #[test]
    fn the_public_url_is_a_plain_address() {
        let place = Place::parse("https://Invite.Example:8443/base/").ok().unwrap();
        assert_eq!(place.url, "https://invite.example:8443/base");
        assert_eq!((place.host.as_str(), place.name.as_str()), ("invite.example", "invite.example:8443/base"));
        for bad in ["ftp://x.example", "https://x.example?q", "https://u@x.example", "x.example"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }
}
