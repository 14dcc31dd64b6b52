//! Giving a move up: first the new place is made one that nobody will ever serve, then the
//! old one takes writers again. Between the two nobody does, and the same command goes on.

use super::{
    Move, MoveError, Word, check_sites, copy, error::at, lock_site, open_alone, opened_with, receive::head_of, things,
};
use crate::{
    log::Backend,
    own::{End, Standing},
};

/// How often the end of a log that others append to is looked for.
const RACES: usize = 16;

/// What giving up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The old place takes writers again.
    Reopened,
    /// It was never closed, or is open again.
    NeverClosed,
}

impl Move<'_> {
    /// Gives the move up, as long as the new place is not open.
    pub fn cancel(mut self) -> Result<Cancelled, MoveError> {
        let (from, to) = (self.from, self.to);
        check_sites(from, to)?;
        let source = self.look(from)?;
        let closed = head_of(&source, from)?;
        let standing = Standing::after(closed.as_ref());
        let not_under_way = || MoveError::NotUnderWay { from: from.name.clone(), to: to.name.clone() };
        // Looked at before its folder is touched.
        let seen = Backend::look(&to.log).map_err(at(to))?.ok_or_else(not_under_way)?;
        if seen.origin().id != source.origin().id {
            return Err(not_under_way());
        }
        drop(seen);
        let _here = lock_site(to, None)?;
        let target = open_alone(to, None, || Backend::open(&to.log))?;
        let mark = target.arrival().map_err(at(to))?;
        if let (Standing::Moved { arrival, .. }, Some(row)) = (&standing, &closed)
            && opened_with(&target, row.position, *arrival).map_err(at(to))?
        {
            return Err(MoveError::Opened(to.name.clone()));
        }
        let mark = mark.ok_or_else(not_under_way)?;
        if let Standing::Moved { arrival, to: known } = &standing
            && *arrival != mark
        {
            return Err(MoveError::Elsewhere { from: from.name.clone(), to: known.clone() });
        }
        self.abandon(&target, mark)?;
        drop(source);
        if !matches!(standing, Standing::Moved { .. }) {
            return Ok(Cancelled::NeverClosed);
        }
        self.reopen(mark)
    }

    /// Ends the log of the new place with `Abandoned`, whatever a move still writes there.
    fn abandon(&mut self, target: &Backend, arrival: uuid::Uuid) -> Result<(), MoveError> {
        for _ in 0..RACES {
            let (end, last) = End::of(target).map_err(at(self.to))?;
            match last {
                Some(row) if Standing::after(Some(&row)) == Standing::Abandoned => return Ok(()),
                // Between the look and now.
                Some(row) if row.kind == crate::own::OPENED && crate::own::arrival_of(&row) == arrival => {
                    return Err(MoveError::Opened(self.to.name.clone()));
                }
                Some(_) | None => {}
            }
            self.step("log", end.place.0, end.place.0)?;
            let event = (self.event)(&Word::Abandoned { arrival });
            if copy::append_word(target, self.to, end, event, (self.now)())? {
                return Ok(());
            }
        }
        Err(MoveError::Unstable { place: self.to.name.clone(), what: "the end of the log" })
    }

    fn reopen(&mut self, arrival: uuid::Uuid) -> Result<Cancelled, MoveError> {
        let from = self.from;
        let _there = lock_site(from, None)?;
        let source = open_alone(from, None, || Backend::open(&from.log))?;
        let (end, last) = End::of(&source).map_err(at(from))?;
        if !matches!(Standing::after(last.as_ref()), Standing::Moved { arrival: known, .. } if known == arrival) {
            return Ok(Cancelled::NeverClosed);
        }
        self.step("log", end.place.0, end.place.0)?;
        things::unmark_state(&things::open_state(from, None)?, from)?;
        let event = (self.event)(&Word::Reopened { arrival });
        if copy::append_word(&source, from, end, event, (self.now)())? {
            return Ok(Cancelled::Reopened);
        }
        Err(MoveError::Unstable { place: from.name.clone(), what: "the end of the log" })
    }
}
