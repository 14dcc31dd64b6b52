use super::{Area, Json};
use crate::Service;
use crate::envelope::call::{Call, Operation, Who, read};
use crate::envelope::content::Form;
use crate::envelope::refusal::Refused;
use crate::envelope::reply::{Answer, Done, Reply, reply};
use crate::envelope::resources::Integration;
use crate::wire::values;
use crate::wire::{Bearer, HeaderParam, KeyText, Secured};
use domain::use_cases::{Allowed, CreateIntegration};
use poem::Request;
use poem_openapi::{Object, OpenApi};
use projections::IntegrationRow;

pub(in crate::envelope) const OPERATION: Operation =
    Operation { id: "integrations_create", form: Form::Json, needs_params: true, writes: true, who: Who::Recorded };

/// What `integrations/create` takes.
#[derive(Object)]
#[oai(rename = "IntegrationsCreateParams", deny_unknown_fields)]
pub(in crate::envelope) struct Params {
    /// Token of an application or a session; required, unless the header Authorization carries it.
    token: Option<String>,
    /// Of a product, not of a person.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// Of the product; nothing about persons.
    #[oai(nullable, validator(max_length = 200))]
    description: Option<String>,
    /// The tenant, for the deployment's own token.
    #[oai(validator(pattern = "^[a-z0-9-]{1,32}$"))]
    tenant: Option<String>,
}

pub(in crate::envelope) struct IntegrationsCreate(pub Service);

#[OpenApi]
impl IntegrationsCreate {
    /// Make an integration
    #[oai(
        path = "/api/v1/integrations/create",
        method = "post",
        operation_id = "integrations_create",
        tag = "Area::Integrations"
    )]
    async fn integrations_create(
        &self,
        request: &Request,
        _secured: Secured<Bearer>,
        body: Json<Params>,
        /// Makes a repeated request give the same answer, once done.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
    ) -> Reply<Answer<Integration>> {
        reply(create(&self.0, request, &body).await)
    }
}

async fn create(service: &Service, request: &Request, body: &Json<Params>) -> Result<Done, Refused> {
    let mut call = Call::open(service, request, body.bytes(), &OPERATION)?;
    let name = call.params.required("name", values::name);
    let description = call.params.optional("description", values::short);
    let call = call.admit().await?;
    call.settle(Allowed::Integrations).await?;
    let case = CreateIntegration { name: read(name)?, description };
    let created = service.bus.perform(call.context(), case).await.map_err(|f| call.refuse(f))?;
    Ok(Done::of(&Integration::from(&IntegrationRow::from(&*created))))
}
