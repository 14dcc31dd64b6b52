-- The views' file. Disposable: another version of this text starts empty and
-- folds the log again. Rows hold personal data in clear.

-- How far each view has folded which log.
CREATE TABLE progress (
    view TEXT PRIMARY KEY,
    ledger BLOB NOT NULL,
    position INTEGER NOT NULL,
    leaf BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Whether the copy in a database server is to be made anew, since these rows were:
-- 0 if it is not, else a number that no other file has.
CREATE TABLE copy (
    anew INTEGER NOT NULL
) STRICT;
INSERT INTO copy VALUES (0);

-- Numbers of lists; see scopes.rs.
CREATE TABLE scope (
    number INTEGER PRIMARY KEY,
    view TEXT NOT NULL,
    name BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX scope_name ON scope (name);

-- Counts of lists; see ranks/.
CREATE TABLE node (
    key INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- `position` is that of `Created`, `changed` that of the last change.
CREATE TABLE invitation (
    position INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id BLOB NOT NULL,
    public_id BLOB,
    kind INTEGER NOT NULL,
    target BLOB NOT NULL,
    role INTEGER NOT NULL,
    state INTEGER NOT NULL,
    email_status INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    accepted_at INTEGER,
    updated_in_db_at INTEGER,
    invited_by BLOB NOT NULL,
    accepted_by BLOB,
    cancelled_by BLOB,
    link BLOB NOT NULL,
    email TEXT,
    -- What addresses are compared by, where it is not the address itself.
    address TEXT,
    message TEXT
) STRICT;
CREATE INDEX invitation_id ON invitation (id);
CREATE INDEX invitation_link ON invitation (link);
CREATE INDEX invitation_address ON invitation (coalesce(address, email)) WHERE email IS NOT NULL;
CREATE INDEX invitation_changed ON invitation (changed) WHERE changed <> position;
CREATE INDEX invitation_due ON invitation (expires_at) WHERE state = 0;
CREATE INDEX invitation_due_of ON invitation (target, expires_at) WHERE state = 0;

-- Words stand in lower case, to be searched and sorted; `body` is the aggregate.
CREATE TABLE employee (
    position INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    number INTEGER NOT NULL,
    id BLOB NOT NULL,
    user BLOB,
    active INTEGER NOT NULL,
    service_area_id INTEGER,
    date_hired TEXT,
    date_off_boarded TEXT,
    email TEXT,
    first_name TEXT,
    last_name TEXT,
    legal_name TEXT,
    skills TEXT,
    phone TEXT,
    address TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX employee_number ON employee (tenant, number);
CREATE INDEX employee_id ON employee (id);
CREATE INDEX employee_leaving ON employee (date_off_boarded) WHERE active = 1 AND date_off_boarded IS NOT NULL;

CREATE TABLE integration (
    position INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    number INTEGER NOT NULL,
    id BLOB NOT NULL,
    created_by BLOB NOT NULL,
    name TEXT NOT NULL,
    name_lower TEXT NOT NULL,
    description TEXT,
    description_lower TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX integration_number ON integration (tenant, number);
CREATE INDEX integration_id ON integration (id);
CREATE INDEX integration_creator ON integration (created_by);

CREATE TABLE notification (
    position INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    invitation BLOB,
    reason TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX notification_tenant ON notification (tenant, position);

-- Tenants, organizations, users, memberships, applications; `body` is the
-- aggregate. `place` and `user` are a membership's.
CREATE TABLE directory (
    position INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    tenant TEXT NOT NULL,
    id BLOB NOT NULL,
    place BLOB,
    user BLOB,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX directory_id ON directory (id);
CREATE INDEX directory_user ON directory (user) WHERE user IS NOT NULL;
