-- The timeline projection, version {version}: what reports read. One row per school and stream content.
-- A stream is a subject's lane ('s:' subject ':' lane) or the roster ('r'). Bytes: schemas/blocks.py.

CREATE TABLE IF NOT EXISTS timeline_v{version}.school_document (
    school  text PRIMARY KEY,
    partition integer NOT NULL,
    revision bigint NOT NULL,          -- rises by one with each change of the row
    data    bytea NOT NULL
);

CREATE TABLE IF NOT EXISTS timeline_v{version}.block (
    school  text NOT NULL,
    stream  text NOT NULL,
    starts  integer NOT NULL,          -- first month of the block, as year * 12 + (month - 1)
    data    bytea NOT NULL,
    PRIMARY KEY (stream, school, starts)
);
ALTER TABLE timeline_v{version}.block ALTER COLUMN data SET STORAGE MAIN;
ALTER TABLE timeline_v{version}.block ALTER COLUMN data SET COMPRESSION lz4;

CREATE TABLE IF NOT EXISTS timeline_v{version}.tail (
    school  text NOT NULL,
    stream  text NOT NULL,
    starts  integer NOT NULL,
    seq     bigint NOT NULL,           -- the offset after the batch that wrote it
    data    bytea NOT NULL,
    PRIMARY KEY (stream, school, starts, seq)
);
ALTER TABLE timeline_v{version}.tail ALTER COLUMN data SET STORAGE MAIN;
ALTER TABLE timeline_v{version}.tail ALTER COLUMN data SET COMPRESSION lz4;

-- The facts themselves, packed, so that a projector that takes over a school can fold on, and for reports of single facts.
CREATE TABLE IF NOT EXISTS timeline_v{version}.detail (
    school  text NOT NULL,
    seq     bigint NOT NULL,
    data    bytea NOT NULL,
    PRIMARY KEY (school, seq)
);
ALTER TABLE timeline_v{version}.detail ALTER COLUMN data SET STORAGE EXTERNAL;  -- it comes compressed (schemas.detail)

-- Which schools were ever members of a trust; the document says when and as known when.
CREATE TABLE IF NOT EXISTS timeline_v{version}.trust_member (
    trust   text NOT NULL,
    school  text NOT NULL,
    PRIMARY KEY (trust, school)
);
