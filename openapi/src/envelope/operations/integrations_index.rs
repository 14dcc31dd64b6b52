use super::integrations_read::limited_to;
use super::{Area, Json};
use crate::Service;
use crate::envelope::call::{Call, Operation, Who};
use crate::envelope::content::Form;
use crate::envelope::filter::Filter;
use crate::envelope::listing::{self, PageParams, SearchParams, SortParams};
use crate::envelope::refusal::Refused;
use crate::envelope::reply::{Done, List, Reply, reply};
use crate::envelope::resources::Integration;
use crate::wire::{Bearer, Secured};
use domain::use_cases::Allowed;
use poem::Request;
use poem_openapi::{Object, OpenApi};
use projections::INTEGRATION_FIELDS;

pub(in crate::envelope) const OPERATION: Operation =
    Operation { id: "integrations_index", form: Form::Json, needs_params: false, writes: false, who: Who::Recorded };

/// What `integrations/index` takes.
#[derive(Object)]
#[oai(rename = "IntegrationsIndexParams", deny_unknown_fields)]
pub(in crate::envelope) struct Params {
    /// Token of an application or a session; required, unless the header Authorization carries it.
    token: Option<String>,
    page: Option<PageParams>,
    sort: Option<SortParams>,
    search: Option<SearchParams>,
    filters: Option<IntegrationFilters>,
    /// The tenant, for the deployment's own token.
    #[oai(validator(pattern = "^[a-z0-9-]{1,32}$"))]
    tenant: Option<String>,
}

/// Values the attributes must have: one, or an array of which one must match; null is "has none".
#[derive(Object)]
#[oai(rename = "IntegrationFilters", deny_unknown_fields)]
pub(in crate::envelope) struct IntegrationFilters {
    id: Option<Filter<i64>>,
    name: Option<Filter<String>>,
    description: Option<Filter<String>>,
}

pub(in crate::envelope) struct IntegrationsIndex(pub Service);

#[OpenApi]
impl IntegrationsIndex {
    /// List integrations
    ///
    /// Clients find those they created or accepted.
    #[oai(
        path = "/api/v1/integrations/index",
        method = "post",
        operation_id = "integrations_index",
        tag = "Area::Integrations"
    )]
    async fn integrations_index(
        &self,
        request: &Request,
        _secured: Secured<Bearer>,
        body: Json<Params>,
    ) -> Reply<List<Integration>> {
        reply(list(&self.0, request, &body).await)
    }
}

async fn list(service: &Service, request: &Request, body: &Json<Params>) -> Result<Done, Refused> {
    let mut call = Call::open(service, request, body.bytes(), &OPERATION)?;
    let query = listing::read(&mut call.params, INTEGRATION_FIELDS);
    let call = call.admit().await?;
    call.permit_and_settle(Allowed::Integrations).await?;
    let page = service.views.integrations(&call.caller.tenant, query, limited_to(&call)).await;
    let page = page.map_err(|failure| call.refuse(failure))?;
    let rows: Vec<Integration> = page.rows.iter().map(Integration::from).collect();
    Ok(Done { meta: Some(listing::meta(&page)), ..Done::of(&rows) })
}
