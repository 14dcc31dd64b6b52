-- The keys' schema, version 1.
--
-- `key` is null for one that is destroyed. Dead versions of a row hold a key until
-- they are cleared away: hence early, and at once after a key is destroyed.
CREATE TABLE keys.keys (subject uuid PRIMARY KEY, key bytea CHECK (length(key) = 32))
  WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1);

-- Subjects whose keys were destroyed, so that every node forgets them. Numbers are
-- given while the counter's row is locked: a later number is never seen before an earlier one.
CREATE TABLE keys.destroyed (number bigint PRIMARY KEY, subject uuid NOT NULL);

CREATE TABLE keys.secrets (name text PRIMARY KEY, value bytea NOT NULL);

CREATE TABLE keys.counters (name text PRIMARY KEY, last bigint NOT NULL);
INSERT INTO keys.counters VALUES ('blocks', 0), ('destroyed', 0);

CREATE TABLE keys.meta (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO keys.meta VALUES ('program', 'invitation-ledger');
