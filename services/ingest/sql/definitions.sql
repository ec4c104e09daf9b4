-- The versions of definitions: what the topic of definitions says, and how far these tables follow it.
CREATE SCHEMA IF NOT EXISTS definition;

CREATE TABLE IF NOT EXISTS definition.partition (
    partition   integer PRIMARY KEY,
    log_id      text NOT NULL,
    next_offset bigint NOT NULL
);

-- Of a number the first fact in the log stands. `kind`: the type of the fact.
CREATE TABLE IF NOT EXISTS definition.version (
    definition  text NOT NULL,
    number      integer NOT NULL,
    kind        text NOT NULL,
    recorded_at timestamptz NOT NULL,
    school      text NOT NULL,              -- whose settings they are; empty where a definition is no school's
    trust       text NOT NULL,
    value       bytea NOT NULL,
    PRIMARY KEY (definition, number)
);
CREATE INDEX IF NOT EXISTS version_by_owner ON definition.version (kind, school, trust);
