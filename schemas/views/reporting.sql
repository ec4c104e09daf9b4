-- The reporting projection, version {version}: what people read with SQL, as known now. People read the views of the schema
-- `reporting` (reporting_access.sql), never these tables. Every row carries its school. A last day of 9999-12-31 is
-- none. No name and no reference of a pupil stands here, only the opaque ids of the ledger.

CREATE TABLE IF NOT EXISTS reporting_v{version}.school (
    school      text PRIMARY KEY,
    is_known    boolean NOT NULL,          -- false: its registration was withdrawn
    name        text NOT NULL,
    nation      text NOT NULL,
    time_zone   text NOT NULL,
    year_starts integer NOT NULL           -- first month of the academic year
);

CREATE TABLE IF NOT EXISTS reporting_v{version}.trust_member (
    school    text NOT NULL,
    trust     text NOT NULL,
    starts_on date NOT NULL,
    ends_on   date NOT NULL,
    PRIMARY KEY (school, trust, starts_on)
);

-- On which days a measure has objectives: for every pupil (year_group ''), or as own-year for those of a year group.
CREATE TABLE IF NOT EXISTS reporting_v{version}.scope (
    school     text NOT NULL,
    subject    text NOT NULL,
    ability    text NOT NULL,
    year_group text NOT NULL,
    starts_on  date NOT NULL,
    ends_on    date NOT NULL,
    PRIMARY KEY (school, subject, ability, year_group, starts_on)
);

-- Who was on roll, in which year group and groups, and with which characteristics, as they govern.
CREATE TABLE IF NOT EXISTS reporting_v{version}.membership (
    school    text NOT NULL,
    pupil     text NOT NULL,
    kind      text NOT NULL,               -- enrolment, year-group, group or characteristic
    name      text NOT NULL,
    value     text NOT NULL,
    starts_on date NOT NULL,
    ends_on   date NOT NULL,
    PRIMARY KEY (school, pupil, kind, name, value, starts_on)
);

-- The scores of a pupil in a subject: spans of days in which nothing changes and something is assessed, packed as
-- arrays of one length, so that a fact rewrites one row. Days are ordinals (0001-01-01 is 1), amounts millionths, a
-- percent that is not there is -1; series are places in `abilities`, from 0.
CREATE TABLE IF NOT EXISTS reporting_v{version}.score (
    school    text NOT NULL,
    subject   text NOT NULL,
    pupil     text NOT NULL,
    abilities text[] NOT NULL,
    series    smallint[] NOT NULL,
    starts    integer[] NOT NULL,
    ends      integer[] NOT NULL,
    overall_numerators    bigint[] NOT NULL,
    overall_denominators  bigint[] NOT NULL,
    overall_percents      smallint[] NOT NULL,
    assessed_numerators   bigint[] NOT NULL,
    assessed_denominators bigint[] NOT NULL,
    assessed_percents     smallint[] NOT NULL,
    PRIMARY KEY (school, subject, pupil)
);

-- Assessments, results and judgements. Those that do not stand (withdrawn, or followed by another of their key) stay:
-- they stand again if what hides them is withdrawn.
CREATE TABLE IF NOT EXISTS reporting_v{version}.fact (
    school        text NOT NULL,
    record_offset bigint NOT NULL,
    stands        boolean NOT NULL,
    event_id      text NOT NULL,
    kind          text NOT NULL,
    pupil         text NOT NULL,
    subject       text NOT NULL,
    objective     text,
    state         text,
    test          text,
    component     text,
    score_type    text,
    score         text,
    scale         text,
    judgement     text,
    dated_on      date NOT NULL,
    recorded_at   timestamptz NOT NULL,
    source        text NOT NULL,
    PRIMARY KEY (school, record_offset)
);

-- Which pupil ids are another pupil.
CREATE TABLE IF NOT EXISTS reporting_v{version}.joined (
    school   text NOT NULL,
    pupil    text NOT NULL,
    is_pupil text NOT NULL,
    PRIMARY KEY (school, pupil)
);

-- The facts themselves, packed, so that a projector that takes over a school can fold on. Only the projector reads it.
CREATE TABLE IF NOT EXISTS reporting_v{version}.detail (
    school  text NOT NULL,
    seq     bigint NOT NULL,               -- the offset after the batch that wrote it
    data    bytea NOT NULL,
    PRIMARY KEY (school, seq)
);
ALTER TABLE reporting_v{version}.detail ALTER COLUMN data SET STORAGE EXTERNAL;  -- it comes compressed (detail_bytes)
