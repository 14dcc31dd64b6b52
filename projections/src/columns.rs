//! How values of the domain stand in columns: small integers for closed enums,
//! 16 bytes for ids, a tagged blob for actors. Codes are part of the schema.

use crate::error::FoldError;
use domain::invitation::{Kind, Role, State};
use domain::{Actor, TenantName, mail};
use rusqlite::Row;
use uuid::Uuid;

pub(crate) const KINDS: [Kind; 3] = [Kind::Integration, Kind::Organization, Kind::Platform];
/// `Pending` is 0: partial indexes of the schema say so.
pub(crate) const STATES: [State; 5] =
    [State::Pending, State::Accepted, State::Cancelled, State::Declined, State::Expired];
pub(crate) const ROLES: [Role; 2] = [Role::Member, Role::Admin];
const STATUSES: [mail::Status; 4] =
    [mail::Status::Queued, mail::Status::Sent, mail::Status::Failed, mail::Status::Unknown];

pub(crate) fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Integration => 0,
        Kind::Organization => 1,
        Kind::Platform => 2,
    }
}

pub(crate) fn state_code(state: State) -> u8 {
    match state {
        State::Pending => 0,
        State::Accepted => 1,
        State::Cancelled => 2,
        State::Declined => 3,
        State::Expired => 4,
    }
}

pub(crate) fn role_code(role: Role) -> u8 {
    match role {
        Role::Member => 0,
        Role::Admin => 1,
    }
}

pub(crate) fn status_code(status: mail::Status) -> u8 {
    match status {
        mail::Status::Queued => 0,
        mail::Status::Sent => 1,
        mail::Status::Failed => 2,
        mail::Status::Unknown => 3,
    }
}

/// 17 bytes for those with an id, one for the others.
pub(crate) fn actor_blob(actor: Actor) -> Vec<u8> {
    let tagged = |tag: u8, id: Uuid| std::iter::once(tag).chain(*id.as_bytes()).collect();
    match actor {
        Actor::User(id) => tagged(0, id),
        Actor::Application(id) => tagged(1, id),
        Actor::Deployment => vec![2],
        Actor::System => vec![3],
        Actor::Visitor => vec![4],
    }
}

fn actor_of(blob: &[u8]) -> Option<Actor> {
    let (tag, id) = blob.split_first()?;
    match (tag, id) {
        (0, id) => Uuid::from_slice(id).ok().map(Actor::User),
        (1, id) => Uuid::from_slice(id).ok().map(Actor::Application),
        (2, []) => Some(Actor::Deployment),
        (3, []) => Some(Actor::System),
        (4, []) => Some(Actor::Visitor),
        _ => None,
    }
}

/// SQLite's integers are signed; none of our numbers comes near the sign.
pub(crate) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// Reads columns one after another, so that a statement's list and its reading
/// stand in the same order.
pub(crate) struct Cells<'a, 'stmt> {
    row: &'a Row<'stmt>,
    at: usize,
}

impl<'a, 'stmt> Cells<'a, 'stmt> {
    pub(crate) fn of(row: &'a Row<'stmt>) -> Self {
        Self { row, at: 0 }
    }

    fn next(&mut self) -> usize {
        self.at += 1;
        self.at - 1
    }

    pub(crate) fn integer(&mut self) -> Result<i64, FoldError> {
        let at = self.next();
        Ok(self.row.get(at)?)
    }

    pub(crate) fn maybe_integer(&mut self) -> Result<Option<i64>, FoldError> {
        let at = self.next();
        Ok(self.row.get(at)?)
    }

    pub(crate) fn number(&mut self) -> Result<u64, FoldError> {
        u64::try_from(self.integer()?).map_err(|_| FoldError::Row("a negative number"))
    }

    pub(crate) fn text(&mut self) -> Result<String, FoldError> {
        let at = self.next();
        Ok(self.row.get(at)?)
    }

    pub(crate) fn maybe_text(&mut self) -> Result<Option<String>, FoldError> {
        let at = self.next();
        Ok(self.row.get(at)?)
    }

    pub(crate) fn tenant(&mut self) -> Result<TenantName, FoldError> {
        TenantName::try_from(self.text()?).map_err(|_| FoldError::Row("a tenant's name"))
    }

    pub(crate) fn maybe_id(&mut self) -> Result<Option<Uuid>, FoldError> {
        let at = self.next();
        let blob: Option<[u8; 16]> = self.row.get(at)?;
        Ok(blob.map(Uuid::from_bytes))
    }

    pub(crate) fn id(&mut self) -> Result<Uuid, FoldError> {
        self.maybe_id()?.ok_or(FoldError::Row("an id that is null"))
    }

    pub(crate) fn maybe_actor(&mut self) -> Result<Option<Actor>, FoldError> {
        let at = self.next();
        match self.row.get_ref(at)?.as_blob_or_null().map_err(|_| FoldError::Row("an actor"))? {
            Some(blob) => actor_of(blob).map(Some).ok_or(FoldError::Row("an actor")),
            None => Ok(None),
        }
    }

    pub(crate) fn actor(&mut self) -> Result<Actor, FoldError> {
        self.maybe_actor()?.ok_or(FoldError::Row("an actor that is null"))
    }

    pub(crate) fn kind(&mut self) -> Result<Kind, FoldError> {
        coded(&KINDS, self.integer()?)
    }

    pub(crate) fn state(&mut self) -> Result<State, FoldError> {
        coded(&STATES, self.integer()?)
    }

    pub(crate) fn role(&mut self) -> Result<Role, FoldError> {
        coded(&ROLES, self.integer()?)
    }

    pub(crate) fn status(&mut self) -> Result<mail::Status, FoldError> {
        coded(&STATUSES, self.integer()?)
    }
}

fn coded<T: Copy>(table: &[T], code: i64) -> Result<T, FoldError> {
    usize::try_from(code).ok().and_then(|at| table.get(at)).copied().ok_or(FoldError::Row("an unknown code"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_leads_back_to_its_value() {
        for kind in KINDS {
            assert_eq!(coded(&KINDS, kind_code(kind).into()).unwrap(), kind);
        }
        for state in STATES {
            assert_eq!(coded(&STATES, state_code(state).into()).unwrap(), state);
        }
        for role in ROLES {
            assert_eq!(coded(&ROLES, role_code(role).into()).unwrap(), role);
        }
        for status in STATUSES {
            assert_eq!(coded(&STATUSES, status_code(status).into()).unwrap(), status);
        }
        let id = Uuid::from_u128(7);
        for actor in [Actor::User(id), Actor::Application(id), Actor::Deployment, Actor::System, Actor::Visitor] {
            assert_eq!(actor_of(&actor_blob(actor)), Some(actor));
        }
        assert_eq!(actor_of(&[9]), None);
    }
}
