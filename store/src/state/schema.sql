-- The state's schema, version 1. Keys are ordered by their bytes.
CREATE TABLE state.entries (
  space text  COLLATE "C" NOT NULL,
  key   text  COLLATE "C" NOT NULL,
  value bytea NOT NULL,
  PRIMARY KEY (space, key)
);
-- Outbox rows, sessions and leases change often: their dead versions are cleared away early.
ALTER TABLE state.entries SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE state.meta (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO state.meta VALUES ('program', 'invitation-ledger');
