-- The views' copy, version 1. Disposable: `DROP SCHEMA views CASCADE`, and the service makes it anew.
CREATE TABLE views.meta (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO views.meta VALUES ('program', 'invitation-ledger');

CREATE TABLE views.progress (
  one        boolean PRIMARY KEY DEFAULT true CHECK (one),
  ledger     uuid,
  position   bigint  NOT NULL DEFAULT 0,
  leaf       bytea   NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
  epoch      bigint  NOT NULL DEFAULT 0,
  shape      bigint  NOT NULL DEFAULT 0,
  written_by text,
  written_at timestamptz
);
INSERT INTO views.progress DEFAULT VALUES;
COMMENT ON TABLE views.progress IS 'One row: all tables hold exactly what the ledger''s events up to this position say';
COMMENT ON COLUMN views.progress.ledger IS 'The ledger whose views these are';
COMMENT ON COLUMN views.progress.position IS 'The last event of the log that is in the tables';
COMMENT ON COLUMN views.progress.leaf IS 'Hash of that event';
COMMENT ON COLUMN views.progress.epoch IS 'How often a service has begun to write here; the last one alone may';
COMMENT ON COLUMN views.progress.shape IS 'How the writing program makes rows of events';
COMMENT ON COLUMN views.progress.written_by IS 'The service that writes: host and process';
COMMENT ON COLUMN views.progress.written_at IS 'When the tables were changed last';

CREATE TABLE views.tenants (
  tenant              text PRIMARY KEY,
  valid_days          bigint  NOT NULL,
  invite_unregistered boolean NOT NULL,
  read_csrf           boolean NOT NULL,
  write_csrf          boolean NOT NULL,
  created_at          timestamptz NOT NULL
);
COMMENT ON TABLE views.tenants IS 'Tenants and their settings';
COMMENT ON COLUMN views.tenants.valid_days IS 'How long a new invitation lives';

CREATE TABLE views.organizations (
  tenant         text NOT NULL,
  id             uuid NOT NULL,
  name           text NOT NULL,
  bind_recipient boolean NOT NULL,
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL,
  PRIMARY KEY (tenant, id)
);
COMMENT ON TABLE views.organizations IS 'Organizations that people are invited to';
COMMENT ON COLUMN views.organizations.bind_recipient IS 'Only the invited address may accept';

CREATE TABLE views.users (
  tenant           text NOT NULL,
  id               uuid NOT NULL,
  email            text,
  name             text,
  address_verified boolean NOT NULL,
  administrator    boolean NOT NULL,
  liaison          boolean NOT NULL,
  employee_id      uuid,
  client_number    bigint,
  company_name     text,
  client_since     timestamptz,
  created_at       timestamptz NOT NULL,
  updated_at       timestamptz NOT NULL,
  PRIMARY KEY (tenant, id)
);
COMMENT ON TABLE views.users IS 'Accounts. Names and addresses are null once the person is forgotten';
COMMENT ON COLUMN views.users.employee_id IS 'views.employees.id, if the account is an employee''s';
COMMENT ON COLUMN views.users.client_number IS 'Null for who is no client';

CREATE TABLE views.members (
  tenant     text NOT NULL,
  id         uuid NOT NULL,
  place      text NOT NULL,
  place_id   uuid NOT NULL,
  user_id    uuid NOT NULL,
  role       text NOT NULL,
  granted_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX members_place ON views.members (place_id);
CREATE INDEX members_user ON views.members (user_id);
COMMENT ON TABLE views.members IS 'Who is a member of what now; whose membership has ended has no row';
COMMENT ON COLUMN views.members.place IS 'organization or integration: which table place_id leads to';
COMMENT ON COLUMN views.members.role IS 'member or admin';

CREATE TABLE views.applications (
  tenant     text NOT NULL,
  id         uuid NOT NULL,
  name       text NOT NULL,
  scopes     text[] NOT NULL,
  revoked    boolean NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, id)
);
COMMENT ON TABLE views.applications IS 'Programs that call with a token of their own';

CREATE TABLE views.integrations (
  tenant        text NOT NULL,
  id            uuid NOT NULL,
  number        bigint NOT NULL,
  name          text NOT NULL,
  description   text,
  created_by    text NOT NULL,
  created_by_id uuid,
  created_at    timestamptz NOT NULL,
  PRIMARY KEY (tenant, id)
);
COMMENT ON TABLE views.integrations IS 'Integrations that people are invited to';
COMMENT ON COLUMN views.integrations.number IS 'The public number, unique within a tenant';
COMMENT ON COLUMN views.integrations.created_by IS 'user, application, deployment, system or visitor; which one, created_by_id says';

CREATE TABLE views.employees (
  tenant              text NOT NULL,
  id                  uuid NOT NULL,
  number              bigint NOT NULL,
  user_id             uuid,
  active              boolean NOT NULL,
  email               text,
  first_name          text,
  last_name           text,
  legal_name          text,
  phone               text,
  skills              text[],
  address_street      text,
  address_street2     text,
  address_city        text,
  address_state       text,
  address_postal_code text,
  address_longitude   text,
  address_latitude    text,
  service_area_id     bigint,
  date_hired          date,
  date_off_boarded    date,
  erased              boolean NOT NULL,
  version             bigint NOT NULL,
  created_at          timestamptz NOT NULL,
  updated_at          timestamptz NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX employees_number ON views.employees (tenant, number);
CREATE INDEX employees_email ON views.employees (lower(email));
COMMENT ON TABLE views.employees IS 'Employees'' records';
COMMENT ON COLUMN views.employees.number IS 'The public number, unique within a tenant';
COMMENT ON COLUMN views.employees.erased IS 'The person is forgotten: everything in words is null';
COMMENT ON COLUMN views.employees.version IS 'How many events the record has';

CREATE TABLE views.invitations (
  tenant           text NOT NULL,
  id               uuid NOT NULL,
  public_id        uuid NOT NULL,
  kind             text NOT NULL,
  target_id        uuid NOT NULL,
  role             text NOT NULL,
  state            text NOT NULL,
  email            text,
  message          text,
  email_status     text NOT NULL,
  generation       bigint NOT NULL,
  invited_by       text NOT NULL,
  invited_by_id    uuid,
  accepted_by_id   uuid,
  cancelled_by     text,
  cancelled_by_id  uuid,
  created_at       timestamptz NOT NULL,
  updated_at       timestamptz NOT NULL,
  expires_at       timestamptz NOT NULL,
  accepted_at      timestamptz,
  updated_in_db_at timestamptz,
  position         bigint NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX invitations_target ON views.invitations (target_id);
CREATE INDEX invitations_created ON views.invitations (created_at);
CREATE INDEX invitations_email ON views.invitations (lower(email));
COMMENT ON TABLE views.invitations IS 'Invitations, of all states';
COMMENT ON COLUMN views.invitations.public_id IS 'What the callers of an organization''s invites know it by';
COMMENT ON COLUMN views.invitations.kind IS 'organization, integration or platform: what target_id leads to';
COMMENT ON COLUMN views.invitations.role IS 'What accepting makes of the user: member or admin';
COMMENT ON COLUMN views.invitations.state IS 'pending, accepted, cancelled, declined or expired; one whose time is over is expired some seconds later';
COMMENT ON COLUMN views.invitations.email IS 'Null once the person is forgotten, as is message';
COMMENT ON COLUMN views.invitations.email_status IS 'Of the newest mail: queued, sent, failed or unknown';
COMMENT ON COLUMN views.invitations.generation IS 'How often it was asked to be sent';
COMMENT ON COLUMN views.invitations.invited_by IS 'user, application, deployment, system or visitor; which one, invited_by_id says';
COMMENT ON COLUMN views.invitations.accepted_by_id IS 'views.users.id';
COMMENT ON COLUMN views.invitations.updated_in_db_at IS 'The caller''s own word about its database';
COMMENT ON COLUMN views.invitations.position IS 'Place in the log of the event that made it: ascends with time';

CREATE TABLE views.notifications (
  tenant        text NOT NULL,
  id            bigint PRIMARY KEY,
  kind          text NOT NULL,
  invitation_id uuid,
  reason        text NOT NULL,
  created_at    timestamptz NOT NULL
);
CREATE INDEX notifications_created ON views.notifications (created_at);
COMMENT ON TABLE views.notifications IS 'Mails that were not delivered';
COMMENT ON COLUMN views.notifications.id IS 'Place in the log of the event that says so';
COMMENT ON COLUMN views.notifications.kind IS 'invitation_email_failed, employee_email_failed or account_notice_failed';
