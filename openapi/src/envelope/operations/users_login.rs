use super::Area;
use crate::Service;
use crate::envelope::call::{Operation, Who, client_required, read, records, refuse, start, tenant};
use crate::envelope::content::{Base64OfJson, Form, SensitiveMedia};
use crate::envelope::refusal::Refused;
use crate::envelope::reply::{Answer, Done, Reply, reply};
use crate::envelope::resources::Session;
use crate::envelope::slug::Slug;
use crate::wire::values::{self, Read};
use crate::wire::{Body, arrival};
use domain::TenantName;
use domain::text::MAX_PASSWORD;
use identity::{LogIn, LogInError};
use poem::Request;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;

pub(in crate::envelope) const OPERATION: Operation =
    Operation { id: "users_login", form: Form::Sensitive, needs_params: true, writes: false, who: Who::AnySession };

/// A log-in.
#[derive(Object)]
#[oai(rename = "LoggedIn")]
pub(in crate::envelope) struct LoggedIn {
    session: Session,
}

pub(in crate::envelope) struct UsersLogin(pub Service);

#[OpenApi]
impl UsersLogin {
    /// Log in
    ///
    /// The body is base64 (standard alphabet; padding optional, white space ignored) of a JSON object with `email`
    /// and `password`, and optionally `remember_me` (a session without an end) and `tenant` (`default` where absent).
    /// An unknown e-mail and a wrong password are answered the same. A user without any record is answered
    /// `client-required`, with the new session.
    #[oai(path = "/api/v1/users/login", method = "post", operation_id = "users_login", tag = "Area::Users")]
    async fn users_login(
        &self,
        request: &Request,
        body: Body<SensitiveMedia, Base64OfJson>,
    ) -> Reply<Answer<LoggedIn>> {
        reply(log_in(&self.0, request, &body).await)
    }
}

async fn log_in(
    service: &Service,
    request: &Request,
    body: &Body<SensitiveMedia, Base64OfJson>,
) -> Result<Done, Refused> {
    let mut sent = start(service, request, body.bytes(), &OPERATION)?;
    let email = sent.required("email", values::address);
    let password = sent.required("password", password);
    let remember_me = sent.optional("remember_me", values::boolean).unwrap_or(false);
    let tenant = sent.optional("tenant", tenant).unwrap_or_else(TenantName::default_tenant);
    let faults = sent.finish();
    if !faults.is_empty() {
        return Err(Refused::params(faults));
    }
    let (email, password, peer) = (read(email)?, read(password)?, arrival(request).peer);
    let asked = LogIn { tenant, email: email.as_str(), password: &password, remember_me, peer };
    let session = service.identity.log_in(asked).await.map_err(|error| refused(request, error))?;
    if !records(service, request, &session).await?.any() {
        return Err(client_required(&session));
    }
    Ok(Done::of(&LoggedIn { session: Session::from(&session) }))
}

/// One answer for an unknown e-mail, a wrong password and whoever may not log in any more.
fn refused(request: &Request, error: LogInError) -> Refused {
    match error {
        LogInError::Refused => Refused::param("password", "does not belong to an account of this email"),
        LogInError::TooMany(limit) => Refused::later(Slug::TooManyRequests, limit.retry_after_s),
        LogInError::Unavailable(failure) => refuse(request, failure),
    }
}

/// Any text within bounds: what is no password of ours is wrong, not malformed.
fn password(value: &Value) -> Read<String> {
    let text = values::string(value)?;
    if text.chars().count() > MAX_PASSWORD {
        return Err(format!("is longer than {MAX_PASSWORD} characters"));
    }
    Ok(text)
}
