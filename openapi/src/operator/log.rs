//! The log, as it was written.

use super::Group;
use super::answers::{Lines, Shown};
use super::desk::{Visit, answer, done};
use super::powers::{LogFrom, LogQuery, MAX_PAGE, Powers};
use super::read::{MAX_INTEGER, Query, whole};
use super::refusal::No;
use super::resources::{LogEvent, LogPart};
use super::span::span;
use crate::Service;
use crate::wire::{Bearer, PartSize, PathParam, Position, QueryParam, Reply, Secured, TenantText, arrival};
use domain::use_cases::Allowed;
use domain::{Failure, Fault, Scope, TenantName};
use futures_util::stream;
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

/// What all questions here share: whose events, and with what in them.
struct Scoped {
    tenant: Option<TenantName>,
    personal: bool,
}

async fn scoped(visit: &Visit<'_>, query: &mut Query) -> Result<Scoped, No> {
    visit.may(Allowed::Operate(Scope::Audit)).await?;
    let personal = query.flag("personal");
    if personal {
        visit.may(Allowed::Operate(Scope::Pii)).await?;
    }
    Ok(Scoped { tenant: span(visit, query)?, personal })
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
            let query = LogQuery {
                tenant: self.scoped.tenant.clone(),
                from: LogFrom::After(self.after),
                limit: PIECE,
                personal: self.scoped.personal,
            };
            let page = self.powers.log(query).await.map_err(io::Error::other)?;
            let mut lines = String::new();
            for entry in page.entries.into_iter().filter(|entry| entry.position <= self.to) {
                lines.push_str(&LogEvent::from(entry).to_json_string());
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
    /// newest events. A part looks at no more than `limit` events, and leaves
    /// out those of other tenants.
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
        /// Ascending, from the event after this position.
        #[oai(name = "after")]
        _after: QueryParam<Option<Position>>,
        /// Descending, from the event before this position.
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
            let Scoped { tenant, personal } = scoped(&visit, &mut query).await?;
            let (after, before) = (position(&mut query, "after"), position(&mut query, "before"));
            let limit = query.optional("limit", |n| whole(n, 1, MAX_PAGE)).unwrap_or(PART);
            query.finish()?;
            let from = match (after, before) {
                (Some(_), Some(_)) => return Err(No::Params(vec![Fault::new("before", "does not go with after")])),
                (Some(after), None) => LogFrom::After(after),
                (None, before) => LogFrom::Before(before.unwrap_or(MAX_POSITION)),
            };
            let page = self.0.powers.log(LogQuery { tenant, from, limit, personal }).await?;
            let items = page.entries.into_iter().map(LogEvent::from).collect();
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
        /// From the event after this position.
        #[oai(name = "after")]
        _after: QueryParam<Option<Position>>,
        /// Up to this position.
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
            let to = to.min(powers.status().head);
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
            let Scoped { tenant, personal } = scoped(&visit, &mut query).await?;
            query.finish()?;
            let none = || super::powers::PowerFailure::Unknown("event");
            let position = whole(&position.text, 1, MAX_POSITION).map_err(|_| none())?;
            let query = LogQuery { tenant, from: LogFrom::After(position - 1), limit: 1, personal };
            let page = self.0.powers.log(query).await?;
            let event = page.entries.into_iter().find(|entry| entry.position == position).ok_or_else(none)?;
            done(&LogEvent::from(event))
        })
        .await
    }
}
