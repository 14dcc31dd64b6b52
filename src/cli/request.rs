//! From a command to the request of the operator routes it stands for. Pure,
//! so that what a command asks for is tested without a server.

use super::args::{
    ApplicationCommand, Clearable, EmployeeCommand, EmployeeFields, IntegrationCommand, InvitationCommand,
    MailStateArg, MemberCommand, OrganizationCommand, OutboxCommand, Paging, TenantCommand, UserCommand,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const BASE: &str = "http://local/api/ledger";

/// One request of the operator routes.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub method: &'static str,
    /// Below `/api/ledger/`, not encoded yet.
    pub segments: Vec<String>,
    pub query: BTreeMap<&'static str, String>,
    pub body: Option<Value>,
}

impl Request {
    fn new<const N: usize>(method: &'static str, segments: [&str; N]) -> Self {
        let segments = segments.map(ToOwned::to_owned).into();
        Self { method, segments, query: BTreeMap::new(), body: None }
    }

    #[must_use]
    pub fn get<const N: usize>(segments: [&str; N]) -> Self {
        Self::new("GET", segments)
    }

    #[must_use]
    pub fn post<const N: usize>(segments: [&str; N]) -> Self {
        Self::new("POST", segments)
    }

    fn put<const N: usize>(segments: [&str; N]) -> Self {
        Self::new("PUT", segments)
    }

    fn patch<const N: usize>(segments: [&str; N]) -> Self {
        Self::new("PATCH", segments)
    }

    fn delete<const N: usize>(segments: [&str; N]) -> Self {
        Self::new("DELETE", segments)
    }

    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.insert(name, value.to_string());
        self
    }

    fn maybe(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    fn page(self, paging: Paging) -> Self {
        self.query("page", paging.page).query("size", paging.size)
    }

    /// Of one tenant.
    #[must_use]
    pub fn of(self, tenant: Option<&str>) -> Self {
        self.maybe("tenant", tenant)
    }

    /// Of one tenant when one is named, else of all.
    #[must_use]
    pub fn of_any(self, tenant: Option<&str>) -> Self {
        match tenant {
            Some(_) => self.of(tenant),
            None => self.query("every_tenant", true),
        }
    }

    /// The request's target, encoded.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        let Ok(mut url) = reqwest::Url::parse(BASE) else { return String::new() };
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(&self.segments);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        }
    }
}

/// An object of those members that have a value.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    members
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(k, v)| (k.to_owned(), v))
        .collect::<Map<_, _>>()
        .into()
}

#[must_use]
pub fn tenant(command: &TenantCommand, tenant: Option<&str>) -> Request {
    let named = |name: &Option<String>| name.as_deref().or(tenant).unwrap_or("default").to_owned();
    match command {
        TenantCommand::Create { name } => Request::post(["tenants"]).body(json!({"name": name})),
        TenantCommand::List(paging) => Request::get(["tenants"]).page(*paging),
        TenantCommand::Show { name } => Request::get(["tenants", &named(name)]),
        TenantCommand::Update { name, valid_days, invite_unregistered, read_csrf, write_csrf } => {
            Request::patch(["settings"]).of(Some(&named(name))).body(object([
                ("valid_days", json!(valid_days)),
                ("invite_unregistered", json!(invite_unregistered)),
                ("read_csrf", json!(read_csrf)),
                ("write_csrf", json!(write_csrf)),
            ]))
        }
    }
}

#[must_use]
pub fn organization(command: &OrganizationCommand) -> Request {
    match command {
        OrganizationCommand::Create { name, bind_recipient } => {
            Request::post(["organizations"]).body(json!({"name": name, "bind_recipient": bind_recipient}))
        }
        OrganizationCommand::List(paging) => Request::get(["organizations"]).page(*paging),
        OrganizationCommand::Show { id } => Request::get(["organizations", &id.to_string()]),
        OrganizationCommand::Update { id, name, bind_recipient } => Request::patch(["organizations", &id.to_string()])
            .body(object([("name", json!(name)), ("bind_recipient", json!(bind_recipient))])),
        OrganizationCommand::Member(command) => member(command),
    }
}

fn member(command: &MemberCommand) -> Request {
    match command {
        MemberCommand::List { organization, paging } => {
            Request::get(["organizations", &organization.to_string(), "members"]).page(*paging)
        }
        MemberCommand::Add { organization, user, role } => {
            Request::put(["organizations", &organization.to_string(), "members", &user.to_string()])
                .body(json!({"role": role.name()}))
        }
        MemberCommand::Remove { organization, user } => {
            Request::delete(["organizations", &organization.to_string(), "members", &user.to_string()])
        }
    }
}

#[must_use]
pub fn integration(command: &IntegrationCommand) -> Request {
    match command {
        IntegrationCommand::Create(new) => Request::post(["integrations"])
            .body(object([("name", json!(new.name)), ("description", json!(new.description))])),
        IntegrationCommand::List(paging) => Request::get(["integrations"]).page(*paging),
        IntegrationCommand::Show { id } => Request::get(["integrations", &id.to_string()]),
        IntegrationCommand::Update { id, name, description, no_description } => {
            let mut body = object([("name", json!(name)), ("description", json!(description))]);
            if *no_description {
                body["description"] = Value::Null;
            }
            Request::patch(["integrations", &id.to_string()]).body(body)
        }
    }
}

