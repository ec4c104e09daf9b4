-- The embedded log. `topic` numbers are never used twice, so a topic made anew shares nothing with its predecessor.
CREATE SCHEMA IF NOT EXISTS log;

CREATE TABLE IF NOT EXISTS log.topic (
    topic int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    log_id text NOT NULL DEFAULT 'embedded-' || gen_random_uuid(),
    partitions int NOT NULL
);

-- The row lock on a partition is what serialises its writers until they commit: offsets have no gaps and appear in
-- order, which no sequence would give.
CREATE TABLE IF NOT EXISTS log.partition (
    topic int NOT NULL REFERENCES log.topic ON DELETE CASCADE,
    partition int NOT NULL,
    first_offset bigint NOT NULL DEFAULT 0,
    next_offset bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS log.record (
    topic int NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    appended_ms bigint NOT NULL,
    key bytea,
    value bytea,
    PRIMARY KEY (topic, partition, "offset")
) WITH (autovacuum_vacuum_insert_scale_factor = 0.5);
