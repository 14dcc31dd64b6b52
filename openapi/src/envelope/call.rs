//! One request on its way through the checks, in the contract's order: enabled,
//! content type, decodes, not empty, token, session, client, permission,
//! parameters. Faults of parameters are collected while decoding and told last.

use super::content::{self, Form};
use super::params::Params;
use super::refusal::{MISSING, NOT_THERE, Refused};
use super::resources::Session;
use super::slug::Slug;
use crate::Service;
use crate::wire::values::{Read, string};
use crate::wire::{self, BodyFault, CallerError};
use domain::employee::Employee;
use domain::permission::{Records, is_off_boarded};
use domain::use_cases::{Allowed, Check, FindFaults};
use domain::user::User;
use domain::{Context, Failure, Fault, IdempotencyKey, Refusal, TenantName};
use identity::Principal;
use poem::Request;
use poem_openapi::types::ToJSON;
use serde_json::Value;
use std::borrow::Cow;
use uuid::Uuid;

/// What the checks need to know of an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    /// Its id in the document; scopes idempotency keys.
    pub id: &'static str,
    pub form: Form,
    /// Whether anything but the token is required: then `{}` is empty whatever the headers say.
    pub needs_params: bool,
    /// Whether an `Idempotency-Key` counts.
    pub writes: bool,
    pub who: Who,
}

/// Which callers get past the check for records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Users need a client, employee or liaison record.
    Recorded,
    /// Any session will do: registering as a client, and logging out.
    AnySession,
}

/// A request whose body is decoded.
pub(super) struct Call<'r> {
    service: &'r Service,
    request: &'r Request,
    operation: &'static Operation,
    body: &'r [u8],
    pub params: Params,
}

impl<'r> Call<'r> {
    /// Everything up to "not empty".
    pub(super) fn open(
        service: &'r Service,
        request: &'r Request,
        body: Result<&'r [u8], BodyFault>,
        operation: &'static Operation,
    ) -> Result<Self, Refused> {
        let params = start(service, request, body, operation)?;
        Ok(Self { service, request, operation, body: body.unwrap_or_default(), params })
    }

    /// Token, session and client. To be called when all other parameters have been read.
    pub(super) async fn admit(mut self) -> Result<Admitted<'r>, Refused> {
        let presented = presented(&mut self.params, self.request);
        let named = self.params.optional("tenant", tenant);
        let key = if self.operation.writes {
            wire::idempotency(self.request, self.operation.id, self.body, &self.service.identity)
        } else {
            Ok(None)
        };
        if let Err(fault) = key {
            self.params.fault("Idempotency-Key", fault.to_string());
        }
        let mut faults = self.params.finish();
        let Some(token) = presented? else { return Err(Refused::params(faults)) };
        let caller = wire::authenticate(self.request, self.service, &token).await;
        let mut caller = caller.map_err(|error| nobody(self.request, error))?;
        match &caller.principal {
            Principal::Deployment => caller.tenant = named.unwrap_or(caller.tenant),
            Principal::Application { .. } | Principal::User(_) => {
                if named.is_some_and(|name| name != caller.tenant) {
                    faults.push(Fault::new("tenant", NOT_THERE));
                }
            }
        }
        let records = match &caller.principal {
            Principal::User(session) => Some(records(self.service, self.request, session).await?),
            Principal::Deployment | Principal::Application { .. } => None,
        };
        if let (Some(session), Some(records)) = (caller.principal.session(), &records)
            && self.operation.who == Who::Recorded
            && !records.any()
        {
            return Err(client_required(session));
        }
        let Self { service, request, .. } = self;
        Ok(Admitted { service, request, caller, records, faults, key: key.unwrap_or_default() })
    }
}

/// A request of a known caller.
pub(super) struct Admitted<'r> {
    pub service: &'r Service,
    request: &'r Request,
    pub caller: wire::Caller,
    /// What the caller is; `None` for those who are no users.
    pub records: Option<Records>,
    faults: Vec<Fault>,
    key: Option<IdempotencyKey>,
}

impl Admitted<'_> {
    /// Permission and parameters, for an operation whose use case asks for the
    /// permission itself: here it is asked for only where parameters are at
    /// fault, because it comes before them.
    pub(super) async fn settle(&self, wanted: Allowed) -> Result<(), Refused> {
        if self.faults.is_empty() {
            return Ok(());
        }
        self.permit_and_settle(wanted).await
    }

    /// As `settle`, where the ledger may find more at fault in what could be read.
    pub(super) async fn settle_with(&self, wanted: Allowed, more: FindFaults) -> Result<(), Refused> {
        if self.faults.is_empty() {
            return Ok(());
        }
        self.permit(wanted).await?;
        self.no_faults_with(more).await
    }

    /// Permission and parameters, for an operation that only reads.
    pub(super) async fn permit_and_settle(&self, wanted: Allowed) -> Result<(), Refused> {
        self.permit(wanted).await?;
        self.no_faults()
    }

    pub(super) fn no_faults(&self) -> Result<(), Refused> {
        if self.faults.is_empty() { Ok(()) } else { Err(Refused::params(self.faults.clone())) }
    }

    /// Faults of form, and beside them what the ledger finds in what could be read.
    pub(super) async fn no_faults_with(&self, more: FindFaults) -> Result<(), Refused> {
        if self.faults.is_empty() {
            return Ok(());
        }
        let found = self.service.bus.perform(self.caller.context(self.request), more).await;
        found.map_err(|failure| self.beside(failure))?;
        self.no_faults()
    }

    /// A refusal that names parameters, together with the faults of form: all are told at once.
    fn beside(&self, failure: Failure) -> Refused {
        let refused = self.refuse(failure);
        if refused.errors.is_empty() {
            return refused;
        }
        Refused::params(self.faults.iter().cloned().chain(refused.errors).collect())
    }

    pub(super) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    pub(super) async fn permit(&self, wanted: Allowed) -> Result<(), Refused> {
        let context = self.caller.context(self.request);
        self.service.bus.perform(context, Check(wanted)).await.map_err(|failure| self.beside(failure))
    }

    /// How far the caller may reach among employees: their own record alone, or all.
    pub(super) async fn reach(&self) -> Result<Reach, Refused> {
        let context = || self.caller.context(self.request);
        match self.service.bus.perform(context(), Check(Allowed::Employees { all: true })).await {
            Ok(()) => Ok(Reach::All),
            Err(Failure::Refused(Refusal::NotPermitted)) => {
                self.permit(Allowed::Employees { all: false }).await?;
                let own = self.records.as_ref().and_then(|records| records.employee);
                own.map(Reach::Own).ok_or_else(|| Refused::new(Slug::PermissionDenied))
            }
            Err(failure) => Err(self.beside(failure)),
        }
    }

    /// The context of the operation's own command.
    pub(super) fn context(&self) -> Context {
        Context { idempotency: self.key.clone(), ..self.caller.context(self.request) }
    }

    pub(super) fn refuse(&self, failure: Failure) -> Refused {
        refuse(self.request, failure)
    }
}

