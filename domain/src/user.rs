//! A user: an account that can log in, and the records that give it rights.
//!
//! Passwords and sessions are no events; they live in the kept state. The
//! address a user logs in with is claimed, one account per tenant and address.

use crate::bus::Subject;
use crate::mail::{Outcome, Reason};
use crate::{Actor, Address, Origin, Refusal, TenantName, Timestamp, What};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Created(Created),
    Updated(Updated),
    ClientRegistered(ClientRegistered),
    RightsChanged(RightsChanged),
    EmployeeLinked(EmployeeLinked),
    AddressVerified(AddressVerified),
    AccountNoticeRequested(AccountNoticeRequested),
    NoticeSent(NoticeSent),
    NoticeFailed(NoticeFailed),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    pub by: Actor,
    /// The mail's own secret was shown, so the address is the user's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub address_verified: bool,
    pub subject: Subject,
    pub personal: Personal,
}

/// Sealed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Personal {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Updated {
    pub by: Actor,
    pub subject: Subject,
    pub personal: Personal,
}

/// The user became a client. A company's name is sealed too: sole traders are persons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientRegistered {
    pub by: Actor,
    pub subject: Subject,
    pub personal: Company,
}

/// Sealed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Company {
    #[serde(default)]
    pub company_name: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RightsChanged {
    pub by: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrator: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liaison: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmployeeLinked {
    pub employee: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddressVerified {}

/// Somebody invited the address of this account; it is told that it has one. Asks for a mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountNoticeRequested {
    pub by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeSent {
    /// Version of the event that asked.
    pub asked: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeFailed {
    pub asked: u64,
    pub reason: Reason,
}

impl crate::Event for Event {
    fn kind(&self) -> &'static str {
        match self {
            Self::Created(_) => "Created",
            Self::Updated(_) => "Updated",
            Self::ClientRegistered(_) => "ClientRegistered",
            Self::RightsChanged(_) => "RightsChanged",
            Self::EmployeeLinked(_) => "EmployeeLinked",
            Self::AddressVerified(_) => "AddressVerified",
            Self::AccountNoticeRequested(_) => "AccountNoticeRequested",
            Self::NoticeSent(_) => "NoticeSent",
            Self::NoticeFailed(_) => "NoticeFailed",
        }
    }
}

#[derive(Clone, Debug)]
pub enum Command {
    Create { by: Actor, email: Address, name: Option<String>, address_verified: bool, subject: Subject },
    Rename { by: Actor, name: String },
    RegisterClient { by: Actor, company_name: String },
    ChangeRights { by: Actor, administrator: Option<bool>, liaison: Option<bool> },
    LinkEmployee { employee: Uuid },
    VerifyAddress,
    RequestAccountNotice { by: Actor },
    RecordNotice { asked: u64, outcome: Outcome },
}

/// A client record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The public integer: `tseq` of `ClientRegistered`.
    pub number: u64,
    pub company_name: String,
    pub created_at: Timestamp,
}

/// A user, folded. The default value is one that does not exist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    pub id: Uuid,
    pub tenant: TenantName,
    pub version: u64,
    pub subject: Subject,
    pub email: Option<Address>,
    pub name: Option<String>,
    pub address_verified: bool,
    pub client: Option<Client>,
    /// The employee record that names this user; it counts while it is active.
    pub employee: Option<Uuid>,
    pub liaison: bool,
    pub administrator: bool,
    /// Version of the last event that changed what the account may do; 0 when none did.
    pub rights_version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When the last account notice was asked for.
    pub notice_at: Option<Timestamp>,
}

impl Default for User {
    fn default() -> Self {
        Self {
            id: Uuid::nil(),
            tenant: TenantName::default_tenant(),
            version: 0,
            subject: Subject::default(),
            email: None,
            name: None,
            address_verified: false,
            client: None,
            employee: None,
            liaison: false,
            administrator: false,
            rights_version: 0,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            notice_at: None,
        }
    }
}

impl User {
    #[must_use]
    pub fn exists(&self) -> bool {
        self.version > 0
    }
}

