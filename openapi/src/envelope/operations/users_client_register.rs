use super::Area;
use crate::Service;
use crate::envelope::call::{Call, Operation, Who, read};
use crate::envelope::content::{Base64OfJson, Form, SensitiveMedia};
use crate::envelope::refusal::Refused;
use crate::envelope::reply::{Answer, Done, Reply, reply};
use crate::envelope::resources::{Client, Session};
use crate::wire::values;
use crate::wire::{Bearer, Body, Secured};
use domain::use_cases::RegisterClient;
use domain::{Failure, Refusal};
use poem::Request;
use poem_openapi::{Object, OpenApi};

/// A registration: an `Idempotency-Key` does not count, because no answer with a session is kept.
pub(in crate::envelope) const OPERATION: Operation = Operation {
    id: "users_client_register",
    form: Form::Sensitive,
    needs_params: true,
    writes: false,
    who: Who::AnySession,
};

/// A registration as a client.
#[derive(Object)]
#[oai(rename = "RegisteredClient")]
pub(in crate::envelope) struct Registered {
    client: Client,
    session: Session,
}

pub(in crate::envelope) struct UsersClientRegister(pub Service);

#[OpenApi]
impl UsersClientRegister {
    /// Register as a client
    ///
    /// The body is base64 (standard alphabet; padding optional, white space ignored) of a JSON object with `token`,
    /// of a session, and `company_name`. The answer has a new session; the old one ends.
    #[oai(
        path = "/api/v1/users/client_register",
        method = "post",
        operation_id = "users_client_register",
        tag = "Area::Users"
    )]
    async fn users_client_register(
        &self,
        request: &Request,
        _secured: Secured<Bearer>,
        body: Body<SensitiveMedia, Base64OfJson>,
    ) -> Reply<Answer<Registered>> {
        reply(register(&self.0, request, &body).await)
    }
}

async fn register(
    service: &Service,
    request: &Request,
    body: &Body<SensitiveMedia, Base64OfJson>,
) -> Result<Done, Refused> {
    let mut call = Call::open(service, request, body.bytes(), &OPERATION)?;
    let company_name = call.params.required("company_name", values::name);
    let call = call.admit().await?;
    let session = call.caller.principal.session().ok_or(Refusal::UsersOnly)?;
    call.no_faults()?;
    let case = RegisterClient { company_name: read(company_name)? };
    let user = service.bus.perform(call.context(), case).await.map_err(|f| call.refuse(f))?;
    let client = user.client.as_ref().ok_or_else(|| call.refuse(Failure::internal("registering left no client")))?;
    // Rights have changed: a new token, so that nobody who planted the old one keeps them.
    let session = service.identity.renew(session).await.map_err(|f| call.refuse(f))?;
    Ok(Done::of(&Registered { client: Client::from(client), session: Session::from(&session) }))
}
