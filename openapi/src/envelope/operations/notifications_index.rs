use super::{Area, Json};
use crate::Service;
use crate::envelope::call::{Call, Operation, Who};
use crate::envelope::content::Form;
use crate::envelope::filter::Filter;
use crate::envelope::listing::{self, PageParams, SearchParams, SortParams};
use crate::envelope::refusal::Refused;
use crate::envelope::reply::{Done, List, Reply, reply};
use crate::envelope::resources::Notification;
use crate::wire::{Bearer, Secured};
use domain::Scope;
use domain::use_cases::Allowed;
use poem::Request;
use poem_openapi::{Object, OpenApi};
use projections::NOTIFICATION_FIELDS;

pub(in crate::envelope) const OPERATION: Operation =
    Operation { id: "notifications_index", form: Form::Json, needs_params: false, writes: false, who: Who::Recorded };

/// What `notifications/index` takes.
#[derive(Object)]
#[oai(rename = "NotificationsIndexParams", deny_unknown_fields)]
pub(in crate::envelope) struct Params {
    /// Token of an application or a session; required, unless the header Authorization carries it.
    token: Option<String>,
    page: Option<PageParams>,
    sort: Option<SortParams>,
    search: Option<SearchParams>,
    filters: Option<NotificationFilters>,
    /// The tenant, for the deployment's own token.
    #[oai(validator(pattern = "^[a-z0-9-]{1,32}$"))]
    tenant: Option<String>,
}

/// Values the attributes must have: one, or an array of which one must match; null is "has none".
#[derive(Object)]
#[oai(rename = "NotificationFilters", deny_unknown_fields)]
pub(in crate::envelope) struct NotificationFilters {
    id: Option<Filter<i64>>,
    kind: Option<Filter<String>>,
    invitation_id: Option<Filter<String>>,
    reason: Option<Filter<String>>,
}

pub(in crate::envelope) struct NotificationsIndex(pub Service);

#[OpenApi]
impl NotificationsIndex {
    /// List mails that were not sent
    ///
    /// Newest first. For administrators, and applications with the scope `operate`.
    #[oai(
        path = "/api/v1/notifications/index",
        method = "post",
        operation_id = "notifications_index",
        tag = "Area::Notifications"
    )]
    async fn notifications_index(
        &self,
        request: &Request,
        _secured: Secured<Bearer>,
        body: Json<Params>,
    ) -> Reply<List<Notification>> {
        reply(list(&self.0, request, &body).await)
    }
}

async fn list(service: &Service, request: &Request, body: &Json<Params>) -> Result<Done, Refused> {
    let mut call = Call::open(service, request, body.bytes(), &OPERATION)?;
    let query = listing::read(&mut call.params, NOTIFICATION_FIELDS);
    let call = call.admit().await?;
    call.permit_and_settle(Allowed::Operate(Scope::Operate)).await?;
    let page = service.views.notifications(&call.caller.tenant, query).await.map_err(|f| call.refuse(f))?;
    let rows: Vec<Notification> = page.rows.iter().map(Notification::from).collect();
    Ok(Done { meta: Some(listing::meta(&page)), ..Done::of(&rows) })
}
