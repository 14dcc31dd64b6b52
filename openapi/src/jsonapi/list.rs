//! `GET /api/v2/organizations/{organization}/invites`

use super::answers::Listed;
use super::call::{self, Call};
use super::documents::{InviteListDocument, ListFilter, ListMeta, Pagination, RoleName, SortName, StateFilter};
use super::problem::{At, Problem, Refused};
use super::{encode, role};
use crate::Service;
use crate::wire::{Bearer, PathParam, QueryParam, Reply, Secured, TenantText, query};
use domain::invitation::State;
use domain::use_cases::ExpireInvitation;
use domain::{Actor, Channel, Context, Failure, Unavailable};
use futures_util::future::try_join_all;
use identity::Principal;
use poem::http::StatusCode;
use poem::{Request, Response};
use poem_openapi::OpenApi;
use projections::{InviteQuery, InviteSort};
use uuid::Uuid;

/// Rows of a page, when nothing is said, and at most.
const PER_PAGE: u64 = 25;
const MAX_PER_PAGE: u64 = 100;
/// Due invites that are expired at once before a list, and how often.
const DUE_AT_ONCE: usize = 64;
const DUE_ROUNDS: usize = 16;
/// When more than that is due, somebody else's list goes on with it.
const DUE_RETRY_S: u64 = 1;
const STATES: [State; 5] = [State::Pending, State::Accepted, State::Declined, State::Cancelled, State::Expired];

pub(super) struct List(pub Service);

#[OpenApi]
impl List {
    /// List invites
    ///
    /// An organization's invites, pending ones unless `filter[state]` says otherwise, oldest first. For its
    /// admins, its members (who see no `code`), and applications with the scope `invites`.
    #[oai(path = "/api/v2/organizations/:organization/invites", method = "get", operation_id = "listInvites")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the document")]
    async fn list(
        &self,
        request: &Request,
        _auth: Secured<Bearer>,
        organization: PathParam<Uuid>,
        /// Only invites that make this of the user.
        #[oai(name = "filter[invite_user_as]")]
        _role: QueryParam<Option<RoleName>>,
        /// Only invites in this state; without it, pending ones.
        #[oai(name = "filter[state]")]
        _state: QueryParam<Option<StateFilter>>,
        /// Order of the list; without it `created_at`. Equal times are in the order of the ledger.
        #[oai(name = "sort")]
        _sort: QueryParam<Option<SortName>>,
        /// Which page, from 1.
        #[oai(name = "page", validator(minimum(value = "1")))]
        _page: QueryParam<Option<u64>>,
        /// Rows of a page: 25 unless said, at most 100.
        #[oai(name = "per_page", validator(minimum(value = "1"), maximum(value = "100")))]
        _per_page: QueryParam<Option<u64>>,
        /// Whose invites; for the deployment's own token only. `default` unless said.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
    ) -> Reply<Listed> {
        self.answer(request, &organization).await.unwrap_or_else(Refused::respond).into()
    }
}

impl List {
    async fn answer(&self, request: &Request, organization: &PathParam<Uuid>) -> Result<Response, Refused> {
        let call = Call::open(&self.0, request).await?;
        let organization = call::organization(organization)?;
        let codes = call.may_read(organization).await?;
        let asked = Asked::read(query(request), matches!(call.caller.principal, Principal::Deployment))?;
        expire_due(&call, organization).await.map_err(|failure| call.failure(failure))?;
        let page = self.0.views.organization_invites(&call.caller.tenant, asked.query(organization)).await;
        let page = page.map_err(|failure| call.failure(failure))?;
        let shown = |row| encode::invite(row, codes.then(|| call.code(row)), call.arrival.at);
        let document = InviteListDocument {
            data: page.rows.iter().map(shown).collect(),
            meta: ListMeta {
                pagination: Pagination {
                    page: asked.page,
                    per_page: asked.per_page,
                    total_count: page.total,
                    total_pages: page.total.div_ceil(asked.per_page),
                },
                sort: asked.sort.map(|(name, _)| name.to_owned()),
                filter: ListFilter {
                    invite_user_as: asked.role.map(|role| role.name().to_owned()),
                    state: asked.state.map(|state| state.map_or("all", State::name).to_owned()),
                },
            },
        };
        Ok(encode::respond(StatusCode::OK, &document))
    }
}

/// Has everything expired that is due in the organization, so that rows,
/// filters and counts agree. Each is a command of its own, as the sweeper's are.
async fn expire_due(call: &Call<'_>, organization: Uuid) -> Result<(), Failure> {
    let (service, now) = (call.service, call.arrival.at);
    for _ in 0..DUE_ROUNDS {
        let tenant = Some(&call.caller.tenant);
        let due = service.views.due_invitations(tenant, Some(organization), now, DUE_AT_ONCE).await?;
        if due.is_empty() {
            return Ok(());
        }
        let last = due.len() < DUE_AT_ONCE;
        let expire = |(tenant, invitation)| {
            let mut context = Context::new(tenant, Actor::System, Channel::Sweeper, call.arrival.request_id, now);
            context.correlation_id = Some(call.arrival.request_id);
            service.bus.perform(context, ExpireInvitation { invitation })
        };
        try_join_all(due.into_iter().map(expire)).await?;
        if last {
            return Ok(());
        }
    }
    Err(Unavailable::Busy { retry_after_s: DUE_RETRY_S }.into())
}

