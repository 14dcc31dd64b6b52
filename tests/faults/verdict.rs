//! What the journal of a fall and the log after it must agree on.
//!
//! Acknowledged ⊆ log, each exactly once; refused ∩ log = ∅; in flight: wholly
//! or not at all, and settled by repeating the request. Nothing is in the log
//! that nobody asked for.

use crate::journal::{Accept, Cancel, Create, Invite, Journal, Outcome};
use crate::ledger::Line;
use crate::load::{Callers, accept_request, cancel_request, create_request, invite_of};
use crate::server::Server;
use crate::wire::Request;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Acknowledged creates with a key that are sent once more.
const REPEATS: usize = 4;

/// Repeats what was in flight: from here on its outcome is known.
pub fn settle(server: &Server, callers: &Callers, journal: &mut Journal) -> Result<(), String> {
    let mut repeats = 0;
    for create in &mut journal.creates {
        if create.key.is_none() || matches!(create.outcome, Outcome::Refused(_)) {
            continue;
        }
        if matches!(create.outcome, Outcome::Acknowledged(_)) {
            repeats += 1;
            if repeats > REPEATS {
                continue;
            }
        }
        settle_create(server, callers, create)?;
    }
    for Accept { invite, user, outcome } in journal.accepts.iter_mut().filter(|a| a.outcome == Outcome::Unknown) {
        repeat(server, &accept_request(invite, &callers.users[*user].token), 200)?;
        *outcome = Outcome::Acknowledged(());
    }
    for Cancel { invite, outcome } in journal.cancels.iter_mut().filter(|c| c.outcome == Outcome::Unknown) {
        repeat(server, &cancel_request(invite, &callers.application), 204)?;
        *outcome = Outcome::Acknowledged(());
    }
    Ok(())
}

fn repeat(server: &Server, request: &Request, wanted: u16) -> Result<String, String> {
    let answer = server.ask(request)?;
    if answer.status == wanted {
        return Ok(answer.text());
    }
    let Request { method, target, .. } = request;
    Err(format!("a repeat after the fall: {method} {target}: {} {}", answer.status, answer.text()))
}

fn settle_create(server: &Server, callers: &Callers, create: &mut Create) -> Result<(), String> {
    let request = create_request(create, &callers.application);
    if create.doomed && create.outcome == Outcome::Unknown {
        let answer = server.ask(&request)?;
        create.outcome = match answer.status {
            409 => Outcome::Refused(409),
            _ => Outcome::Unknown,
        };
        return Ok(());
    }
    let text = repeat(server, &request, 201)?;
    let document = serde_json::from_str(&text).map_err(|fault| format!("{fault} in {text}"))?;
    let invite = invite_of(create.organization, &document).ok_or_else(|| format!("no invite: {text}"))?;
    if let Outcome::Acknowledged(before) = &create.outcome
        && *before != invite
    {
        return Err(format!("the same key gave {} and then {}", before.id, invite.id));
    }
    create.outcome = Outcome::Acknowledged(invite);
    Ok(())
}

/// All that is wrong; empty when every promise was kept.
pub fn faults(lines: &[Line], journal: &Journal, callers: &Callers) -> Vec<String> {
    let log = Log::of(lines);
    let mut faults = journal.odd.clone();
    log.check_creates(journal, &mut faults);
    log.check_accepts(journal, callers, &mut faults);
    log.check_cancels(journal, &mut faults);
    faults
}

/// The lines by what they are about.
struct Log<'a> {
    /// By the id callers know.
    created: BTreeMap<Uuid, Vec<&'a Line>>,
    /// From that id to the aggregate's own.
    own: BTreeMap<Uuid, Uuid>,
    accepted: BTreeMap<Uuid, Vec<&'a Line>>,
    /// By the invitation's own id.
    granted: BTreeMap<Uuid, Vec<&'a Line>>,
    cancelled: BTreeMap<Uuid, Vec<&'a Line>>,
}

impl<'a> Log<'a> {
    fn of(lines: &'a [Line]) -> Self {
        let by = |aggregate: &str, kind: &str, key: fn(&Line) -> Uuid| {
            let mut found = BTreeMap::<Uuid, Vec<&Line>>::new();
            for line in lines.iter().filter(|line| line.is(aggregate, kind)) {
                found.entry(key(line)).or_default().push(line);
            }
            found
        };
        let shown = |line: &Line| line.uuid("public_id").unwrap_or_else(|| line.aggregate());
        let created = by("invitation", "Created", shown);
        Self {
            own: created.iter().map(|(shown, lines)| (*shown, lines[0].aggregate())).collect(),
            created,
            accepted: by("invitation", "Accepted", Line::aggregate),
            granted: by("membership", "Granted", |line| line.uuid("invitation").unwrap_or_default()),
            cancelled: by("invitation", "Cancelled", Line::aggregate),
        }
    }

