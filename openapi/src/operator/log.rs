//! The log, as it was written.

use super::Group;
use super::answers::{Lines, Shown};
use super::desk::{Visit, answer, done};
use super::powers::{LogEntry, LogFrom, LogOf, LogQuery, MAX_PAGE, Powers};
use super::read::{Query, whole};
use super::refusal::No;
use super::resources::{LogEvent, LogPart};
use super::span::span;
use crate::Service;
use crate::wire::values::MAX_INTEGER;
use crate::wire::{Bearer, PartSize, PathParam, Position, QueryParam, Reply, Secured, TenantText, arrival};
use domain::use_cases::Allowed;
use domain::{Failure, Fault, Scope};
use futures_util::stream;
use identity::Principal;
use poem::{Body, Request, Response};
use poem_openapi::OpenApi;
use poem_openapi::types::ToJSON;
use std::io;
use std::sync::Arc;

pub(super) struct Log(pub Service);

/// Events in one part when nobody says.
const PART: usize = 100;
/// Events read for one piece of an export.
const PIECE: usize = 500;
const MAX_POSITION: u64 = MAX_INTEGER as u64;

/// What all questions here share: whose events, by which numbers, and with what in them.
struct Scoped {
    of: LogOf,
    personal: bool,
}

impl Scoped {
    fn query(&self, from: LogFrom, limit: usize) -> LogQuery {
        LogQuery { of: self.of.clone(), from, limit, personal: self.personal }
    }

    fn told(&self, entry: LogEntry) -> LogEvent {
        LogEvent::told(entry, self.of.by_position())
    }
}

async fn scoped(visit: &Visit<'_>, query: &mut Query) -> Result<Scoped, No> {
    visit.may(Allowed::Operate(Scope::Audit)).await?;
    let personal = query.flag("personal");
    if personal {
        visit.may(Allowed::Operate(Scope::Pii)).await?;
    }
    let of = match (span(visit, query)?, &visit.caller.principal) {
        (None, _) => LogOf::All,
        (Some(tenant), Principal::Deployment) => LogOf::Picked(tenant),
        (Some(tenant), Principal::Application { .. } | Principal::User(_)) => LogOf::Own(tenant),
    };
    Ok(Scoped { of, personal })
}

fn position(query: &mut Query, name: &str) -> Option<u64> {
    query.optional(name, |n| whole(n, 0, MAX_POSITION))
}

/// Where an export stands between two pieces.
struct Export {
    powers: Arc<dyn Powers>,
    scoped: Scoped,
    after: u64,
    to: u64,
}

impl Export {
    /// The next piece as lines, or none at the end.
    async fn piece(mut self) -> Result<Option<(String, Self)>, io::Error> {
        while self.after < self.to {
            let query = self.scoped.query(LogFrom::After(self.after), PIECE);
            let page = self.powers.log(query).await.map_err(io::Error::other)?;
            let mut lines = String::new();
            for entry in page.entries.into_iter().filter(|entry| self.scoped.of.number(entry) <= self.to) {
                lines.push_str(&self.scoped.told(entry).to_json_string());
                lines.push('\n');
            }
            self.after = page.next.unwrap_or(self.to);
            if !lines.is_empty() {
                return Ok(Some((lines, self)));
            }
        }
        Ok(None)
    }
}

