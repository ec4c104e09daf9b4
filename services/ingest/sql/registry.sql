-- The registry of ingest: what the facts of the log have made known. Everything here but import, import_error and answer
-- can be built again from the log. Rows are only added: whether a fact was withdrawn is decided when it is read.
CREATE SCHEMA IF NOT EXISTS ingest;

-- One row a partition of the log: locking it is the right to append there; everything before next_offset is in the tables.
CREATE TABLE IF NOT EXISTS ingest.partition (
    partition   integer PRIMARY KEY,
    log_id      text NOT NULL,
    next_offset bigint NOT NULL
);

-- The versions are offsets + 1 of the last fact that may change what is cached of the school.
CREATE TABLE IF NOT EXISTS ingest.school (
    school             text PRIMARY KEY,
    stamp              timestamptz,
    school_version     bigint NOT NULL DEFAULT 0,
    curriculum_version bigint NOT NULL DEFAULT 0,
    roster_version     bigint NOT NULL DEFAULT 0,
    has_withdrawals    boolean NOT NULL DEFAULT false
);

CREATE TABLE IF NOT EXISTS ingest.school_fact (
    school   text NOT NULL,
    event_id text NOT NULL,
    "offset" bigint NOT NULL,
    value    bytea NOT NULL,
    PRIMARY KEY (school, event_id)
);

CREATE TABLE IF NOT EXISTS ingest.curriculum (
    school      text NOT NULL,
    event_id    text NOT NULL,
    "offset"    bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    key         text NOT NULL,
    names       bytea NOT NULL,
    PRIMARY KEY (school, event_id)
);

CREATE TABLE IF NOT EXISTS ingest.pupil (
    school      text NOT NULL,
    pupil       text NOT NULL,
    event_id    text NOT NULL,
    "offset"    bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    key         bytea,
    year_groups bytea,
    PRIMARY KEY (school, pupil, event_id)
);
CREATE INDEX IF NOT EXISTS pupil_by_key ON ingest.pupil (key) WHERE key IS NOT NULL;

-- Every fact of each key of a file. The key is a hash over source, kind, school and row key.
CREATE TABLE IF NOT EXISTS ingest.told (
    key         bytea NOT NULL,
    revision    integer NOT NULL,
    event_id    uuid NOT NULL,
    content     bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    "offset"    bigint NOT NULL,
    migrated    boolean NOT NULL,
    school      text NOT NULL,
    batch       text NOT NULL,
    PRIMARY KEY (key, revision)
);
CREATE UNIQUE INDEX IF NOT EXISTS told_by_event_id ON ingest.told (event_id);
CREATE INDEX IF NOT EXISTS told_by_batch ON ingest.told (batch, "offset");

-- The ids of events that came without a file, 16 bytes for each (services/ingest/given_ids.py), and where senders chose
-- them the hashes of what they said. A row holds those of one append, or of several short ones; no index has ids.
CREATE TABLE IF NOT EXISTS ingest.given_ids (
    school   text NOT NULL,
    "offset" bigint NOT NULL,
    through  bigint NOT NULL,
    ids      bytea NOT NULL,
    contents bytea
);
CREATE INDEX IF NOT EXISTS given_ids_by_school ON ingest.given_ids (school, through);

-- What an earlier release made: it kept a row for each id.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'ingest.school'::regclass AND attname = 'given_version') THEN
        ALTER TABLE ingest.school ADD COLUMN given_version bigint NOT NULL DEFAULT 0;
        ALTER TABLE ingest.given_ids ALTER COLUMN ids SET STORAGE EXTERNAL; -- to compress hashes is in vain
    END IF;
    IF (SELECT relkind FROM pg_class WHERE oid = to_regclass('ingest.given_event')) = 'r' THEN
        INSERT INTO ingest.given_ids (school, "offset", through, ids, contents)
        SELECT school, 0, 0, string_agg(id, '' ORDER BY id),
            string_agg(coalesce(content, decode(repeat('00', 16), 'hex')), '' ORDER BY id)
        FROM (
            SELECT school, content, (row_number() OVER (PARTITION BY school)) / 16384 AS part, CASE
                WHEN event_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
                THEN decode(replace(event_id, '-', ''), 'hex')
                ELSE (SELECT set_byte(digest, 6, get_byte(digest, 6) | 240)
                      FROM substring(sha256(convert_to(event_id, 'UTF8')) FROM 1 FOR 16) AS digest)
            END AS id FROM ingest.given_event
        ) AS events GROUP BY school, part;
        UPDATE ingest.school SET given_version = 1 WHERE school IN (SELECT school FROM ingest.given_ids);
        DROP TABLE ingest.given_event;
    END IF;
END $$;

CREATE OR REPLACE VIEW ingest.given_event AS
SELECT DISTINCT school, substring(ids FROM 16 * n + 1 FOR 16) AS id,
    nullif(substring(contents FROM 16 * n + 1 FOR 16), decode(repeat('00', 16), 'hex')) AS content
FROM ingest.given_ids, generate_series(0, length(ids) / 16 - 1) AS n;

CREATE TABLE IF NOT EXISTS ingest.withdrawal (
    school    text NOT NULL,
    event_id  text NOT NULL,
    withdraws text NOT NULL,
    PRIMARY KEY (school, event_id)
);
CREATE INDEX IF NOT EXISTS withdrawal_by_fact ON ingest.withdrawal (school, withdraws);

CREATE TABLE IF NOT EXISTS ingest.import (
    import_id   text PRIMARY KEY,
    kind        text NOT NULL,
    source      text NOT NULL,
    key_id      text NOT NULL,
    dry_run     boolean NOT NULL,
    status      text NOT NULL,
    rows        bigint NOT NULL DEFAULT 0,
    accepted    bigint NOT NULL DEFAULT 0,
    superseded  bigint NOT NULL DEFAULT 0,
    duplicate   bigint NOT NULL DEFAULT 0,
    rejected    bigint NOT NULL DEFAULT 0,
    position    text,
    detail      text,
    line        bigint,
    started_at  timestamptz NOT NULL,
    touched_at  timestamptz NOT NULL DEFAULT now(),
    reversed_at timestamptz
);
CREATE INDEX IF NOT EXISTS import_by_start ON ingest.import (started_at DESC, import_id DESC);

CREATE TABLE IF NOT EXISTS ingest.import_error (
    import_id text NOT NULL REFERENCES ingest.import ON DELETE CASCADE,
    row       bigint NOT NULL,
    place     integer NOT NULL,
    "column"  text NOT NULL,
    value     text NOT NULL,
    code      text NOT NULL,
    message   text NOT NULL,
    PRIMARY KEY (import_id, row, place)
);

CREATE TABLE IF NOT EXISTS ingest.answer (
    key_id          text NOT NULL,
    idempotency_key text NOT NULL,
    request         bytea NOT NULL,
    status          integer NOT NULL,
    body            bytea NOT NULL,
    answered_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_id, idempotency_key)
);
CREATE INDEX IF NOT EXISTS answer_by_time ON ingest.answer (answered_at);
