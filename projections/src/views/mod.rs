//! The door to all views.

use crate::ViewsError;
use crate::page::{InvitationQuery, InviteQuery, ListQuery, Page};
use crate::rows::{
    ApplicationRow, EmployeeRow, IntegrationRow, InvitationRow, MemberRow, NotificationRow, OrganizationRow, TenantRow,
    UserRow,
};
use domain::{Failure, TenantName, Timestamp, Unavailable};
use std::path::PathBuf;
use uuid::Uuid;

#[derive(Clone)]
pub struct Views {}

#[derive(Clone, Debug, Default)]
pub struct ViewsOptions {
    /// The file; `None` keeps the views in memory.
    pub path: Option<PathBuf>,
}

type Answer<T> = Result<T, Failure>;
fn no<T>() -> Answer<T> {
    Err(Unavailable::ViewsBehind.into())
}

#[rustfmt::skip]
impl Views {
    pub fn open(_options: ViewsOptions, _ledger: store::Ledger) -> Result<Views, ViewsError> { Ok(Views {}) }
    pub fn start(&self) {}
    pub async fn close(&self) {}
    pub async fn caught_up(&self) -> Result<(), Unavailable> { Ok(()) }
    pub fn progress(&self) -> Vec<(&'static str, u64)> { vec![] }
    pub fn stopped(&self) -> Option<String> { None }
    pub fn rebuild(&self, _view: Option<&str>, _on_progress: &mut dyn FnMut(u64, u64)) -> Result<(), ViewsError> { Ok(()) }
    pub fn digests(&self) -> Result<Vec<(String, String)>, ViewsError> { Ok(vec![]) }

    pub async fn invitation(&self, _tenant: &TenantName, _id: Uuid) -> Answer<Option<InvitationRow>> { no() }
    pub async fn invitation_in(&self, _tenant: &TenantName, _organization: Uuid, _public_id: Uuid) -> Answer<Option<InvitationRow>> { no() }
    pub async fn invitation_by_link(&self, _link: Uuid) -> Answer<Option<InvitationRow>> { no() }
    pub async fn organization_invites(&self, _tenant: &TenantName, _query: InviteQuery) -> Answer<Page<InvitationRow>> { no() }
    pub async fn invitations(&self, _tenant: &TenantName, _query: InvitationQuery) -> Answer<Page<InvitationRow>> { no() }
    pub async fn due_invitations(&self, _tenant: Option<&TenantName>, _target: Option<Uuid>, _now: Timestamp, _limit: usize) -> Answer<Vec<(TenantName, Uuid)>> { no() }
    pub async fn due_off_boardings(&self, _now: Timestamp, _limit: usize) -> Answer<Vec<(TenantName, Uuid)>> { no() }
    pub async fn employee(&self, _tenant: &TenantName, _number: u64) -> Answer<Option<EmployeeRow>> { no() }
    pub async fn employee_by_id(&self, _tenant: &TenantName, _id: Uuid) -> Answer<Option<EmployeeRow>> { no() }
    pub async fn employees(&self, _tenant: &TenantName, _query: ListQuery) -> Answer<Page<EmployeeRow>> { no() }
    pub async fn integration(&self, _tenant: &TenantName, _number: u64) -> Answer<Option<IntegrationRow>> { no() }
    pub async fn integration_by_id(&self, _tenant: &TenantName, _id: Uuid) -> Answer<Option<IntegrationRow>> { no() }
    pub async fn integrations(&self, _tenant: &TenantName, _query: ListQuery, _visible_to: Option<Uuid>) -> Answer<Page<IntegrationRow>> { no() }
    pub async fn notifications(&self, _tenant: &TenantName, _query: ListQuery) -> Answer<Page<NotificationRow>> { no() }
    pub async fn organizations(&self, _tenant: &TenantName, _page: u64, _size: u64) -> Answer<Page<OrganizationRow>> { no() }
    pub async fn organization(&self, _tenant: &TenantName, _id: Uuid) -> Answer<Option<OrganizationRow>> { no() }
    pub async fn members(&self, _tenant: &TenantName, _organization: Uuid, _page: u64, _size: u64) -> Answer<Page<MemberRow>> { no() }
    pub async fn users(&self, _tenant: &TenantName, _page: u64, _size: u64) -> Answer<Page<UserRow>> { no() }
    pub async fn user(&self, _tenant: &TenantName, _id: Uuid) -> Answer<Option<UserRow>> { no() }
    pub async fn applications(&self, _tenant: &TenantName, _page: u64, _size: u64) -> Answer<Page<ApplicationRow>> { no() }
    pub async fn tenants(&self, _page: u64, _size: u64) -> Answer<Page<TenantRow>> { no() }
}