#[OpenApi(prefix_path = "/api/ledger", tag = "Group::Log")]
impl Log {
    /// Read a part of the log
    ///
    /// Ascending after a position, or descending before one; without either the
    /// newest events. The deployment's principal names events by their position; a
    /// part looks at no more than `limit` events, and leaves out those of other
    /// tenants. Everybody else names them by `tseq`, their tenant's own number.
    #[oai(path = "/log", method = "get", operation_id = "readLog")]
    async fn read(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// For the deployment's principal: all tenants at once.
        #[oai(name = "every_tenant")]
        _every: QueryParam<Option<bool>>,
        /// Ascending, from the event after this one.
        #[oai(name = "after")]
        _after: QueryParam<Option<Position>>,
        /// Descending, from the event before this one.
        #[oai(name = "before")]
        _before: QueryParam<Option<Position>>,
        /// At most 1,000; 100 when it is missing.
        #[oai(name = "limit")]
        _limit: QueryParam<Option<PartSize>>,
        /// With personal members in clear; needs the scope `pii` as well.
        #[oai(name = "personal")]
        _personal: QueryParam<Option<bool>>,
    ) -> Reply<Shown<LogPart>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            let mut query = Query::of(request);
            let scoped = scoped(&visit, &mut query).await?;
            let (after, before) = (position(&mut query, "after"), position(&mut query, "before"));
            let limit = query.optional("limit", |n| whole(n, 1, MAX_PAGE)).unwrap_or(PART);
            query.finish()?;
            let from = match (after, before) {
                (Some(_), Some(_)) => return Err(No::Params(vec![Fault::new("before", "does not go with after")])),
                (Some(after), None) => LogFrom::After(after),
                (None, before) => LogFrom::Before(before.unwrap_or(MAX_POSITION)),
            };
            let page = self.0.powers.log(scoped.query(from, limit)).await?;
            let items = page.entries.into_iter().map(|entry| scoped.told(entry)).collect();
            done(&LogPart { items, next: page.next, head: page.head })
        })
        .await
    }

    /// Export the log
    ///
    /// One event a line, up to the end of the log as it was when the request came.
    #[oai(path = "/log/export", method = "get", operation_id = "exportLog")]
    async fn export(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// For the deployment's principal: all tenants at once.
        #[oai(name = "every_tenant")]
        _every: QueryParam<Option<bool>>,
        /// From the event after this one.
        #[oai(name = "after")]
        _after: QueryParam<Option<Position>>,
        /// Up to this one.
        #[oai(name = "to")]
        _to: QueryParam<Option<Position>>,
        /// With personal members in clear; needs the scope `pii` as well.
        #[oai(name = "personal")]
        _personal: QueryParam<Option<bool>>,
    ) -> Reply<Lines> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            let mut query = Query::of(request);
            let scoped = scoped(&visit, &mut query).await?;
            let after = position(&mut query, "after").unwrap_or(0);
            let to = position(&mut query, "to").unwrap_or(MAX_POSITION);
            query.finish()?;
            let powers = self.0.powers.clone();
            let to = to.min(powers.log(scoped.query(LogFrom::Before(MAX_POSITION), 1)).await?.head);
            let arrived = arrival(request).clone();
            let pieces = stream::try_unfold(Export { powers, scoped, after, to }, move |export| {
                let arrived = arrived.clone();
                async move {
                    // A break in the middle ends the connection, so that nobody
                    // takes a part for the whole.
                    export.piece().await.inspect_err(|_| {
                        arrived.report(&Failure::internal("an export broke off"));
                    })
                }
            });
            Ok(Response::builder().content_type("application/x-ndjson").body(Body::from_bytes_stream(pieces)))
        })
        .await
    }

    /// Show one event
    ///
    /// By its position; for callers who belong to a tenant by its `tseq`.
    #[oai(path = "/log/:position", method = "get", operation_id = "showLogEvent")]
    async fn show(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// For the deployment's principal: all tenants at once.
        #[oai(name = "every_tenant")]
        _every: QueryParam<Option<bool>>,
        /// With personal members in clear; needs the scope `pii` as well.
        #[oai(name = "personal")]
        _personal: QueryParam<Option<bool>>,
        position: PathParam<u64>,
    ) -> Reply<Shown<LogEvent>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            let mut query = Query::of(request);
            let scoped = scoped(&visit, &mut query).await?;
            query.finish()?;
            let none = || super::powers::PowerFailure::Unknown("event");
            let number = whole(&position.text, 1, MAX_POSITION).map_err(|_| none())?;
            let page = self.0.powers.log(scoped.query(LogFrom::After(number - 1), 1)).await?;
            let event = page.entries.into_iter().find(|entry| scoped.of.number(entry) == number).ok_or_else(none)?;
            done(&scoped.told(event))
        })
        .await
    }
}