impl crate::Root for User {
    const TYPE: &'static str = "user";
    type Command = Command;
    type Event = Event;

    fn decide(&self, command: Command, _: Timestamp) -> Result<Vec<Event>, Refusal> {
        if let Command::Create { by, email, name, address_verified, subject } = command {
            if self.exists() {
                return Err(Refusal::IdTaken);
            }
            let personal = Personal { email: Some(email), name, erased: false };
            return Ok(vec![Event::Created(Created { by, address_verified, subject, personal })]);
        }
        if !self.exists() {
            return Err(Refusal::NotFound(What::User));
        }
        Ok(match command {
            Command::Create { .. } => return Err(Refusal::IdTaken),
            Command::Rename { by, name } => {
                let personal = Personal { email: None, name: Some(name.clone()), erased: false };
                let event = Event::Updated(Updated { by, subject: self.subject.named(), personal });
                if self.name.as_ref() == Some(&name) { vec![] } else { vec![event] }
            }
            Command::RegisterClient { by, company_name } => {
                if self.client.is_some() {
                    return Err(Refusal::invalid("company_name", "this user is registered as a client already"));
                }
                let personal = Company { company_name, erased: false };
                vec![Event::ClientRegistered(ClientRegistered { by, subject: self.subject.named(), personal })]
            }
            Command::ChangeRights { by, administrator, liaison } => {
                let administrator = administrator.filter(|a| *a != self.administrator);
                let liaison = liaison.filter(|l| *l != self.liaison);
                let changed = administrator.is_some() || liaison.is_some();
                changed
                    .then_some(Event::RightsChanged(RightsChanged { by, administrator, liaison }))
                    .into_iter()
                    .collect()
            }
            Command::LinkEmployee { employee } if self.employee == Some(employee) => vec![],
            Command::LinkEmployee { employee } => vec![Event::EmployeeLinked(EmployeeLinked { employee })],
            Command::VerifyAddress if self.address_verified => vec![],
            Command::VerifyAddress => vec![Event::AddressVerified(AddressVerified {})],
            Command::RequestAccountNotice { by } => vec![Event::AccountNoticeRequested(AccountNoticeRequested { by })],
            Command::RecordNotice { asked, outcome: Outcome::Sent } => vec![Event::NoticeSent(NoticeSent { asked })],
            Command::RecordNotice { asked, outcome: Outcome::Failed(reason) } => {
                vec![Event::NoticeFailed(NoticeFailed { asked, reason })]
            }
        })
    }

    fn evolve(&mut self, event: &Event, origin: &Origin) {
        self.version = origin.version;
        if let Event::ClientRegistered(_) | Event::RightsChanged(_) | Event::EmployeeLinked(_) = event {
            self.rights_version = origin.version;
        }
        match event {
            Event::Created(e) => {
                self.id = origin.id;
                self.tenant = origin.tenant.clone();
                self.subject = e.subject.named();
                self.email.clone_from(&e.personal.email);
                self.name.clone_from(&e.personal.name);
                self.address_verified = e.address_verified;
                self.created_at = origin.at;
            }
            Event::Updated(e) => {
                if e.personal.name.is_some() {
                    self.name.clone_from(&e.personal.name);
                }
            }
            Event::ClientRegistered(e) => {
                let company_name = e.personal.company_name.clone();
                self.client = Some(Client { number: origin.tseq, company_name, created_at: origin.at });
            }
            Event::RightsChanged(e) => {
                self.administrator = e.administrator.unwrap_or(self.administrator);
                self.liaison = e.liaison.unwrap_or(self.liaison);
            }
            Event::EmployeeLinked(e) => self.employee = Some(e.employee),
            Event::AddressVerified(_) => self.address_verified = true,
            Event::AccountNoticeRequested(_) => {
                self.notice_at = Some(origin.at);
                return;
            }
            Event::NoticeSent(_) | Event::NoticeFailed(_) => return,
        }
        self.updated_at = origin.at;
    }
}
