-- The log's schema, version 1.
--
-- `events` is what postgres-es 0.5 reads (aggregate_type to metadata), with what
-- the log needs besides. `json`, not `jsonb`: the text is kept as it was written.
CREATE TABLE ledger.events (
  position       bigint  NOT NULL,
  tenant         text    NOT NULL,
  tseq           bigint  NOT NULL,
  aggregate_type text    NOT NULL,
  aggregate_id   text    NOT NULL,
  sequence       bigint  NOT NULL CHECK (sequence > 0),
  event_id       uuid    NOT NULL,
  event_type     text    NOT NULL,
  event_version  text    NOT NULL,
  at             bigint  NOT NULL,
  payload        json    NOT NULL,
  metadata       json    NOT NULL,
  sealed         boolean NOT NULL,
  leaf           bytea   NOT NULL CHECK (length(leaf) = 32),
  PRIMARY KEY (position),
  UNIQUE (aggregate_type, aggregate_id, sequence)
);
COMMENT ON COLUMN ledger.events.at IS 'microseconds since 1970, UTC';
COMMENT ON COLUMN ledger.events.event_version IS 'the number of the payload''s shape';

-- The one row that says where the log ends; an append moves it.
CREATE TABLE ledger.head (
  one      boolean PRIMARY KEY DEFAULT true CHECK (one),
  position bigint  NOT NULL,
  leaf     bytea   NOT NULL
) WITH (fillfactor = 10);
INSERT INTO ledger.head (position, leaf) VALUES (0, decode(repeat('00', 32), 'hex'));

CREATE TABLE ledger.meta (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO ledger.meta VALUES ('program', 'invitation-ledger'), ('min_reader', '1'), ('ledger_id', gen_random_uuid());

CREATE TABLE ledger.epochs (first bigint PRIMARY KEY, epoch bigint NOT NULL);
INSERT INTO ledger.epochs VALUES (1, 1);

-- The log's clock.
CREATE FUNCTION ledger.now() RETURNS bigint LANGUAGE sql VOLATILE
  AS $$ SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint $$;

CREATE FUNCTION ledger.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'restrict_violation', MESSAGE = TG_ARGV[0];
END $$;

CREATE TRIGGER events_no_update BEFORE UPDATE ON ledger.events FOR EACH STATEMENT
  EXECUTE FUNCTION ledger.refuse('events are never changed: append another one');
CREATE TRIGGER events_no_delete BEFORE DELETE ON ledger.events FOR EACH STATEMENT
  EXECUTE FUNCTION ledger.refuse('events are never removed');
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON ledger.events FOR EACH STATEMENT
  EXECUTE FUNCTION ledger.refuse('events are never removed');

-- No wall against somebody who means it, but against every program that does not know.
CREATE FUNCTION ledger.refuse_strangers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  IF pg_catalog.current_setting('ledger.writer', true)
     IS DISTINCT FROM (SELECT value FROM ledger.meta WHERE name = 'ledger_id') THEN
    RAISE EXCEPTION USING ERRCODE = 'restrict_violation',
      MESSAGE = 'only the ledger appends events: any other writer has neither their order nor the keys that seal them',
      HINT = 'Send the command to the invitation ledger, and read its events here.';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER events_no_strangers BEFORE INSERT ON ledger.events FOR EACH STATEMENT
  EXECUTE FUNCTION ledger.refuse_strangers();

-- In sessions that replay somebody else's changes, too.
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER events_no_update;
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER events_no_delete;
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER events_no_truncate;
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER events_no_strangers;
