use super::{Area, Json};
use crate::Service;
use crate::envelope::call::{Admitted, Call, Operation, Who, read};
use crate::envelope::content::Form;
use crate::envelope::refusal::Refused;
use crate::envelope::reply::{Answer, Done, Reply, reply};
use crate::envelope::resources::Integration;
use crate::envelope::slug::Slug;
use crate::wire::values;
use crate::wire::{Bearer, Secured};
use domain::membership::{self, Membership};
use domain::use_cases::{Allowed, FindFaults};
use domain::{Actor, Refusal, What};
use poem::Request;
use poem_openapi::{Object, OpenApi};
use projections::IntegrationRow;
use uuid::Uuid;

pub(in crate::envelope) const OPERATION: Operation =
    Operation { id: "integrations_read", form: Form::Json, needs_params: true, writes: false, who: Who::Recorded };

/// What `integrations/read` takes.
#[derive(Object)]
#[oai(rename = "IntegrationsReadParams", deny_unknown_fields)]
pub(in crate::envelope) struct Params {
    /// Token of an application or a session; required, unless the header Authorization carries it.
    token: Option<String>,
    /// The integration's.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    id: i64,
    /// The tenant, for the deployment's own token.
    #[oai(validator(pattern = "^[a-z0-9-]{1,32}$"))]
    tenant: Option<String>,
}

pub(in crate::envelope) struct IntegrationsRead(pub Service);

#[OpenApi]
impl IntegrationsRead {
    /// Read an integration
    ///
    /// Clients read those they created or accepted.
    #[oai(
        path = "/api/v1/integrations/read",
        method = "post",
        operation_id = "integrations_read",
        tag = "Area::Integrations"
    )]
    async fn integrations_read(
        &self,
        request: &Request,
        _secured: Secured<Bearer>,
        body: Json<Params>,
    ) -> Reply<Answer<Integration>> {
        reply(show(&self.0, request, &body).await)
    }
}

async fn show(service: &Service, request: &Request, body: &Json<Params>) -> Result<Done, Refused> {
    let mut call = Call::open(service, request, body.bytes(), &OPERATION)?;
    let number = call.params.required("id", values::number);
    let call = call.admit().await?;
    call.permit(Allowed::Integrations).await?;
    call.no_faults_with(FindFaults::Integration { number, email: None }).await?;
    let row = service.views.integration(&call.caller.tenant, read(number)?).await.map_err(|f| call.refuse(f))?;
    let row = row.ok_or(Refusal::NotFound(What::Integration))?;
    if let Some(client) = limited_to(&call)
        && !reaches(service, &call, &row, client).await?
    {
        return Err(Refused::new(Slug::PermissionDenied));
    }
    Ok(Done::of(&Integration::from(&row)))
}

/// The user whose integrations alone the caller sees; `None` for those who see all.
pub(super) fn limited_to(call: &Admitted<'_>) -> Option<Uuid> {
    let records = call.records.as_ref()?;
    let sees_all = records.administrator || records.liaison || records.employee.is_some();
    match call.caller.principal.actor() {
        Actor::User(id) if !sees_all => Some(id),
        Actor::User(_) | Actor::Application(_) | Actor::Deployment | Actor::System | Actor::Visitor => None,
    }
}

async fn reaches(
    service: &Service,
    call: &Admitted<'_>,
    integration: &IntegrationRow,
    client: Uuid,
) -> Result<bool, Refused> {
    if integration.created_by == Actor::User(client) {
        return Ok(true);
    }
    let place = membership::id_of(integration.id, client);
    let membership = service.bus.load::<Membership>(&call.caller.tenant, place).await;
    membership.map(|m| m.role.is_some()).map_err(|failure| call.refuse(failure))
}
