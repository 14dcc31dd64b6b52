//! One command, from its arguments to what it prints.

use super::args::{
    ApplicationCommand, Cli, Command, DialectArg, EmployeeCommand, IntegrationCommand, InvitationCommand,
    MemberCommand, OrganizationCommand, OutboxCommand, PrintArg, TenantCommand, UserCommand,
};
use super::client::Client;
use super::exit::{Exit, Trouble};
use super::output::{Streams, cell, table};
use super::request::{self, Request};
use super::{doctor, folders, log, password, rebuild};
use crate::settings::Settings;
use openapi::Dialect;
use serde_json::Value;

const TENANT: &[&str] = &["name", "settings.valid_days", "settings.invite_unregistered", "created_at"];
const ORGANIZATION: &[&str] = &["id", "name", "bind_recipient", "created_at"];
const MEMBER: &[&str] = &["user", "role", "email", "name", "granted_at"];
const INTEGRATION: &[&str] = &["id", "name", "description", "created_at"];
const EMPLOYEE: &[&str] = &["id", "email", "first_name", "last_name", "active", "date_off_boarded"];
const USER: &[&str] = &["id", "email", "name", "client.company_name", "liaison", "administrator"];
const APPLICATION: &[&str] = &["id", "name", "scopes", "revoked", "created_at"];
const INVITATION: &[&str] = &["id", "kind", "target", "email", "role", "state", "email_status", "expires_at"];
const MAIL: &[&str] = &["id", "tenant", "aggregate", "aggregate_id", "state", "attempts", "reason", "asked_at"];
const EVENT: &[&str] = &["position", "at", "type", "metadata.actor", "payload"];

/// Runs a command.
///
/// # Errors
/// Why it was not done.
pub async fn run(cli: Cli, settings: &Settings, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
    match cli.command {
        Command::Serve(_) => serve(settings, streams).await,
        Command::Doctor => doctor::run(settings, streams).await,
        Command::Restore { backup, until } => folders::restore(settings, &backup, until, streams),
        Command::Openapi { dialect } => openapi(dialect, streams),
        Command::Move(_) => Err(misled()),
        command @ (Command::Tenant(_)
        | Command::Organization(_)
        | Command::Integration(_)
        | Command::Employee(_)
        | Command::User(_)
        | Command::Application(_)
        | Command::Invitation(_)
        | Command::Outbox(_)
        | Command::Log(_)
        | Command::Rebuild { .. }
        | Command::Backup { .. }) => {
            // Asked for before the folder is opened: nobody else waits for a person.
            let password = password_of(&command)?;
            let client = Client::open(settings).await?;
            let desk = Desk { client: &client, tenant: cli.common.tenant.as_deref(), password };
            let result = desk.run(&command, streams).await;
            client.close().await;
            result
        }
    }
}

async fn serve(settings: &Settings, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
    for warning in &settings.warnings {
        streams.remark(&format!("warning: {warning}"))?;
    }
    crate::serve::serve(settings).await?;
    Ok(Exit::Done)
}

/// `openapi DIALECT`.
///
/// # Errors
/// When standard output cannot be written.
pub fn openapi(dialect: DialectArg, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
    let dialect = match dialect {
        DialectArg::Envelope => Dialect::Envelope,
        DialectArg::Platform => Dialect::Platform,
        DialectArg::Jsonapi => Dialect::Jsonapi,
        DialectArg::Operator => Dialect::Operator,
    };
    streams.print(openapi::document(dialect).trim_end())?;
    Ok(Exit::Done)
}

fn password_of(command: &Command) -> Result<Option<String>, Trouble> {
    let wanted = match command {
        Command::User(UserCommand::Create { password_stdin, no_password, .. }) => {
            if !password_stdin && !no_password && !password::can_ask() {
                let message = "standard input is no terminal to ask for a password on; \
                    add --password-stdin to read it from there, or --no-password";
                return Err(Trouble::Usage(message.to_owned()));
            }
            !no_password
        }
        Command::User(UserCommand::Update { password_stdin, .. }) => *password_stdin,
        Command::Serve(_)
        | Command::Tenant(_)
        | Command::Organization(_)
        | Command::Integration(_)
        | Command::Employee(_)
        | Command::User(UserCommand::List(_) | UserCommand::Show { .. })
        | Command::Application(_)
        | Command::Invitation(_)
        | Command::Outbox(_)
        | Command::Log(_)
        | Command::Rebuild { .. }
        | Command::Openapi { .. }
        | Command::Backup { .. }
        | Command::Restore { .. }
        | Command::Move(_)
        | Command::Doctor => false,
    };
    if wanted { password::read().map(Some) } else { Ok(None) }
}

