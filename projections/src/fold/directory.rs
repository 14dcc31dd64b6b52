//! The view of the directory: tenants, organizations, users, memberships and
//! applications, each as the aggregate itself.

use super::{Desk, decode, origin_of};
use crate::columns::{role_code, signed};
use crate::error::{FoldError, Unfoldable};
use crate::scopes::Scope;
use domain::application::Application;
use domain::membership::Membership;
use domain::organization::Organization;
use domain::tenant::Tenant;
use domain::user::User;
use domain::{Root, membership};
use rusqlite::{OptionalExtension, params};
use store::Recorded;
use uuid::Uuid;

pub(super) fn fold(desk: &mut Desk<'_>, aggregate: &str, event: &Recorded) -> Result<(), FoldError> {
    let tenant = event.tenant.as_str();
    match aggregate {
        Tenant::TYPE => listed::<Tenant>(desk, event, Scope::Tenants),
        Organization::TYPE => listed::<Organization>(desk, event, Scope::Organizations { tenant }),
        User::TYPE => listed::<User>(desk, event, Scope::Users { tenant }),
        Application::TYPE => listed::<Application>(desk, event, Scope::Applications { tenant }),
        Membership::TYPE => membership(desk, event),
        _ => Ok(()),
    }
}

/// An aggregate that is in its list from its first event on.
fn listed<A: Root>(desk: &mut Desk<'_>, event: &Recorded, scope: Scope<'_>) -> Result<(), FoldError> {
    let Change { position, before, after } = evolve::<A>(desk, event)?;
    save(desk, position, event, &after, None)?;
    if before.is_none() { desk.add(scope, position, 0) } else { Ok(()) }
}

/// A membership is in its organization's list while it has a role. Granted
/// again, it stands where it stood.
fn membership(desk: &mut Desk<'_>, event: &Recorded) -> Result<(), FoldError> {
    let Change { position, before, after } = evolve::<Membership>(desk, event)?;
    save(desk, position, event, &after, Some((after.target, after.user)))?;
    if after.place != membership::Place::Organization {
        return Ok(());
    }
    let scope = Scope::Members { tenant: &event.tenant, place: after.target };
    let member = |of: &Membership| of.role.map(|role| (position, role_code(role)));
    match (before.as_ref().and_then(member), member(&after)) {
        (None, None) => Ok(()),
        (None, Some((at, slot))) => desk.add(scope, at, slot),
        (Some((at, slot)), None) => desk.take(scope, at, slot),
        (Some(from), Some(to)) => desk.shift(scope, from, to),
    }
}

struct Change<A> {
    position: u64,
    before: Option<A>,
    after: A,
}

/// The aggregate before and after the event.
fn evolve<A: Root>(desk: &Desk<'_>, event: &Recorded) -> Result<Change<A>, FoldError> {
    let decoded: A::Event = decode(A::TYPE, event)?;
    let origin = origin_of(event)?;
    let mut select =
        desk.prepare("SELECT position, body FROM directory WHERE id = ?1 AND type = ?2 AND tenant = ?3")?;
    let found: Option<(i64, String)> = select
        .query_row(params![origin.id.as_bytes(), A::TYPE, event.tenant], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (position, before) = match found {
        Some((position, body)) => {
            let aggregate: A = serde_json::from_str(&body).map_err(|_| FoldError::Row("an aggregate"))?;
            (position.cast_unsigned(), Some(aggregate))
        }
        None if event.version == 1 => (event.position, None),
        None => return Err(Unfoldable::NoRow.into()),
    };
    let mut after = before.clone().unwrap_or_default();
    after.evolve(&decoded, &origin);
    Ok(Change { position, before, after })
}

fn save<A: Root>(
    desk: &Desk<'_>,
    position: u64,
    event: &Recorded,
    aggregate: &A,
    member: Option<(Uuid, Uuid)>,
) -> Result<(), FoldError> {
    let body = serde_json::to_string(aggregate).map_err(|_| FoldError::Row("an aggregate"))?;
    let id = super::id_of(event)?;
    desk.execute(
        "INSERT INTO directory (position, type, tenant, id, place, user, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (position) DO UPDATE SET body = excluded.body",
        params![
            signed(position),
            A::TYPE,
            event.tenant,
            id.as_bytes(),
            member.as_ref().map(|(place, _)| place.as_bytes()),
            member.as_ref().map(|(_, user)| user.as_bytes()),
            body,
        ],
    )
}