    fn count(&self, of: &BTreeMap<Uuid, Vec<&Line>>, invite: &Invite) -> usize {
        self.own.get(&invite.id).and_then(|own| of.get(own)).map_or(0, Vec::len)
    }

    fn check_creates(&self, journal: &Journal, faults: &mut Vec<String>) {
        let mut asked = BTreeSet::new();
        // Per organization and address: how many there must be, and how many there may be.
        let mut bounds = BTreeMap::<(Uuid, &str), (usize, usize)>::new();
        for create in &journal.creates {
            let (least, most) = bounds.entry((create.organization, &create.email)).or_default();
            match &create.outcome {
                Outcome::Acknowledged(invite) => {
                    (*least, *most) = (*least + 1, *most + 1);
                    asked.insert(invite.id);
                    let lines = self.created.get(&invite.id).map_or(&[][..], Vec::as_slice);
                    match lines {
                        [line] if is_of(line, create) => {}
                        [_] => faults.push(format!("the invite {} is in the log as another", invite.id)),
                        lines => faults.push(format!(
                            "the acknowledged invite {} of {} is in the log {} times",
                            invite.id,
                            create.email,
                            lines.len()
                        )),
                    }
                }
                Outcome::Refused(status) => {
                    if create.id.is_some_and(|id| self.created.contains_key(&id)) {
                        faults.push(format!("an invite refused with {status} is in the log: {:?}", create.id));
                    }
                    if !create.doomed {
                        faults.push(format!("{} was refused with {status} without a reason", create.email));
                    }
                }
                Outcome::Unknown => {
                    *most += 1;
                    asked.extend(create.id);
                }
            }
        }
        self.check_bounds(&bounds, faults);
        for (id, lines) in &self.created {
            // An unknown one without an id of its own is known by its address alone.
            let email = lines[0].payload["personal"]["email"].as_str().unwrap_or_default();
            let target = lines[0].uuid("target").unwrap_or_default();
            if !asked.contains(id) && !bounds.contains_key(&(target, email)) {
                faults.push(format!("nobody asked for the invite {id}, but it is in the log"));
            }
        }
    }

    fn check_bounds(&self, bounds: &BTreeMap<(Uuid, &str), (usize, usize)>, faults: &mut Vec<String>) {
        let mut found = BTreeMap::<(Uuid, &str), usize>::new();
        for line in self.created.values().flatten() {
            let email = line.payload["personal"]["email"].as_str().unwrap_or_default();
            *found.entry((line.uuid("target").unwrap_or_default(), email)).or_default() += 1;
        }
        for (place, (least, most)) in bounds {
            let count = found.get(place).copied().unwrap_or(0);
            if !(*least..=*most).contains(&count) {
                faults.push(format!("{} was created {count} times, not {least} to {most}", place.1));
            }
        }
    }

    fn check_accepts(&self, journal: &Journal, callers: &Callers, faults: &mut Vec<String>) {
        for Accept { invite, user, outcome } in &journal.accepts {
            let (accepted, granted) = (self.count(&self.accepted, invite), self.count(&self.granted, invite));
            match outcome {
                Outcome::Acknowledged(()) if (accepted, granted) == (1, 1) => {
                    let by = self.accepted[&self.own[&invite.id]][0].uuid("by");
                    if by != Some(callers.users[*user].id) {
                        faults.push(format!("{} was accepted by {by:?}", invite.id));
                    }
                }
                Outcome::Acknowledged(()) => faults.push(format!(
                    "{} was accepted with 200, but the log has {accepted} acceptances and {granted} memberships",
                    invite.id
                )),
                Outcome::Refused(status) => faults.push(format!("accepting {} was refused with {status}", invite.id)),
                Outcome::Unknown => faults.push(format!("accepting {} was never settled", invite.id)),
            }
        }
        // One unit: both or neither.
        for (id, lines) in &self.accepted {
            let memberships = self.granted.get(id).map_or(0, Vec::len);
            if lines.len() != memberships {
                faults.push(format!("{id} has {} acceptances and {memberships} memberships", lines.len()));
            }
        }
        if let Some(id) = self.granted.keys().find(|id| !self.accepted.contains_key(id)) {
            faults.push(format!("{id} gave a membership without an acceptance"));
        }
    }

    fn check_cancels(&self, journal: &Journal, faults: &mut Vec<String>) {
        for Cancel { invite, outcome } in &journal.cancels {
            let count = self.count(&self.cancelled, invite);
            match outcome {
                Outcome::Acknowledged(()) if count == 1 => {}
                other => faults.push(format!("cancelling {}: {other:?}, and the log has it {count} times", invite.id)),
            }
        }
    }
}

fn is_of(line: &Line, create: &Create) -> bool {
    line.uuid("target") == Some(create.organization) && line.payload["personal"]["email"] == create.email.as_str()
}