/// How an answer is printed.
enum Shown {
    /// The member that is the id of something new.
    New(&'static str),
    One,
    List(&'static [&'static str]),
}

struct Desk<'a> {
    client: &'a Client,
    tenant: Option<&'a str>,
    password: Option<String>,
}

impl Desk<'_> {
    async fn run(&self, command: &Command, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
        match command {
            Command::Log(command) => log::run(self.client, command, self.tenant, streams).await,
            Command::Rebuild { view } => rebuild::run(self.client, view.as_deref(), streams).await,
            Command::Backup { folder } => folders::backup(self.client, folder, streams).await,
            Command::Application(command @ ApplicationCommand::Create { print, .. }) => {
                let answer = self.client.ask(&request::application(command).of(self.tenant)).await?;
                print_application(&answer, *print, streams)
            }
            Command::Invitation(command @ InvitationCommand::Create { .. }) => {
                let answer = self.client.ask(&request::invitation(command).of(self.tenant)).await?;
                self.print_invited(&answer, streams)
            }
            Command::Invitation(InvitationCommand::Show { id, events: true }) => {
                self.print_history(&id.to_string(), streams).await
            }
            Command::Tenant(command) => {
                let shown = match command {
                    TenantCommand::Create { .. } => Shown::New("name"),
                    TenantCommand::List(_) => Shown::List(TENANT),
                    TenantCommand::Show { .. } | TenantCommand::Update { .. } => Shown::One,
                };
                self.ask(request::tenant(command, self.tenant), shown, streams).await
            }
            Command::Organization(_)
            | Command::Integration(_)
            | Command::Employee(_)
            | Command::User(_)
            | Command::Application(_)
            | Command::Invitation(_) => {
                let (request, shown) = self.of_a_tenant(command)?;
                self.ask(request.of(self.tenant), shown, streams).await
            }
            Command::Outbox(command) => {
                let shown = match command {
                    OutboxCommand::List { .. } => Shown::List(MAIL),
                    OutboxCommand::Retry { .. } | OutboxCommand::Abandon { .. } => Shown::One,
                };
                self.ask(request::outbox(command).of_any(self.tenant), shown, streams).await
            }
            Command::Serve(_)
            | Command::Openapi { .. }
            | Command::Restore { .. }
            | Command::Move(_)
            | Command::Doctor => Err(misled()),
        }
    }

    /// The commands on what belongs to one tenant.
    fn of_a_tenant(&self, command: &Command) -> Result<(Request, Shown), Trouble> {
        Ok(match command {
            Command::Organization(c) => (request::organization(c), organization(c)),
            Command::Integration(c) => (request::integration(c), integration(c)),
            Command::Employee(c) => (request::employee(c), employee(c)),
            Command::User(c) => (request::user(c, self.password.as_deref()), user(c)),
            Command::Application(c) => (request::application(c), application(c)),
            Command::Invitation(c) => (request::invitation(c), invitation(c)),
            Command::Serve(_)
            | Command::Tenant(_)
            | Command::Outbox(_)
            | Command::Log(_)
            | Command::Rebuild { .. }
            | Command::Openapi { .. }
            | Command::Backup { .. }
            | Command::Restore { .. }
            | Command::Move(_)
            | Command::Doctor => return Err(misled()),
        })
    }

    async fn ask(&self, request: Request, shown: Shown, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
        let answer = self.client.ask(&request).await?;
        match shown {
            Shown::New(id) => streams.made(&answer, id)?,
            Shown::One => streams.one(&answer)?,
            Shown::List(columns) => streams.list(&answer, columns)?,
        }
        Ok(Exit::Done)
    }

    fn print_invited(&self, answer: &Value, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
        if streams.json {
            streams.json(answer)?;
            return Ok(Exit::Done);
        }
        let invitation = &answer["invitation"];
        if invitation.is_null() {
            streams.remark("the address has an account; its owner is told by mail, and nobody was invited")?;
        } else {
            streams.print(&cell(&invitation["id"]))?;
        }
        if !self.client.is_server() {
            streams.remark("the mail waits for the next `invitation-ledger serve`")?;
        }
        Ok(Exit::Done)
    }

    async fn print_history(&self, id: &str, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
        let invitation = self.client.ask(&Request::get(["invitations", id]).of(self.tenant)).await?;
        let history = self.client.ask(&Request::get(["invitations", id, "events"]).of(self.tenant)).await?;
        if streams.json {
            streams.json(&serde_json::json!({"invitation": invitation, "events": history["items"]}))?;
            return Ok(Exit::Done);
        }
        streams.one(&invitation)?;
        streams.print("")?;
        let events = history["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        streams.print(&table(events, EVENT))?;
        Ok(Exit::Done)
    }
}