/// What an employee's request may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    All,
    /// The aggregate's id of the caller's own record.
    Own(Uuid),
}

/// A parameter that was required and has been read: without it there would have been a fault.
pub(super) fn read<T>(param: Option<T>) -> Result<T, Refused> {
    param.ok_or_else(|| Refused::new(Slug::ApplicationCrash))
}

/// The checks that need nobody: enabled, content type, decodes, not empty.
pub(super) fn start(
    service: &Service,
    request: &Request,
    body: Result<&[u8], BodyFault>,
    operation: &Operation,
) -> Result<Params, Refused> {
    enabled(service, wire::arrival(request).route)?;
    content::acceptable(request)?;
    content::content_type(request, operation.form)?;
    let members = content::decode(body, operation.form)?;
    let may_be_empty = !operation.needs_params && request.header("authorization").is_some();
    if members.is_empty() && !may_be_empty {
        return Err(Refused::new(Slug::NoParamsDecoded));
    }
    Ok(Params::new(members))
}

/// `route` is the declared path.
fn enabled(service: &Service, route: &str) -> Result<(), Refused> {
    let name = route.strip_prefix(super::PREFIX).unwrap_or(route);
    let area = name.split('/').next().unwrap_or_default();
    if service.settings.services_disabled.contains(area) {
        return Err(Refused::new(Slug::ServiceNotFound));
    }
    if service.settings.routes_disabled.contains(name) {
        return Err(Refused::new(Slug::RouteNotFound));
    }
    Ok(())
}

/// The token of the body or the header. `Ok(None)` when a fault was noted instead.
fn presented<'r>(params: &mut Params, request: &'r Request) -> Result<Option<Cow<'r, str>>, Refused> {
    let header = wire::bearer(request);
    match (params.take("token"), header) {
        (Some(Value::String(token)), Ok(None)) => Ok(Some(token.into())),
        (Some(Value::String(token)), Ok(Some(other))) if token == other => Ok(Some(token.into())),
        (Some(Value::String(_)), Ok(Some(_)) | Err(_)) => {
            params.fault("token", "is not the one in the Authorization header");
            Ok(None)
        }
        (None | Some(Value::Null), Ok(Some(token))) => Ok(Some(token.into())),
        (None | Some(Value::Null), Ok(None)) => {
            params.fault("token", MISSING);
            Ok(None)
        }
        (None | Some(Value::Null), Err(_)) => Err(Refused::new(Slug::InvalidToken)),
        (Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)), _) => {
            params.fault("token", "must be a string");
            Ok(None)
        }
    }
}

pub(super) fn tenant(value: &Value) -> Read<TenantName> {
    TenantName::parse(&string(value)?).map_err(ToOwned::to_owned)
}

/// A failure in this dialect's words; what broke is logged under the request's id.
pub(super) fn refuse(request: &Request, failure: Failure) -> Refused {
    wire::arrival(request).report(&failure);
    failure.into()
}

fn nobody(request: &Request, error: CallerError) -> Refused {
    match error {
        CallerError::Missing => Refused::param("token", MISSING),
        CallerError::Malformed | CallerError::Unknown => Refused::new(Slug::InvalidToken),
        CallerError::Expired => Refused::new(Slug::SessionExpired),
        CallerError::BadTenant => Refused::param("tenant", NOT_THERE),
        CallerError::Unavailable(failure) => refuse(request, failure),
    }
}

/// What the user of a session is now. One who is gone, or has been off-boarded, is nobody.
pub(super) async fn records(
    service: &Service,
    request: &Request,
    session: &identity::Session,
) -> Result<Records, Refused> {
    let load = async {
        let user = service.bus.load::<User>(&session.tenant, session.user).await?;
        let employee = match user.employee {
            Some(id) => Some(service.bus.load::<Employee>(&session.tenant, id).await?),
            None => None,
        };
        Ok((user, employee))
    };
    let (user, employee) = load.await.map_err(|failure| refuse(request, failure))?;
    let now = service.bus.now();
    if !user.exists() || is_off_boarded(employee.as_deref(), now) {
        return Err(Refused::new(Slug::SessionExpired));
    }
    Ok(Records::of(&user, employee.as_deref(), now))
}

pub(super) fn client_required(session: &identity::Session) -> Refused {
    Refused::client_required(Session::from(session).to_json().unwrap_or_default())
}