/// What the query asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    role: Option<domain::invitation::Role>,
    /// `Some(None)` is all of them.
    state: Option<Option<State>>,
    sort: Option<(&'static str, InviteSort)>,
    page: u64,
    per_page: u64,
}

const SORTS: [(&str, InviteSort); 4] = [
    ("created_at", InviteSort::CreatedAsc),
    ("-created_at", InviteSort::CreatedDesc),
    ("updated_at", InviteSort::UpdatedAsc),
    ("-updated_at", InviteSort::UpdatedDesc),
];

impl Asked {
    fn read(parameters: Vec<(String, String)>, names_tenant: bool) -> Result<Self, Refused> {
        let mut asked = Self { role: None, state: None, sort: None, page: 1, per_page: PER_PAGE };
        let mut problems = vec![];
        let mut seen: Vec<String> = vec![];
        for (name, value) in parameters {
            let fault = if seen.contains(&name) {
                Some("is there twice".to_owned())
            } else {
                asked.take(&name, &value, names_tenant).err()
            };
            problems
                .extend(fault.map(|fault| Problem::malformed("invalid-parameter", fault, At::Parameter(name.clone()))));
            seen.push(name);
        }
        if problems.is_empty() { Ok(asked) } else { Err(Refused { problems, retry_after_s: None }) }
    }

    fn take(&mut self, name: &str, value: &str, names_tenant: bool) -> Result<(), String> {
        match name {
            "filter[invite_user_as]" => self.role = Some(role(value).ok_or("must be admin or member")?),
            "filter[state]" => {
                let known = STATES.into_iter().find(|state| state.name() == value);
                let state = if value == "all" { Some(None) } else { known.map(Some) };
                self.state = Some(state.ok_or("must be pending, accepted, declined, cancelled, expired or all")?);
            }
            "sort" => {
                let sort = SORTS.into_iter().find(|(name, _)| *name == value);
                self.sort = Some(sort.ok_or("must be created_at or updated_at, or one of them after a minus")?);
            }
            "page" => self.page = number(value).filter(|n| *n >= 1).ok_or("must be a number from 1")?,
            "per_page" => {
                let fits = number(value).filter(|n| (1..=MAX_PER_PAGE).contains(n));
                self.per_page = fits.ok_or_else(|| format!("must be a number from 1 to {MAX_PER_PAGE}"))?;
            }
            "tenant" if names_tenant => {}
            _ => return Err("is unknown".to_owned()),
        }
        Ok(())
    }

    fn query(&self, organization: Uuid) -> InviteQuery {
        InviteQuery {
            organization,
            role: self.role,
            state: self.state.unwrap_or(Some(State::Pending)),
            sort: self.sort.map_or(InviteSort::CreatedAsc, |(_, sort)| sort),
            page: self.page,
            per_page: self.per_page,
        }
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::invitation::Role;

    fn read(parameters: &[(&str, &str)]) -> Result<Asked, Vec<String>> {
        let parameters = parameters.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Asked::read(parameters, false).map_err(|refused| {
            assert_eq!(refused.status(), 400);
            refused.problems.into_iter().map(|p| format!("{:?}", p.at.unwrap())).collect()
        })
    }

    #[test]
    fn nothing_asked_is_the_first_page_of_pending_invites() {
        let asked = read(&[]).unwrap();
        assert_eq!(asked, Asked { role: None, state: None, sort: None, page: 1, per_page: 25 });
        let query = asked.query(Uuid::from_u128(1));
        assert_eq!((query.state, query.sort), (Some(State::Pending), InviteSort::CreatedAsc));
    }

    #[test]
    fn everything_can_be_asked_at_once() {
        let asked = read(&[
            ("filter[invite_user_as]", "member"),
            ("filter[state]", "all"),
            ("sort", "-updated_at"),
            ("page", "3"),
            ("per_page", "100"),
        ])
        .unwrap();
        let query = asked.query(Uuid::from_u128(1));
        assert_eq!((query.role, query.state, query.sort), (Some(Role::Member), None, InviteSort::UpdatedDesc));
        assert_eq!((query.page, query.per_page), (3, 100));
        assert_eq!(asked.sort.map(|(name, _)| name), Some("-updated_at"));
    }

    #[test]
    fn unknown_names_and_values_are_named() {
        for (name, value) in [
            ("filter[invite_user_as]", "owner"),
            ("filter[invite_user_as]", ""),
            ("filter[state]", "Pending"),
            ("filter[email]", "x"),
            ("sort", "recipient_email"),
            ("sort", "created_at,updated_at"),
            ("page", "0"),
            ("page", "-1"),
            ("page", "+1"),
            ("page", ""),
            ("page", "99999999999999999999999"),
            ("per_page", "101"),
            ("per_page", "0"),
            ("tenant", "acme"),
            ("include", "users"),
        ] {
            assert_eq!(read(&[(name, value)]), Err(vec![format!("Parameter({name:?})")]), "{name}={value}");
        }
        let both = read(&[("page", "1"), ("page", "2"), ("x", "1")]);
        assert_eq!(both, Err(vec!["Parameter(\"page\")".to_owned(), "Parameter(\"x\")".to_owned()]));
    }

    #[test]
    fn only_the_deployment_names_a_tenant() {
        let parameters = vec![("tenant".to_owned(), "acme".to_owned())];
        assert!(Asked::read(parameters, true).is_ok());
    }
}
