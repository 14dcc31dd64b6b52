//! The table of free text in events: which members are personal, and so sealed,
//! and which are argued not to be. A test walks the golden payloads against it.

/// Why a free-text member may stand in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// Sealed: it stands inside the payload's member `personal`.
    Sealed,
    /// Not about a person, or not free; the reason is for reviewers.
    Clear(&'static str),
}

/// `(aggregate, path of a text member, what it is)`. A path is a member's name,
/// or two joined by a dot.
pub const TEXTS: &[(&str, &str, Text)] = &[
    ("invitation", "personal", Text::Sealed),
    ("invitation", "kind", Text::Clear("enumerated")),
    ("invitation", "public_id", Text::Clear("a UUID: no room for words")),
    ("invitation", "target", Text::Clear("id")),
    ("invitation", "role", Text::Clear("enumerated")),
    ("invitation", "invited_by", Text::Clear("id of an actor")),
    ("invitation", "by", Text::Clear("id of an actor")),
    ("invitation", "link", Text::Clear("random id")),
    ("invitation", "digests.code", Text::Clear("digest of a 256-bit secret")),
    ("invitation", "digests.mail", Text::Clear("digest of a 256-bit secret")),
    ("invitation", "subject.id", Text::Clear("random id")),
    ("invitation", "subject.commitment", Text::Clear("digest of a random key")),
    ("invitation", "reason", Text::Clear("enumerated: the provider's words are dropped")),
    ("invitation", "proof", Text::Clear("enumerated")),
    ("invitation", "caller", Text::Clear("id of an actor, or keyed hash of a peer")),
    ("invitation", "because", Text::Clear("enumerated")),
    ("employee", "personal", Text::Sealed),
    ("employee", "by", Text::Clear("id of an actor")),
    ("employee", "user", Text::Clear("id")),
    ("employee", "date_hired", Text::Clear("a date; rights and reports need it after the person is forgotten")),
    ("employee", "date_off_boarded", Text::Clear("a date; rights and reports need it after the person is forgotten")),
    ("employee", "subject.id", Text::Clear("random id")),
    ("employee", "subject.commitment", Text::Clear("digest of a random key")),
    ("employee", "reason", Text::Clear("enumerated: the provider's words are dropped")),
    ("user", "personal", Text::Sealed),
    ("user", "by", Text::Clear("id of an actor")),
    ("user", "employee", Text::Clear("id")),
    ("user", "subject.id", Text::Clear("random id")),
    ("user", "subject.commitment", Text::Clear("digest of a random key")),
    ("user", "reason", Text::Clear("enumerated: the provider's words are dropped")),
    ("organization", "by", Text::Clear("id of an actor")),
    (
        "organization",
        "name",
        Text::Clear("name of an organization, chosen by operators; the docs ask for no person's name"),
    ),
    ("integration", "by", Text::Clear("id of an actor")),
    ("integration", "name", Text::Clear("name of a product; the docs ask for no person's name")),
    ("integration", "description", Text::Clear("description of a product; the docs ask for nothing about persons")),
    ("membership", "place", Text::Clear("enumerated")),
    ("membership", "target", Text::Clear("id")),
    ("membership", "user", Text::Clear("id")),
    ("membership", "role", Text::Clear("enumerated")),
    ("membership", "by", Text::Clear("id of an actor")),
    ("membership", "invitation", Text::Clear("id")),
    ("application", "by", Text::Clear("id of an actor")),
    ("application", "name", Text::Clear("name of a program, chosen by operators")),
    ("application", "scopes", Text::Clear("enumerated")),
    ("ledger", "from", Text::Clear("the ledger's random id and a number")),
    ("ledger", "leaf", Text::Clear("hash of an entry")),
    ("ledger", "to", Text::Clear("a folder or a database, as operators named it; no user, no password")),
    ("ledger", "arrival", Text::Clear("random id")),
    ("tenant", "by", Text::Clear("id of an actor")),
    ("tenant", "name", Text::Clear("name of a tenant, chosen by operators, [a-z0-9-]")),
];

/// What a member of an aggregate's events is; `None` for one nobody thought about.
#[must_use]
pub fn text_of(aggregate: &str, path: &str) -> Option<Text> {
    TEXTS.iter().find(|(a, p, _)| *a == aggregate && *p == path).map(|(_, _, t)| *t)
}
