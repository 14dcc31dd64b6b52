//! State and keys: made like those of the old place, again and again until a look at both
//! finds no difference. That last look is the comparison.

use std::ops::ControlFlow;

use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    Left, MoveError, Site,
    compare::{Change, compare},
    error::at,
    in_use, step,
};
use crate::{
    Batch, OpenError, Progress, State, StateError, VaultError, VaultOptions,
    state::{MOVING, Place},
    vault::{Keys, Standing},
};

/// How often both places are read until they are the same.
const PASSES: usize = 4;

/// Counted while they were compared.
pub(super) struct Things {
    pub entries: u64,
    pub keys: u64,
}

type Hear<'h> = &'h mut dyn FnMut(Progress) -> ControlFlow<()>;

/// What stands under a name beside keys, wherever they lie; none if there is nothing.
pub fn kept_secret(keys: &VaultOptions, name: &str) -> Result<Option<Zeroizing<String>>, VaultError> {
    let Some(keys) = Keys::look(keys)? else { return Ok(None) };
    let text = |secret: Zeroizing<Vec<u8>>| String::from_utf8(secret.to_vec()).map_err(|_| VaultError::Tampered);
    Ok(keys.stored(name)?.map(text).transpose()?.map(Zeroizing::new))
}

/// The site's state, alone; if that cannot be, says who has it.
pub(super) fn open_state(site: &Site, left: Left<'_>) -> Result<State, MoveError> {
    State::open_alone(site.state.clone()).map_err(|fault| {
        let holders = State::holders(&site.state).unwrap_or_default();
        in_use(site, left, &holders).unwrap_or_else(|| at(site)(fault))
    })
}

/// Refuses a state that may be another ledger's, or one that is in use.
pub(super) fn accept_state(state: &State, site: &Site, ledger: Uuid) -> Result<(), MoveError> {
    let mark = state.get(MOVING.0, MOVING.1).map_err(at(site))?;
    let is_empty = state.page(None, 1).map_err(at(site))?.is_empty();
    if is_empty || mark.as_deref() == Some(ledger.as_bytes().as_slice()) {
        return Ok(());
    }
    Err(MoveError::Taken { place: site.name.clone(), what: "holds sessions and outbox of its own" })
}

/// From here on it may be written over by a move of this ledger, and whoever sent from it sends nothing more.
pub(super) fn mark_state(state: &State, site: &Site, ledger: Uuid) -> Result<(), MoveError> {
    commit(state, site, Batch::new().put(MOVING.0, MOVING.1, ledger.as_bytes().to_vec()))
}

pub(super) fn unmark_state(state: &State, site: &Site) -> Result<(), MoveError> {
    commit(state, site, Batch::new().delete(MOVING.0, MOVING.1))
}

pub(super) fn carry_state(from: (&Site, &State), to: (&Site, &State), hear: Hear<'_>) -> Result<u64, MoveError> {
    let page = |(site, state): (&Site, &State), after: Option<&Place>, limit| {
        let mut page = state.page(after, limit).map_err(at(site))?;
        // Each place's own.
        if let Some((_, value)) = page.iter_mut().find(|((space, _), _)| space == MOVING.0) {
            value.clear();
        }
        Ok(page)
    };
    until_alike("state", to.0, || {
        compare(&|after, limit| page(from, after, limit), &|after, limit| page(to, after, limit), |changes, count| {
            if changes.is_empty() {
                return Ok(());
            }
            step(hear, Progress { part: "state", done: count, of: count })?;
            let batch = changes.into_iter().fold(Batch::new(), |batch, ((space, key), value)| match value {
                Some(value) => batch.put(&space, &key, value),
                None => batch.delete(&space, &key),
            });
            commit(to.1, to.0, batch)
        })
    })
    // Without the mark.
    .map(|count| count.saturating_sub(1))
}

pub(super) fn carry_keys(
    (from, to): (&Site, &Site),
    target: &Keys,
    secrets: &[(&str, &str)],
    hear: Hear<'_>,
) -> Result<u64, MoveError> {
    let source = Keys::look(&from.keys).map_err(at(from))?.ok_or_else(|| MoveError::NoKeys(from.name.clone()))?;
    let given = |name: &str| secrets.iter().find(|(known, _)| *known == name);
    let mut wanted: Vec<(String, Zeroizing<Vec<u8>>)> = source.secrets().map_err(at(from))?;
    wanted.retain(|(name, _)| given(name).is_none());
    let given = secrets.iter().map(|(name, text)| (String::from(*name), Zeroizing::new(text.as_bytes().to_vec())));
    wanted.extend(given);
    step(hear, Progress { part: "keys", done: 0, of: 0 })?;
    for (name, secret) in &wanted {
        target.put_secret(name, secret).map_err(at(to))?;
    }
    target.pass_block(source.last_block().map_err(at(from))?).map_err(at(to))?;
    let count = until_alike("keys", to, || {
        let change = |changes: Vec<Change<Uuid, Standing>>, count| {
            if changes.is_empty() {
                return Ok(());
            }
            step(hear, Progress { part: "keys", done: count, of: count })?;
            let kept: Vec<(Uuid, Standing)> =
                changes.into_iter().map(|(subject, key)| (subject, key.unwrap_or(Standing::Missing))).collect();
            target.put(&kept).map_err(at(to))
        };
        let page = |keys: &Keys, site, after: Option<&Uuid>, limit| keys.page(after, limit).map_err(at(site));
        compare(
            &|after, limit| page(&source, from, after, limit),
            &|after, limit| page(target, to, after, limit),
            change,
        )
    })?;
    let known = target.secrets().map_err(at(to))?;
    if wanted.iter().any(|secret| !known.contains(secret)) {
        return Err(MoveError::Unstable { place: to.name.clone(), what: "a secret" });
    }
    Ok(count)
}

fn until_alike(
    what: &'static str,
    to: &Site,
    mut pass: impl FnMut() -> Result<(u64, u64), MoveError>,
) -> Result<u64, MoveError> {
    for _ in 0..PASSES {
        if let (count, 0) = pass()? {
            return Ok(count);
        }
    }
    Err(MoveError::Unstable { place: to.name.clone(), what })
}

fn commit(state: &State, site: &Site, batch: Batch) -> Result<(), MoveError> {
    runtime(site)?.block_on(state.commit(batch)).map_err(at(site))
}

/// Waits on a plain thread for what is async: an answer of the state's own thread.
pub(super) fn runtime(site: &Site) -> Result<Runtime, MoveError> {
    let made = Builder::new_current_thread().build();
    made.map_err(|fault| at(site)(StateError::from(OpenError::Thread(fault))))
}