#[must_use]
pub fn employee(command: &EmployeeCommand) -> Request {
    match command {
        EmployeeCommand::Create { email, user, fields } => {
            let mut body = employee_fields(fields);
            body.insert("email".to_owned(), json!(email));
            if let Some(user) = user {
                body.insert("user_id".to_owned(), json!(user));
            }
            Request::post(["employees"]).body(body.into())
        }
        EmployeeCommand::List { paging, search } => {
            Request::get(["employees"]).page(*paging).maybe("search", search.as_ref())
        }
        EmployeeCommand::Show { id } => Request::get(["employees", &id.to_string()]),
        EmployeeCommand::Update { id, email, fields, clear } => {
            let mut body = employee_fields(fields);
            if let Some(email) = email {
                body.insert("email".to_owned(), json!(email));
            }
            body.extend(clear.iter().map(|field: &Clearable| (field.member().to_owned(), Value::Null)));
            Request::patch(["employees", &id.to_string()]).body(body.into())
        }
    }
}

fn employee_fields(fields: &EmployeeFields) -> Map<String, Value> {
    let address = object([
        ("street", json!(fields.street)),
        ("street2", json!(fields.street2)),
        ("city", json!(fields.city)),
        ("state", json!(fields.state)),
        ("postal_code", json!(fields.postal_code)),
        ("longitude", json!(fields.longitude)),
        ("latitude", json!(fields.latitude)),
    ]);
    let has_address = address.as_object().is_some_and(|parts| !parts.is_empty());
    let all = object([
        ("active", json!(fields.active)),
        ("service_area_id", json!(fields.service_area_id)),
        ("first_name", json!(fields.first_name)),
        ("last_name", json!(fields.last_name)),
        ("legal_name", json!(fields.legal_name)),
        ("skills", if fields.skills.is_empty() { Value::Null } else { json!(fields.skills) }),
        ("phone", json!(fields.phone)),
        ("address", if has_address { address } else { Value::Null }),
        ("date_hired", json!(fields.date_hired)),
        ("date_off_boarded", json!(fields.date_off_boarded)),
    ]);
    match all {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

#[must_use]
pub fn user(command: &UserCommand, password: Option<&str>) -> Request {
    match command {
        UserCommand::Create { email, name, client, liaison, administrator, password_stdin: _, no_password: _ } => {
            Request::post(["users"]).body(object([
                ("email", json!(email)),
                ("name", json!(name)),
                ("client", json!(client)),
                ("liaison", json!(liaison)),
                ("administrator", json!(administrator)),
                ("password", json!(password)),
            ]))
        }
        UserCommand::List(paging) => Request::get(["users"]).page(*paging),
        UserCommand::Show { id } => Request::get(["users", &id.to_string()]),
        UserCommand::Update { id, name, client, liaison, administrator, password_stdin: _ } => {
            Request::patch(["users", &id.to_string()]).body(object([
                ("name", json!(name)),
                ("client", json!(client)),
                ("liaison", json!(liaison)),
                ("administrator", json!(administrator)),
                ("password", json!(password)),
            ]))
        }
    }
}

#[must_use]
pub fn application(command: &ApplicationCommand) -> Request {
    match command {
        ApplicationCommand::Create { name, scopes, print: _ } => {
            let scopes: Vec<&str> = scopes.iter().map(|s| s.name()).collect();
            Request::post(["applications"]).body(json!({"name": name, "scopes": scopes}))
        }
        ApplicationCommand::List(paging) => Request::get(["applications"]).page(*paging),
        ApplicationCommand::Show { id } => Request::get(["applications", &id.to_string()]),
        ApplicationCommand::Update { id, name, scopes } => {
            let scopes: Vec<&str> = scopes.iter().map(|s| s.name()).collect();
            let scopes = if scopes.is_empty() { Value::Null } else { json!(scopes) };
            Request::patch(["applications", &id.to_string()]).body(object([("name", json!(name)), ("scopes", scopes)]))
        }
        ApplicationCommand::Revoke { id } => Request::post(["applications", &id.to_string(), "revoke"]),
    }
}

#[must_use]
pub fn invitation(command: &InvitationCommand) -> Request {
    match command {
        InvitationCommand::Create { email, organization, integration, platform: _, role, message } => {
            let kind = match (organization, integration) {
                (Some(_), _) => "organization",
                (None, Some(_)) => "integration",
                (None, None) => "platform",
            };
            Request::post(["invitations"]).body(object([
                ("kind", json!(kind)),
                ("organization", json!(organization)),
                ("integration", json!(integration)),
                ("email", json!(email)),
                ("role", json!(role.map(super::args::RoleArg::name))),
                ("message", json!(message)),
            ]))
        }
        InvitationCommand::Show { id, events: _ } => Request::get(["invitations", &id.to_string()]),
        InvitationCommand::List { paging, kind, state, organization, integration, email } => {
            Request::get(["invitations"])
                .page(*paging)
                .query("state", state.name())
                .maybe("kind", kind.map(super::args::KindArg::name))
                .maybe("organization", *organization)
                .maybe("integration", *integration)
                .maybe("email", email.as_ref())
        }
        InvitationCommand::Cancel { id } => Request::post(["invitations", &id.to_string(), "cancel"]),
        InvitationCommand::Resend { id } => Request::post(["invitations", &id.to_string(), "resend"]),
    }
}

#[must_use]
pub fn outbox(command: &OutboxCommand) -> Request {
    match command {
        OutboxCommand::List { state, limit, after } => {
            let state = state.map(|state| match state {
                MailStateArg::Queued => "queued",
                MailStateArg::Sending => "sending",
                MailStateArg::Dead => "dead",
            });
            Request::get(["outbox"]).maybe("state", state).query("limit", limit).maybe("after", after.as_ref())
        }
        OutboxCommand::Retry { id } => Request::post(["outbox", id, "retry"]),
        OutboxCommand::Abandon { id } => Request::post(["outbox", id, "abandon"]),
    }
}
