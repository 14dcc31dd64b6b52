//! The outbox: mails that are waiting, under way, or given up.

use super::Group;
use super::answers::{Changed, Shown};
use super::desk::{Visit, answer, done};
use super::powers::{MAX_PAGE, OutboxQuery, OutboxState};
use super::read::{Query, whole};
use super::resources::{MailState, OutboxMail, OutboxPart};
use super::span::span;
use crate::Service;
use crate::wire::{Bearer, Line, PartSize, PathParam, QueryParam, Reply, Secured, TenantText};
use domain::use_cases::Allowed;
use domain::{Scope, text};
use poem::Request;
use poem_openapi::OpenApi;

pub(super) struct Outbox(pub Service);

const ALLOWED: Allowed = Allowed::Operate(Scope::Operate);
/// Mails in one part when nobody says.
const PART: usize = 100;

const STATES: &[(&str, OutboxState)] = &[
    ("queued", OutboxState::Queued),
    ("sending", OutboxState::Sending),
    ("dead", OutboxState::Dead),
    ("sent", OutboxState::Sent),
    ("abandoned", OutboxState::Abandoned),
];

#[OpenApi(prefix_path = "/api/ledger", tag = "Group::Outbox")]
impl Outbox {
    /// List mails
    ///
    /// Oldest first. Recipients are not shown: they stand in the events that asked.
    #[oai(path = "/outbox", method = "get", operation_id = "listMails")]
    async fn list(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// For the deployment's principal: all tenants at once.
        #[oai(name = "every_tenant")]
        _every: QueryParam<Option<bool>>,
        /// Only those in this state.
        #[oai(name = "state")]
        _state: QueryParam<Option<MailState>>,
        /// `next` of the part before.
        #[oai(name = "after")]
        _after: QueryParam<Option<Line>>,
        /// At most 1,000; 100 when it is missing.
        #[oai(name = "limit")]
        _limit: QueryParam<Option<PartSize>>,
    ) -> Reply<Shown<OutboxPart>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            let mut query = Query::of(request);
            let tenant = span(&visit, &mut query)?;
            let state = query.word("state", STATES);
            let after = query.optional("after", |id| text::line(id, text::MAX_TEXT));
            let limit = query.optional("limit", |n| whole(n, 1, MAX_PAGE)).unwrap_or(PART);
            query.finish()?;
            let page = self.0.powers.outbox(OutboxQuery { tenant, state, after, limit }).await?;
            done(&OutboxPart { items: page.entries.into_iter().map(OutboxMail::from).collect(), next: page.next })
        })
        .await
    }

    /// Send a mail again
    ///
    /// One that waits goes at the next opportunity, a dead letter is queued
    /// again. A mail whose outcome is unknown may reach its recipient twice.
    #[oai(path = "/outbox/:id/retry", method = "post", operation_id = "retryMail")]
    async fn retry(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// For the deployment's principal: whatever tenant it is of.
        #[oai(name = "every_tenant")]
        _every: QueryParam<Option<bool>>,
        id: PathParam<String>,
    ) -> Reply<Changed<OutboxMail>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            let mut query = Query::of(request);
            let tenant = span(&visit, &mut query)?;
            query.finish()?;
            done(&OutboxMail::from(self.0.powers.retry_mail(tenant.as_ref(), &id.text).await?))
        })
        .await
    }

    /// Give a mail up for good
    ///
    /// What asked for it learns that it was not sent.
    #[oai(path = "/outbox/:id/abandon", method = "post", operation_id = "abandonMail")]
    async fn abandon(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// For the deployment's principal: whatever tenant it is of.
        #[oai(name = "every_tenant")]
        _every: QueryParam<Option<bool>>,
        id: PathParam<String>,
    ) -> Reply<Changed<OutboxMail>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            let mut query = Query::of(request);
            let tenant = span(&visit, &mut query)?;
            query.finish()?;
            done(&OutboxMail::from(self.0.powers.abandon_mail(tenant.as_ref(), &id.text).await?))
        })
        .await
    }
}