/// A command was sent where it does not belong: a fault of this program.
fn misled() -> Trouble {
    Trouble::Internal("the command went astray".to_owned())
}

fn organization(command: &OrganizationCommand) -> Shown {
    match command {
        OrganizationCommand::Create { .. } => Shown::New("id"),
        OrganizationCommand::List(_) => Shown::List(ORGANIZATION),
        OrganizationCommand::Member(MemberCommand::List { .. }) => Shown::List(MEMBER),
        OrganizationCommand::Show { .. }
        | OrganizationCommand::Update { .. }
        | OrganizationCommand::Member(MemberCommand::Add { .. } | MemberCommand::Remove { .. }) => Shown::One,
    }
}

fn integration(command: &IntegrationCommand) -> Shown {
    match command {
        IntegrationCommand::Create(_) => Shown::New("id"),
        IntegrationCommand::List(_) => Shown::List(INTEGRATION),
        IntegrationCommand::Show { .. } | IntegrationCommand::Update { .. } => Shown::One,
    }
}

fn employee(command: &EmployeeCommand) -> Shown {
    match command {
        EmployeeCommand::Create { .. } => Shown::New("id"),
        EmployeeCommand::List { .. } => Shown::List(EMPLOYEE),
        EmployeeCommand::Show { .. } | EmployeeCommand::Update { .. } => Shown::One,
    }
}

fn user(command: &UserCommand) -> Shown {
    match command {
        UserCommand::Create { .. } => Shown::New("id"),
        UserCommand::List(_) => Shown::List(USER),
        UserCommand::Show { .. } | UserCommand::Update { .. } => Shown::One,
    }
}

fn application(command: &ApplicationCommand) -> Shown {
    match command {
        ApplicationCommand::List(_) => Shown::List(APPLICATION),
        ApplicationCommand::Create { .. }
        | ApplicationCommand::Show { .. }
        | ApplicationCommand::Update { .. }
        | ApplicationCommand::Revoke { .. } => Shown::One,
    }
}

fn invitation(command: &InvitationCommand) -> Shown {
    match command {
        InvitationCommand::List { .. } => Shown::List(INVITATION),
        InvitationCommand::Create { .. }
        | InvitationCommand::Show { .. }
        | InvitationCommand::Cancel { .. }
        | InvitationCommand::Resend { .. } => Shown::One,
    }
}

/// The id, the token, or both on lines of their own.
fn print_application(answer: &Value, print: PrintArg, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
    let (id, token) = (&answer["application"]["id"], &answer["token"]);
    if streams.json {
        streams.json(&serde_json::json!({"id": id, "token": token}))?;
        return Ok(Exit::Done);
    }
    if matches!(print, PrintArg::Id | PrintArg::Both) {
        streams.print(&cell(id))?;
    }
    match print {
        PrintArg::Token => streams.print(&cell(token))?,
        PrintArg::Both => {
            streams.print(&cell(token))?;
            streams.remark("the second line is the token; it is shown this once")?;
        }
        PrintArg::Id => streams.remark("the token was not printed, and cannot be shown again")?,
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_new_application_prints_what_was_asked_for() {
        let answer = json!({"application": {"id": "a-1", "name": "shop"}, "token": "il_app_x"});
        let printed = |print, json| {
            let (mut out, mut err) = (vec![], vec![]);
            let mut streams = Streams { out: &mut out, err: &mut err, json, watched: false };
            assert_eq!(print_application(&answer, print, &mut streams).unwrap(), Exit::Done);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(printed(PrintArg::Token, false), "il_app_x\n");
        assert_eq!(printed(PrintArg::Id, false), "a-1\n");
        assert_eq!(printed(PrintArg::Both, false), "a-1\nil_app_x\n");
        let whole: Value = serde_json::from_str(&printed(PrintArg::Both, true)).unwrap();
        assert_eq!(whole, json!({"id": "a-1", "token": "il_app_x"}));
    }
}
