//! Whether a question is about one tenant or about all of them.

use super::desk::Visit;
use super::read::Query;
use super::refusal::No;
use domain::{Refusal, TenantName};
use identity::Principal;

/// `None` is every tenant: only the deployment's principal may ask that, and
/// only by saying so with `every_tenant=true`.
pub(super) fn span(visit: &Visit<'_>, query: &mut Query) -> Result<Option<TenantName>, No> {
    match (query.flag("every_tenant"), &visit.caller.principal) {
        (false, _) => Ok(Some(visit.tenant().clone())),
        (true, Principal::Deployment) => Ok(None),
        (true, Principal::Application { .. } | Principal::User(_)) => Err(Refusal::NotPermitted.into()),
    }
}
