//! The operator dialect, `/api/ledger/`: what the command line and
//! administrators need. Plain JSON, `Authorization: Bearer`, errors as
//! `{"error": {"code", "message", "params"}}`.
//!
//! The deployment's own principal names a tenant with `?tenant=`; everybody
//! else acts in their own. Permission is checked before parameters, and all
//! parameters at fault are named at once. What needs log files, mails or the
//! disk goes through [`Powers`], which the composition root implements.

#![expect(clippy::too_many_arguments, reason = "an operation's arguments are its documented parameters")]

mod answers;
mod applications;
mod asked;
mod desk;
mod employee_changes;
mod employees;
mod examples;
mod integrations;
mod invitations;
mod inviting;
mod log;
mod organizations;
mod outbox;
mod powers;
mod read;
mod refusal;
mod resources;
mod span;
mod tenants;
mod upkeep;
mod users;

pub use powers::{
    BackupDone, DoctorFinding, Health, LogEntry, LogFrom, LogOf, LogPage, LogQuery, MAX_PAGE, OutboxEntry,
    OutboxFigures, OutboxPage, OutboxQuery, OutboxState, PowerFailure, Powers, RebuildProgress, Status,
};

use crate::wire::{Trouble, Words, shell};
use crate::{Dialect, Service, spec};
use poem::endpoint::BoxEndpoint;
use poem::{Request, Response};
use poem_openapi::Tags;

/// The parts of the document.
#[derive(Tags)]
enum Group {
    /// The unit of isolation, and its settings.
    Tenants,
    /// What users are invited to join.
    Organizations,
    /// What the envelope dialect's invitations are sent for.
    Integrations,
    /// Employees' records.
    Employees,
    /// People's accounts.
    Users,
    /// Programs that call with a token of their own.
    Applications,
    /// Who was invited to what.
    Invitations,
    /// Mails that are waiting, under way, or given up.
    Outbox,
    /// All events, as they were written.
    Log,
    /// Status, health, rebuilding, backups.
    Upkeep,
}

type Api = (
    tenants::Tenants,
    organizations::Organizations,
    integrations::Integrations,
    employees::Employees,
    users::Users,
    applications::Applications,
    invitations::Invitations,
    outbox::Outbox,
    log::Log,
    upkeep::Upkeep,
);

fn api(service: &Service) -> Api {
    (
        tenants::Tenants(service.clone()),
        organizations::Organizations(service.clone()),
        integrations::Integrations(service.clone()),
        employees::Employees(service.clone()),
        users::Users(service.clone()),
        applications::Applications(service.clone()),
        invitations::Invitations(service.clone()),
        outbox::Outbox(service.clone()),
        log::Log(service.clone()),
        upkeep::Upkeep(service.clone()),
    )
}

/// Its operations, behind their shell.
#[must_use]
pub fn endpoint(service: Service) -> BoxEndpoint<'static> {
    shell(Own, api(&service), &service)
}

/// Its OpenAPI document before [`spec::finish`].
#[must_use]
pub fn source() -> spec::Source {
    let description = "What the command line and administrators need: the directory, invitations, mails, the log, \
        and the ledger's upkeep. Calls of the deployment's own principal name a tenant; everybody else acts in \
        their own.";
    examples::added(spec::Source::of::<Api>("Invitation Ledger: operator dialect", description))
}

struct Own;

impl Words for Own {
    const DIALECT: Dialect = Dialect::Operator;

    fn trouble(&self, trouble: &Trouble, _: &Request) -> Response {
        refusal::trouble(trouble)
    }
}
