use super::{Area, Json};
use crate::Service;
use crate::envelope::call::{Call, Operation, Who};
use crate::envelope::content::{Form, Nothing};
use crate::envelope::refusal::Refused;
use crate::envelope::reply::{Answer, Done, Reply, reply};
use crate::wire::{Bearer, Secured};
use domain::Refusal;
use poem::Request;
use poem_openapi::{Object, OpenApi};

pub(in crate::envelope) const OPERATION: Operation =
    Operation { id: "users_logout", form: Form::Json, needs_params: false, writes: false, who: Who::AnySession };

/// What `users/logout` takes.
#[derive(Object)]
#[oai(rename = "UsersLogoutParams", deny_unknown_fields)]
pub(in crate::envelope) struct Params {
    /// Token of the session; required, unless the header Authorization carries it.
    token: Option<String>,
}

pub(in crate::envelope) struct UsersLogout(pub Service);

#[OpenApi]
impl UsersLogout {
    /// Log out
    ///
    /// Ends the session.
    #[oai(path = "/api/v1/users/logout", method = "post", operation_id = "users_logout", tag = "Area::Users")]
    async fn users_logout(
        &self,
        request: &Request,
        _secured: Secured<Bearer>,
        body: Json<Params>,
    ) -> Reply<Answer<Nothing>> {
        reply(log_out(&self.0, request, &body).await)
    }
}

async fn log_out(service: &Service, request: &Request, body: &Json<Params>) -> Result<Done, Refused> {
    let call = Call::open(service, request, body.bytes(), &OPERATION)?.admit().await?;
    let session = call.caller.principal.session().ok_or(Refusal::UsersOnly)?;
    call.no_faults()?;
    service.identity.log_out(session).await.map_err(|failure| call.refuse(failure))?;
    Ok(Done::default())
}
