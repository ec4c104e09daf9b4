-- How far each projection has come, who owns which partition, and what could not be decoded.
-- Every time here is the database's own clock, so that the clocks of the processes need not agree.

CREATE SCHEMA IF NOT EXISTS projection;

-- The version of each projection that reports read; promoting a version changes this one row.
CREATE TABLE IF NOT EXISTS projection.active (
    projection text PRIMARY KEY,
    version    integer NOT NULL
);

-- Every version of a projection that there ever was; a number is never used again, since readers keep what they read by it.
-- building: a rebuild works on it; following: the projectors keep it up to date; retiring, retired: it is going, or gone.
CREATE TABLE IF NOT EXISTS projection.version (
    projection   text NOT NULL,
    version      integer NOT NULL,
    code_version integer NOT NULL,                      -- the version of the rules that fill it
    state        text NOT NULL CHECK (state IN ('building', 'following', 'retiring', 'retired')),
    made_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, version)
);
INSERT INTO projection.version (projection, version, code_version, state)  -- of an earlier release
SELECT projection, version, version, 'following' FROM projection.active ON CONFLICT DO NOTHING;

-- The projector processes. A process that lets its lease run out owns nothing any more.
CREATE TABLE IF NOT EXISTS projection.worker (
    worker      text PRIMARY KEY,
    projection  text NOT NULL,
    version     integer NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL,
    log_seen_at timestamptz                             -- when it last had an answer of the log
);
ALTER TABLE projection.worker ADD COLUMN IF NOT EXISTS log_seen_at timestamptz;  -- tables of an earlier release

-- One row a partition: the checkpoint, its owner, its lag, and why it stands still if it does.
CREATE TABLE IF NOT EXISTS projection.partition (
    projection     text NOT NULL,
    version        integer NOT NULL,
    topic          text NOT NULL,
    partition      integer NOT NULL,
    log_id         text NOT NULL,                       -- the very topic that the offsets belong to
    next_offset    bigint NOT NULL DEFAULT 0,
    end_offset     bigint NOT NULL DEFAULT 0,           -- as last seen by the owner
    applied_at     timestamptz NOT NULL DEFAULT now(),  -- all that was appended until then is in the views
    owner          text,
    stopped_reason text,
    stopped_at     timestamptz,
    facts          bigint NOT NULL DEFAULT 0,           -- folded so far
    skipped        bigint NOT NULL DEFAULT 0,           -- of a type that the release of the time did not know
    fold_seconds   double precision NOT NULL DEFAULT 0,
    PRIMARY KEY (projection, version, topic, partition)
) WITH (fillfactor = 50);

-- Bytes that are no fact; the original stays in the log at this offset.
CREATE TABLE IF NOT EXISTS projection.dead_letter (
    projection    text NOT NULL,
    version       integer NOT NULL,
    topic         text NOT NULL,
    partition     integer NOT NULL,
    record_offset bigint NOT NULL,
    reason        text NOT NULL,
    key           bytea,
    value         bytea,
    appended_at   timestamptz NOT NULL,
    dead_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, version, topic, partition, record_offset)
);

-- What people and probes ask of the checkpoints; lag is nothing while all that was appended is applied.
CREATE OR REPLACE VIEW projection.status AS
SELECT p.projection, p.version, p.topic, p.partition, p.next_offset, p.end_offset,
       greatest(p.end_offset - p.next_offset, 0) AS lag_records,
       CASE WHEN p.end_offset > p.next_offset
            THEN greatest(extract(epoch FROM clock_timestamp() - p.applied_at), 0)::double precision
            ELSE 0 END AS lag_seconds,
       p.applied_at, p.owner, w.lease_until,
       coalesce(w.lease_until > clock_timestamp(), false) AS owned,
       p.stopped_reason, p.stopped_at, p.facts, p.skipped, p.fold_seconds,
       (SELECT count(*) FROM projection.dead_letter d
         WHERE d.projection = p.projection AND d.version = p.version
           AND d.topic = p.topic AND d.partition = p.partition) AS dead_letters,
       greatest(w.log_seen_at, w.started_at) AS log_seen_at,  -- a worker that has just begun gets its time
       coalesce(v.state, 'following') AS state
  FROM projection.partition p
  LEFT JOIN projection.version v ON v.projection = p.projection AND v.version = p.version
  LEFT JOIN projection.worker w ON w.worker = p.owner;
