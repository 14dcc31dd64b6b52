//! The view of invitations. The meaning of each event is the aggregate's; a
//! test folds random histories both ways and compares.

use super::{Desk, decode, id_of};
use crate::columns::{Cells, KINDS, ROLES, STATES, actor_blob, kind_code, role_code, signed, state_code, status_code};
use crate::error::{FoldError, Unfoldable};
use crate::ranks::Slots;
use crate::scopes::Scope;
use domain::invitation::{Created, Event, Invitation, Kind, Role, State};
use domain::{Actor, Root, Timestamp, mail};
use rusqlite::{OptionalExtension, params};
use std::time::Duration;
use store::Recorded;
use uuid::Uuid;

/// What filters of a list of invitations tell apart: below 30, so that a choice fits into 64 bits.
pub(crate) fn slot(kind: Kind, state: State, role: Role) -> u8 {
    (kind_code(kind) * 5 + state_code(state)) * 2 + role_code(role)
}

/// The slots that match; `None` matches all.
pub(crate) fn slots(kind: Option<Kind>, state: Option<State>, role: Option<Role>) -> Slots {
    let mut chosen = 0;
    for k in KINDS.into_iter().filter(|k| kind.is_none_or(|wanted| wanted == *k)) {
        for s in STATES.into_iter().filter(|s| state.is_none_or(|wanted| wanted == *s)) {
            for r in ROLES.into_iter().filter(|r| role.is_none_or(|wanted| wanted == *r)) {
                chosen |= 1 << slot(k, s, r);
            }
        }
    }
    chosen
}

/// What folding needs to know of a row.
struct Row {
    position: u64,
    kind: Kind,
    target: Uuid,
    role: Role,
    state: State,
    invited_by: Actor,
    changed: u64,
}

const SELECT: &str = "SELECT position, kind, target, role, state, invited_by, changed
     FROM invitation WHERE id = ?1 AND tenant = ?2";
const INSERT: &str = "INSERT OR ROLLBACK INTO invitation (position, tenant, id, public_id, kind, target, role, state, email_status,
     generation, created_at, updated_at, expires_at, changed, updated_in_db_at, invited_by, link, email, address, message)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, 1, ?8, ?8, ?9, ?1, ?10, ?11, ?12, ?13, ?14, ?15)";

pub(super) fn fold(desk: &mut Desk<'_>, event: &Recorded) -> Result<(), FoldError> {
    let decoded: Event = decode(Invitation::TYPE, event)?;
    let id = id_of(event)?;
    if let Event::Created(created) = decoded {
        return insert(desk, event, id, &created);
    }
    // The commonest event after `Created`: one statement, unless there is something odd about it.
    if let Some((generation, status)) = report_of(&decoded)
        && report(desk, event, id, generation, status)?
    {
        return Ok(());
    }
    let row = find(desk, event, id)?;
    match decoded {
        // A report about an earlier sending says nothing about this one.
        Event::Created(_) | Event::AcceptRefused(_) | Event::EmailSent(_) | Event::EmailFailed(_) => Ok(()),
        Event::Accepted(e) => {
            desk.execute(
                "UPDATE OR ROLLBACK invitation SET accepted_at = ?2, accepted_by = ?3 WHERE position = ?1",
                params![signed(row.position), event.at, e.by.as_bytes()],
            )?;
            change(desk, event, &row, State::Accepted, row.role)
        }
        Event::Cancelled(e) => {
            desk.execute(
                "UPDATE OR ROLLBACK invitation SET cancelled_by = ?2 WHERE position = ?1",
                params![signed(row.position), actor_blob(e.by)],
            )?;
            change(desk, event, &row, State::Cancelled, row.role)
        }
        Event::Updated(e) => {
            desk.execute(
                "UPDATE OR ROLLBACK invitation SET updated_in_db_at = coalesce(?2, updated_in_db_at) WHERE position = ?1",
                params![signed(row.position), e.updated_in_db_at.map(|at| at.0)],
            )?;
            change(desk, event, &row, row.state, e.role.unwrap_or(row.role))
        }
        Event::ResendRequested(e) => {
            desk.execute(
                "UPDATE OR ROLLBACK invitation SET generation = ?2, email_status = 0, expires_at = ?3 WHERE position = ?1",
                params![signed(row.position), e.generation, expiry(event.at, e.valid_days)],
            )?;
            change(desk, event, &row, row.state, row.role)
        }
        Event::Declined(_) => change(desk, event, &row, State::Declined, row.role),
        Event::Expired(_) => change(desk, event, &row, State::Expired, row.role),
    }
}

