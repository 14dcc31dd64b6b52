//! Keeping the ledger in good order: status, health, rebuilding, backups.

use super::Group;
use super::answers::{Changed, Shown, Started};
use super::asked::{BackupRequest, RebuildRequest};
use super::desk::{Json, Sent, Visit, answer, done, encoded};
use super::powers::{Health, PowerFailure};
use super::read::Query;
use super::refusal::No;
use super::resources::{Backup, DoctorReport, Finding, Rebuild, ServiceStatus, ViewProgress};
use crate::Service;
use crate::wire::values::{Read, name, string};
use crate::wire::{Bearer, Body, Reply, Secured};
use domain::use_cases::Allowed;
use poem::Request;
use poem::http::StatusCode;
use poem_openapi::OpenApi;
use serde_json::Value;
use std::path::PathBuf;

pub(super) struct Upkeep(pub Service);

/// Bytes of a folder's name.
const MAX_FOLDER: usize = 4_096;

fn folder(value: &Value) -> Read<PathBuf> {
    let text = string(value)?;
    let path = PathBuf::from(&text);
    if text.len() > MAX_FOLDER || text.contains('\0') || !path.is_absolute() {
        return Err("must be the absolute path of a folder".to_owned());
    }
    Ok(path)
}

#[OpenApi(prefix_path = "/api/ledger", tag = "Group::Upkeep")]
impl Upkeep {
    /// Show how the service stands
    ///
    /// For the deployment's own principal: it counts what all tenants have.
    #[oai(path = "/status", method = "get", operation_id = "showStatus")]
    async fn status(&self, request: &Request, _caller: Secured<Bearer>) -> Reply<Shown<ServiceStatus>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(Allowed::Deploy).await?;
            Query::of(request).finish()?;
            let status = self.0.powers.status();
            let views = self.0.views.progress().into_iter();
            done(&ServiceStatus {
                version: status.version,
                ledger: status.ledger,
                epoch: status.epoch,
                head: status.head,
                started_at: status.started_at.rfc3339(),
                views: views.map(|(view, position)| ViewProgress { view: view.to_owned(), position }).collect(),
                stopped_view: self.0.views.stopped(),
                outbox: status.outbox.into(),
            })
        })
        .await
    }

    /// Look at the service's health
    ///
    /// For the deployment's own principal. Each finding says what to do about it.
    #[oai(path = "/doctor", method = "get", operation_id = "askDoctor")]
    async fn doctor(&self, request: &Request, _caller: Secured<Bearer>) -> Reply<Shown<DoctorReport>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(Allowed::Deploy).await?;
            Query::of(request).finish()?;
            let findings = self.0.powers.doctor().await;
            let healthy = findings.iter().all(|finding| finding.health != Health::Wrong);
            done(&DoctorReport { healthy, findings: findings.into_iter().map(Finding::from).collect() })
        })
        .await
    }

    /// Rebuild views from the log
    ///
    /// For the deployment's own principal. Goes on after the answer; the live
    /// views answer meanwhile, and no mail is sent.
    #[oai(path = "/rebuild", method = "post", operation_id = "startRebuild")]
    async fn start_rebuild(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        body: Body<Json, RebuildRequest>,
    ) -> Reply<Started<Rebuild>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(Allowed::Deploy).await?;
            Query::of(request).finish()?;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let view = reader.optional("view", name);
            reader.finish()?;
            let started = self.0.powers.start_rebuild(view.as_deref()).await?;
            Ok(encoded(StatusCode::ACCEPTED, &Rebuild::from(started)))
        })
        .await
    }

    /// Show how far a rebuild has come
    ///
    /// The one that runs, else the last one since the start.
    #[oai(path = "/rebuild", method = "get", operation_id = "showRebuild")]
    async fn rebuild(&self, request: &Request, _caller: Secured<Bearer>) -> Reply<Shown<Rebuild>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(Allowed::Deploy).await?;
            Query::of(request).finish()?;
            done(&Rebuild::from(self.0.powers.rebuild().ok_or(PowerFailure::Unknown("rebuild"))?))
        })
        .await
    }

    /// Copy the ledger
    ///
    /// For the deployment's own principal. Ledger, state and keys go to an
    /// empty or new folder of the machine the service runs on.
    #[oai(path = "/backup", method = "post", operation_id = "makeBackup")]
    async fn backup(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        body: Body<Json, BackupRequest>,
    ) -> Reply<Changed<Backup>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(Allowed::Deploy).await?;
            Query::of(request).finish()?;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let to = reader.required("folder", folder);
            reader.finish()?;
            let to = to.ok_or(No::NotAnObject)?;
            done(&Backup::from(self.0.powers.backup(&to).await?))
        })
        .await
    }
}
