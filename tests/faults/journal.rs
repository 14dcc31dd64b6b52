//! What was asked of the service, and what it said before it fell.

use uuid::Uuid;

/// What became of a request, as far as its caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// A 2xx was read whole.
    Acknowledged(T),
    /// A definite 4xx was read whole.
    Refused(u16),
    /// No answer, or a 503 that says the outcome is unknown.
    Unknown,
}

/// An address was invited.
#[derive(Clone, Debug)]
pub struct Create {
    pub organization: Uuid,
    /// Nobody else invites it, but for [`Create::doomed`].
    pub email: String,
    /// The client's own id, if it sent one.
    pub id: Option<Uuid>,
    pub key: Option<String>,
    /// The address was pending there already: it must be refused.
    pub doomed: bool,
    pub outcome: Outcome<Invite>,
}

/// What the answer to a create said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    pub organization: Uuid,
    pub id: Uuid,
    pub code: String,
}

/// A user accepted; each user at most once in an organization.
#[derive(Clone, Debug)]
pub struct Accept {
    pub invite: Invite,
    pub user: usize,
    pub outcome: Outcome<()>,
}

#[derive(Clone, Debug)]
pub struct Cancel {
    pub invite: Invite,
    pub outcome: Outcome<()>,
}

/// One round's load.
#[derive(Debug, Default)]
pub struct Journal {
    pub creates: Vec<Create>,
    pub accepts: Vec<Accept>,
    pub cancels: Vec<Cancel>,
    /// Answers that fit neither promise, told as they came.
    pub odd: Vec<String>,
}

impl Journal {
    pub fn merge(&mut self, other: Self) {
        self.creates.extend(other.creates);
        self.accepts.extend(other.accepts);
        self.cancels.extend(other.cancels);
        self.odd.extend(other.odd);
    }

    pub fn acknowledged(&self) -> usize {
        let creates = self.creates.iter().filter(|c| matches!(c.outcome, Outcome::Acknowledged(_))).count();
        let accepts = self.accepts.iter().filter(|a| a.outcome == Outcome::Acknowledged(())).count();
        creates + accepts + self.cancels.iter().filter(|c| c.outcome == Outcome::Acknowledged(())).count()
    }

    pub fn unknown(&self) -> usize {
        let creates = self.creates.iter().filter(|c| c.outcome == Outcome::Unknown).count();
        let accepts = self.accepts.iter().filter(|a| a.outcome == Outcome::Unknown).count();
        creates + accepts + self.cancels.iter().filter(|c| c.outcome == Outcome::Unknown).count()
    }
}