fn insert(desk: &mut Desk<'_>, event: &Recorded, id: Uuid, created: &Created) -> Result<(), FoldError> {
    let email = created.personal.email();
    let address = email.map(domain::Address::key).filter(|key| email.is_some_and(|e| e.as_str() != *key));
    desk.execute(
        INSERT,
        params![
            signed(event.position),
            event.tenant,
            id.as_bytes(),
            created.public_id.as_ref().map(Uuid::as_bytes),
            kind_code(created.kind),
            created.target.as_bytes(),
            role_code(created.role),
            event.at,
            expiry(event.at, created.valid_days),
            created.updated_in_db_at.map(|at| at.0),
            actor_blob(created.invited_by),
            created.link.as_bytes(),
            email.map(domain::Address::as_str),
            address,
            created.personal.message(),
        ],
    )?;
    let Created { kind, target, invited_by: by, .. } = *created;
    let (tenant, at, slot) = (event.tenant.as_str(), event.position, slot(kind, State::Pending, created.role));
    desk.add(Scope::Target { tenant, kind, target }, at, slot)?;
    desk.add(Scope::TargetUpdated { tenant, kind, target }, at, slot)?;
    desk.add(Scope::Invitations { tenant }, at, slot)?;
    desk.add(Scope::Inviter { tenant, by }, at, slot)
}

fn expiry(at: i64, valid_days: u32) -> i64 {
    Timestamp(at).plus(Duration::from_secs(u64::from(valid_days) * 24 * 60 * 60)).0
}

fn find(desk: &Desk<'_>, event: &Recorded, id: Uuid) -> Result<Row, FoldError> {
    let mut select = desk.prepare(SELECT)?;
    let found =
        select.query_row(params![id.as_bytes(), event.tenant], |row| Ok(read(&mut Cells::of(row)))).optional()?;
    found.ok_or(Unfoldable::NoRow)?
}

fn read(cells: &mut Cells<'_, '_>) -> Result<Row, FoldError> {
    Ok(Row {
        position: cells.number()?,
        kind: cells.kind()?,
        target: cells.id()?,
        role: cells.role()?,
        state: cells.state()?,
        invited_by: cells.actor()?,
        changed: cells.number()?,
    })
}

fn report_of(event: &Event) -> Option<(u32, mail::Status)> {
    match event {
        Event::EmailSent(e) => Some((e.generation, mail::Status::Sent)),
        Event::EmailFailed(e) => Some((e.generation, mail::Status::after(e.reason))),
        Event::Created(_)
        | Event::Accepted(_)
        | Event::Cancelled(_)
        | Event::Updated(_)
        | Event::ResendRequested(_)
        | Event::Declined(_)
        | Event::Expired(_)
        | Event::AcceptRefused(_) => None,
    }
}

/// A delivery report is no change. `false` if no row is at that generation.
fn report(
    desk: &Desk<'_>,
    event: &Recorded,
    id: Uuid,
    generation: u32,
    status: mail::Status,
) -> Result<bool, FoldError> {
    let mut update = desk.prepare(
        "UPDATE OR ROLLBACK invitation SET email_status = ?3 WHERE id = ?1 AND tenant = ?2 AND generation = ?4",
    )?;
    Ok(update.execute(params![id.as_bytes(), event.tenant, status_code(status), generation])? > 0)
}

/// Every change but a report: time and place of the last change, state and role, and the counts.
fn change(desk: &mut Desk<'_>, event: &Recorded, row: &Row, state: State, role: Role) -> Result<(), FoldError> {
    desk.execute(
        "UPDATE OR ROLLBACK invitation SET state = ?2, role = ?3, updated_at = ?4, changed = ?5 WHERE position = ?1",
        params![signed(row.position), state_code(state), role_code(role), event.at, signed(event.position)],
    )?;
    let Row { kind, target, invited_by: by, position, .. } = *row;
    let tenant = event.tenant.as_str();
    let (before, after) = (slot(kind, row.state, row.role), slot(kind, state, role));
    desk.shift(Scope::TargetUpdated { tenant, kind, target }, (row.changed, before), (event.position, after))?;
    for scope in [Scope::Target { tenant, kind, target }, Scope::Invitations { tenant }, Scope::Inviter { tenant, by }]
    {
        desk.shift(scope, (position, before), (position, after))?;
    }
    Ok(())
}
