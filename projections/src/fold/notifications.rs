//! The view of notifications: mails that were not delivered. What the provider
//! said is not in the log, so it is not here either.

use super::{Desk, decode, id_of};
use crate::columns::signed;
use crate::error::FoldError;
use crate::scopes::Scope;
use domain::mail::Reason;
use domain::{Root, employee, invitation, user};
use rusqlite::params;
use store::Recorded;
use uuid::Uuid;

/// An invitation's mail failed.
pub(crate) const INVITATION: &str = "invitation_email_failed";
/// A notice of a changed employee address failed.
pub(crate) const EMPLOYEE: &str = "employee_email_failed";
/// A notice to an account failed.
pub(crate) const ACCOUNT: &str = "account_notice_failed";

pub(super) fn fold(desk: &mut Desk<'_>, aggregate: &str, event: &Recorded) -> Result<(), FoldError> {
    match (aggregate, event.kind.as_str()) {
        (invitation::Invitation::TYPE, "EmailFailed") => {
            if let invitation::Event::EmailFailed(e) = decode(invitation::Invitation::TYPE, event)? {
                insert(desk, event, INVITATION, e.reason)?;
            }
        }
        (employee::Employee::TYPE, "NoticeFailed") => {
            if let employee::Event::NoticeFailed(e) = decode(employee::Employee::TYPE, event)? {
                insert(desk, event, EMPLOYEE, e.reason)?;
            }
        }
        (user::User::TYPE, "NoticeFailed") => {
            if let user::Event::NoticeFailed(e) = decode(user::User::TYPE, event)? {
                insert(desk, event, ACCOUNT, e.reason)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn insert(desk: &mut Desk<'_>, event: &Recorded, kind: &'static str, reason: Reason) -> Result<(), FoldError> {
    let id: Option<Uuid> = if kind == INVITATION { Some(id_of(event)?) } else { None };
    desk.execute(
        "INSERT INTO notification (position, tenant, kind, invitation, reason, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![signed(event.position), event.tenant, kind, id.as_ref().map(Uuid::as_bytes), reason.name(), event.at],
    )?;
    desk.add(Scope::Notifications { tenant: &event.tenant }, event.position, 0)
}
