-- What people read with SQL and Power BI, and who may see what of it: version {version} of the reporting projection. Run
-- again whenever the catalogue shows that a part is missing, or a release says it otherwise.
-- The tables belong to markledger_projector, which writes them. A reader is a login role that is a member of
-- markledger_reporting (it may ask) and stands in reporting.reader (which schools it is answered for). Without a row
-- there it sees nothing, whatever it asks. reporting.allow and reporting.disallow keep both.

CREATE SCHEMA IF NOT EXISTS reporting;
ALTER SCHEMA reporting OWNER TO markledger_projector;
ALTER SCHEMA reporting_v{version} OWNER TO markledger_projector;

DO $role$
BEGIN
    IF to_regrole('markledger_reporting') IS NULL THEN
        CREATE ROLE markledger_reporting NOLOGIN;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;  -- the projector says so in its log
    WHEN duplicate_object OR unique_violation THEN NULL;  -- made for another database in this moment
END
$role$;

-- --- Who may see which schools ------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS reporting.reader (
    role_name  text NOT NULL,
    school     text,
    trust      text,
    everything boolean NOT NULL DEFAULT false,
    allowed_at timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(school, trust, nullif(everything, false)) = 1),
    UNIQUE NULLS NOT DISTINCT (role_name, school, trust, everything)
);
ALTER TABLE reporting.reader OWNER TO markledger_projector;
ALTER TABLE reporting.reader ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS writer ON reporting.reader;
CREATE POLICY writer ON reporting.reader TO markledger_projector USING (true);
COMMENT ON TABLE reporting.reader IS 'Which roles are answered for which schools; kept by reporting.allow and reporting.disallow.';
COMMENT ON COLUMN reporting.reader.role_name IS 'The role, and every role that is a member of it.';
COMMENT ON COLUMN reporting.reader.school IS 'A school that it is answered for.';
COMMENT ON COLUMN reporting.reader.trust IS 'A trust: it is answered for the schools that are members today.';
COMMENT ON COLUMN reporting.reader.everything IS 'It is answered for every school.';
COMMENT ON COLUMN reporting.reader.allowed_at IS 'Since when.';

CREATE OR REPLACE FUNCTION reporting.today_in(time_zone text) RETURNS date
LANGUAGE plpgsql STABLE STRICT AS $today$
BEGIN
    RETURN (now() AT TIME ZONE time_zone)::date;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN (now() AT TIME ZONE 'UTC')::date;
END
$today$;
ALTER FUNCTION reporting.today_in(text) OWNER TO markledger_projector;
COMMENT ON FUNCTION reporting.today_in(text) IS 'The day it is now in a time zone; in UTC if this server does not know the zone.';

-- Asked once a statement, not once a row. A role is answered only about itself and the roles that it is a member of.
CREATE OR REPLACE FUNCTION reporting.schools_of(reader name) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $schools$
    WITH mine AS (
        SELECT r.school, r.trust, r.everything
          FROM reporting.reader r JOIN pg_roles p ON p.rolname = r.role_name
         WHERE pg_has_role(session_user, reader, 'MEMBER') AND pg_has_role(reader, p.oid, 'MEMBER'))
    SELECT school FROM mine WHERE school IS NOT NULL
    UNION
    SELECT t.school
      FROM mine
      JOIN reporting_v{version}.trust_member t ON t.trust = mine.trust
      JOIN reporting_v{version}.school s ON s.school = t.school
     WHERE reporting.today_in(s.time_zone) BETWEEN t.starts_on AND t.ends_on
    UNION
    SELECT s.school FROM reporting_v{version}.school s WHERE EXISTS (SELECT FROM mine WHERE everything)
$schools$;
ALTER FUNCTION reporting.schools_of(name) OWNER TO markledger_projector;
COMMENT ON FUNCTION reporting.schools_of(name) IS 'The schools that a role is answered for.';

-- --- Row-level security of every table ----------------------------------------------------------------------------

DO $policies$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['school', 'trust_member', 'scope', 'membership', 'score', 'fact', 'joined', 'detail'] LOOP
        EXECUTE format('ALTER TABLE reporting_v{version}.%I OWNER TO markledger_projector', name);
        EXECUTE format('ALTER TABLE reporting_v{version}.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('DROP POLICY IF EXISTS writer ON reporting_v{version}.%I', name);
        EXECUTE format('DROP POLICY IF EXISTS reader ON reporting_v{version}.%I', name);
        EXECUTE format('CREATE POLICY writer ON reporting_v{version}.%I TO markledger_projector USING (true)', name);
        IF name <> 'detail' THEN
            EXECUTE format('CREATE POLICY reader ON reporting_v{version}.%I FOR SELECT'
                           ' USING (school = ANY (ARRAY(SELECT reporting.schools_of(current_user))))', name);
        END IF;
    END LOOP;
END
$policies$;

-- --- What people read ---------------------------------------------------------------------------------------------
-- security_invoker: the policies above hold for whoever asks.

CREATE OR REPLACE VIEW reporting_v{version}.today WITH (security_invoker) AS
SELECT s.school, t.today
  FROM reporting_v{version}.school s
 CROSS JOIN LATERAL (SELECT reporting.today_in(s.time_zone) AS today OFFSET 0) AS t  -- once a school, not once a row
 WHERE s.is_known;

-- The three arrays that say which span is meant are unnested, the others are looked into at its place.
CREATE OR REPLACE VIEW reporting_v{version}.span WITH (security_invoker) AS
SELECT s.school, s.subject, s.pupil, s.abilities[u.series + 1] AS ability,
       date '0001-01-01' + (u.starts - 1) AS starts_on, date '0001-01-01' + (u.ends - 1) AS ends_on,
       nullif(s.overall_percents[u.place], -1::smallint) AS overall_percent,
       s.overall_numerators[u.place] AS overall_numerator, s.overall_denominators[u.place] AS overall_denominator,
       nullif(s.assessed_percents[u.place], -1::smallint) AS assessed_percent,
       s.assessed_numerators[u.place] AS assessed_numerator, s.assessed_denominators[u.place] AS assessed_denominator
  FROM reporting_v{version}.score s
 CROSS JOIN LATERAL unnest(s.series, s.starts, s.ends) WITH ORDINALITY AS u (series, starts, ends, place);

-- Every pupil on roll in every month to now, and the day on which the month is valued: its last, or today.
CREATE OR REPLACE VIEW reporting_v{version}.pupil_month WITH (security_invoker) AS
SELECT r.school, r.pupil, m.month, m.valued_on
  FROM reporting_v{version}.membership r
  JOIN reporting_v{version}.today t ON t.school = r.school
 CROSS JOIN LATERAL (
       SELECT g::date AS month, least((g + interval '1 month - 1 day')::date, t.today) AS valued_on
         FROM generate_series(date_trunc('month', r.starts_on::timestamp),
                              least(r.ends_on, t.today)::timestamp, interval '1 month') AS g) AS m
 WHERE r.kind = 'enrolment' AND m.valued_on BETWEEN r.starts_on AND r.ends_on;

-- The measures of every pupil on some days, with the span that holds the day, if something was assessed.
CREATE OR REPLACE VIEW reporting_v{version}.monthly WITH (security_invoker) AS
SELECT p.school, p.pupil, c.subject, c.ability, p.month, p.valued_on, y.name AS year_group,
       v.overall_percent, v.overall_numerator, v.overall_denominator,
       v.assessed_percent, v.assessed_numerator, v.assessed_denominator
  FROM reporting_v{version}.pupil_month p
  JOIN reporting_v{version}.scope c ON c.school = p.school AND p.valued_on BETWEEN c.starts_on AND c.ends_on
  LEFT JOIN reporting_v{version}.membership y
    ON y.school = p.school AND y.pupil = p.pupil AND y.kind = 'year-group'
   AND p.valued_on BETWEEN y.starts_on AND y.ends_on
  LEFT JOIN reporting_v{version}.span v
    ON v.school = p.school AND v.subject = c.subject AND v.pupil = p.pupil AND v.ability = c.ability
   AND p.valued_on BETWEEN v.starts_on AND v.ends_on
 WHERE c.year_group IN ('', y.name);

CREATE OR REPLACE VIEW reporting.school WITH (security_invoker) AS
SELECT s.school, s.name, s.nation, m.trust, s.time_zone, s.year_starts, t.today
  FROM reporting_v{version}.school s
  JOIN reporting_v{version}.today t ON t.school = s.school
  LEFT JOIN reporting_v{version}.trust_member m ON m.school = s.school AND t.today BETWEEN m.starts_on AND m.ends_on;

CREATE OR REPLACE VIEW reporting.membership WITH (security_invoker) AS
SELECT m.school, m.pupil, m.kind, m.name, m.value, m.starts_on, nullif(m.ends_on, date '9999-12-31') AS ends_on
  FROM reporting_v{version}.membership m
  JOIN reporting_v{version}.school s ON s.school = m.school AND s.is_known;

CREATE OR REPLACE VIEW reporting.current_percentage WITH (security_invoker) AS
SELECT r.school, r.pupil, c.subject, c.ability, t.today AS as_at, y.name AS year_group,
       CASE WHEN v.overall_percent IS NULL THEN 'no_data' ELSE 'value' END AS overall_status,
       v.overall_percent,
       CASE WHEN v.overall_percent IS NOT NULL THEN trim_scale(v.overall_numerator / 1000000.0) END AS overall_numerator,
       CASE WHEN v.overall_percent IS NOT NULL THEN trim_scale(v.overall_denominator / 1000000.0) END AS overall_denominator,
       CASE WHEN v.assessed_percent IS NULL THEN 'no_data' ELSE 'value' END AS assessed_status,
       v.assessed_percent,
       CASE WHEN v.assessed_percent IS NOT NULL THEN trim_scale(v.assessed_numerator / 1000000.0) END AS assessed_numerator,
       CASE WHEN v.assessed_percent IS NOT NULL THEN trim_scale(v.assessed_denominator / 1000000.0) END AS assessed_denominator
  FROM reporting_v{version}.today t
  JOIN reporting_v{version}.membership r
    ON r.school = t.school AND r.kind = 'enrolment' AND t.today BETWEEN r.starts_on AND r.ends_on
  JOIN reporting_v{version}.scope c ON c.school = t.school AND t.today BETWEEN c.starts_on AND c.ends_on
  LEFT JOIN reporting_v{version}.membership y
    ON y.school = r.school AND y.pupil = r.pupil AND y.kind = 'year-group' AND t.today BETWEEN y.starts_on AND y.ends_on
  LEFT JOIN reporting_v{version}.span v
    ON v.school = r.school AND v.subject = c.subject AND v.pupil = r.pupil AND v.ability = c.ability
   AND t.today BETWEEN v.starts_on AND v.ends_on
 WHERE c.year_group IN ('', y.name);

CREATE OR REPLACE VIEW reporting.monthly_score WITH (security_invoker) AS
SELECT m.school, m.pupil, m.subject, m.ability, m.month, m.valued_on, m.year_group,
       CASE WHEN m.overall_percent IS NULL THEN 'no_data' ELSE 'value' END AS overall_status,
       m.overall_percent,
       CASE WHEN m.overall_percent IS NOT NULL THEN trim_scale(m.overall_numerator / 1000000.0) END AS overall_numerator,
       CASE WHEN m.overall_percent IS NOT NULL THEN trim_scale(m.overall_denominator / 1000000.0) END AS overall_denominator,
       CASE WHEN m.assessed_percent IS NULL THEN 'no_data' ELSE 'value' END AS assessed_status,
       m.assessed_percent,
       CASE WHEN m.assessed_percent IS NOT NULL THEN trim_scale(m.assessed_numerator / 1000000.0) END AS assessed_numerator,
       CASE WHEN m.assessed_percent IS NOT NULL THEN trim_scale(m.assessed_denominator / 1000000.0) END AS assessed_denominator
  FROM reporting_v{version}.monthly m;

CREATE OR REPLACE VIEW reporting.band_count WITH (security_invoker) AS
SELECT m.school, m.month, m.valued_on, g.kind AS group_kind, g.name AS group_name, g.value AS group_value,
       m.subject, m.ability, p.score, p.percent, count(*) AS pupils
  FROM reporting_v{version}.monthly m
  JOIN (SELECT school, pupil, kind, name, value, starts_on, ends_on
          FROM reporting_v{version}.membership WHERE kind <> 'enrolment'
        UNION ALL
        SELECT school, pupil, 'whole', '', '', starts_on, ends_on
          FROM reporting_v{version}.membership WHERE kind = 'enrolment') AS g
    ON g.school = m.school AND g.pupil = m.pupil AND m.valued_on BETWEEN g.starts_on AND g.ends_on
 CROSS JOIN LATERAL (VALUES ('overall', m.overall_percent), ('assessed', m.assessed_percent)) AS p (score, percent)
 GROUP BY m.school, m.month, m.valued_on, g.kind, g.name, g.value, m.subject, m.ability, p.score, p.percent;

CREATE OR REPLACE VIEW reporting.score_span WITH (security_invoker) AS
SELECT v.school, v.pupil, v.subject, v.ability, v.starts_on, nullif(v.ends_on, date '9999-12-31') AS ends_on,
       v.overall_percent, trim_scale(v.overall_numerator / 1000000.0) AS overall_numerator,
       trim_scale(v.overall_denominator / 1000000.0) AS overall_denominator,
       v.assessed_percent,
       CASE WHEN v.assessed_percent IS NOT NULL THEN trim_scale(v.assessed_numerator / 1000000.0) END AS assessed_numerator,
       CASE WHEN v.assessed_percent IS NOT NULL THEN trim_scale(v.assessed_denominator / 1000000.0) END AS assessed_denominator
  FROM reporting_v{version}.span v
  JOIN reporting_v{version}.school s ON s.school = v.school AND s.is_known;

CREATE OR REPLACE VIEW reporting.fact WITH (security_invoker) AS
SELECT f.school, f.event_id, f.kind, coalesce(j.is_pupil, f.pupil) AS pupil, f.pupil AS told_of, f.subject, f.objective,
       f.state, f.test, f.component, f.score_type, f.score, f.scale, f.judgement, f.dated_on, f.recorded_at, f.source
  FROM reporting_v{version}.fact f
  JOIN reporting_v{version}.school s ON s.school = f.school AND s.is_known
  LEFT JOIN reporting_v{version}.joined j ON j.school = f.school AND j.pupil = f.pupil
 WHERE f.stands;

CREATE OR REPLACE VIEW reporting.freshness AS
SELECT p.partition, p.next_offset AS position, p.lag_records, p.lag_seconds, p.applied_at, p.stopped_reason
  FROM projection.status p WHERE p.projection = 'reporting' AND p.version = {version};

DO $owners$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['school', 'membership', 'current_percentage', 'monthly_score', 'band_count', 'score_span',
                                'fact', 'freshness'] LOOP
        EXECUTE format('ALTER VIEW reporting.%I OWNER TO markledger_projector', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['today', 'span', 'pupil_month', 'monthly'] LOOP
        EXECUTE format('ALTER VIEW reporting_v{version}.%I OWNER TO markledger_projector', name);
    END LOOP;
END
$owners$;

-- --- What each view and column is ----------------------------------------------------------------------------------

COMMENT ON VIEW reporting.school IS
    'The schools, as known now.';
COMMENT ON COLUMN reporting.school.school IS 'The schools id.';
COMMENT ON COLUMN reporting.school.name IS 'The name of the school.';
COMMENT ON COLUMN reporting.school.nation IS 'Where it is: england, scotland, wales or northern-ireland.';
COMMENT ON COLUMN reporting.school.trust IS 'The trust that it is a member of today; null = none.';
COMMENT ON COLUMN reporting.school.time_zone IS 'The time zone by which its days are counted.';
COMMENT ON COLUMN reporting.school.year_starts IS 'The month (1-12) in which its academic year starts.';
COMMENT ON COLUMN reporting.school.today IS 'The day it is there now: the day of current_percentage.';

COMMENT ON VIEW reporting.membership IS
    'Who was on roll, in which year group and groups and with which characteristics, from when to when; as they govern, as known now.';
COMMENT ON COLUMN reporting.membership.school IS 'The schools id.';
COMMENT ON COLUMN reporting.membership.pupil IS
    'The pupil''s opaque id, as in the answers of the API; never a name, never a school''s own reference.';
COMMENT ON COLUMN reporting.membership.kind IS 'enrolment, year-group, group or characteristic.';
COMMENT ON COLUMN reporting.membership.name IS
    'The year group, the group, or the name of the characteristic; empty for an enrolment.';
COMMENT ON COLUMN reporting.membership.value IS 'The value of the characteristic; empty for the other kinds.';
COMMENT ON COLUMN reporting.membership.starts_on IS 'The first day.';
COMMENT ON COLUMN reporting.membership.ends_on IS 'The last day; null = until further notice.';

COMMENT ON VIEW reporting.current_percentage IS
    'The scores of today: one row for each pupil on roll, subject and ability that has objectives for the pupil. As known now.';
COMMENT ON COLUMN reporting.current_percentage.school IS 'The schools id.';
COMMENT ON COLUMN reporting.current_percentage.pupil IS
    'The pupil''s opaque id, as in the answers of the API; never a name, never a school''s own reference.';
COMMENT ON COLUMN reporting.current_percentage.subject IS 'The subject.';
COMMENT ON COLUMN reporting.current_percentage.ability IS
    'The ability whose objectives are counted; any = all of the subject, own-year = those tagged with the pupils year group on that day.';
COMMENT ON COLUMN reporting.current_percentage.as_at IS
    'The day of the values: today, by the time zone of the school.';
COMMENT ON COLUMN reporting.current_percentage.year_group IS 'The pupil''s year group on that day; null = not known.';
COMMENT ON COLUMN reporting.current_percentage.overall_status IS 'value, or no_data where nothing of it was assessed.';
COMMENT ON COLUMN reporting.current_percentage.overall_percent IS
    'The whole percent as reports show it: 100 × numerator ÷ denominator, half up; null = no data.';
COMMENT ON COLUMN reporting.current_percentage.overall_numerator IS
    'The exact sum of objective weight × state weight (marks: weight × marks) of the latest assessments; null = no data.';
COMMENT ON COLUMN reporting.current_percentage.overall_denominator IS
    'The exact sum of the weights of all objectives in scope (marks: weight × highest mark); null = no data.';
COMMENT ON COLUMN reporting.current_percentage.assessed_status IS
    'value, or no_data where nothing of it was assessed in the academic year.';
COMMENT ON COLUMN reporting.current_percentage.assessed_percent IS
    'The whole percent over what was assessed in the academic year of that day; null = no data.';
COMMENT ON COLUMN reporting.current_percentage.assessed_numerator IS
    'The exact sum over the objectives assessed in the academic year of that day; null = no data.';
COMMENT ON COLUMN reporting.current_percentage.assessed_denominator IS
    'The exact weight of the objectives assessed in the academic year of that day; null = no data.';

COMMENT ON VIEW reporting.monthly_score IS
    'The scores of every month to now: one row for each pupil on roll on the day of valuation, subject, ability and month. As known now.';
COMMENT ON COLUMN reporting.monthly_score.school IS 'The schools id.';
COMMENT ON COLUMN reporting.monthly_score.pupil IS
    'The pupil''s opaque id, as in the answers of the API; never a name, never a school''s own reference.';
COMMENT ON COLUMN reporting.monthly_score.subject IS 'The subject.';
COMMENT ON COLUMN reporting.monthly_score.ability IS
    'The ability whose objectives are counted; any = all of the subject, own-year = those tagged with the pupils year group on that day.';
COMMENT ON COLUMN reporting.monthly_score.month IS 'The first day of the month.';
COMMENT ON COLUMN reporting.monthly_score.valued_on IS
    'The day of the values: the last of the month, or today in the present month.';
COMMENT ON COLUMN reporting.monthly_score.year_group IS 'The pupil''s year group on that day; null = not known.';
COMMENT ON COLUMN reporting.monthly_score.overall_status IS 'value, or no_data where nothing of it was assessed.';
COMMENT ON COLUMN reporting.monthly_score.overall_percent IS
    'The whole percent as reports show it: 100 × numerator ÷ denominator, half up; null = no data.';
COMMENT ON COLUMN reporting.monthly_score.overall_numerator IS
    'The exact sum of objective weight × state weight (marks: weight × marks) of the latest assessments; null = no data.';
COMMENT ON COLUMN reporting.monthly_score.overall_denominator IS
    'The exact sum of the weights of all objectives in scope (marks: weight × highest mark); null = no data.';
COMMENT ON COLUMN reporting.monthly_score.assessed_status IS
    'value, or no_data where nothing of it was assessed in the academic year.';
COMMENT ON COLUMN reporting.monthly_score.assessed_percent IS
    'The whole percent over what was assessed in the academic year of that day; null = no data.';
COMMENT ON COLUMN reporting.monthly_score.assessed_numerator IS
    'The exact sum over the objectives assessed in the academic year of that day; null = no data.';
COMMENT ON COLUMN reporting.monthly_score.assessed_denominator IS
    'The exact weight of the objectives assessed in the academic year of that day; null = no data.';

COMMENT ON VIEW reporting.band_count IS
    'How many pupils of a group stand at each whole percent of a measure at the end of each month: the counts of any bands are sums over it. As known now.';
COMMENT ON COLUMN reporting.band_count.school IS 'The schools id.';
COMMENT ON COLUMN reporting.band_count.month IS 'The first day of the month.';
COMMENT ON COLUMN reporting.band_count.valued_on IS
    'The day of the values and of the groups: the last of the month, or today in the present month.';
COMMENT ON COLUMN reporting.band_count.group_kind IS
    'whole (every pupil on roll), year-group, group or characteristic.';
COMMENT ON COLUMN reporting.band_count.group_name IS
    'The year group, the group, or the name of the characteristic; empty for the whole school.';
COMMENT ON COLUMN reporting.band_count.group_value IS 'The value of the characteristic; empty for the other kinds.';
COMMENT ON COLUMN reporting.band_count.subject IS 'The subject.';
COMMENT ON COLUMN reporting.band_count.ability IS
    'The ability whose objectives are counted; any = all of the subject, own-year = those tagged with the pupils year group on that day.';
COMMENT ON COLUMN reporting.band_count.score IS 'overall or assessed.';
COMMENT ON COLUMN reporting.band_count.percent IS
    'The whole percent, 0 to 100; null = the pupils in scope without data.';
COMMENT ON COLUMN reporting.band_count.pupils IS 'How many pupils of the group.';

COMMENT ON VIEW reporting.score_span IS
    'The scores of any day: spans of days in which nothing of a score changes. Days without a row have no data. As known now.';
COMMENT ON COLUMN reporting.score_span.school IS 'The schools id.';
COMMENT ON COLUMN reporting.score_span.pupil IS
    'The pupil''s opaque id, as in the answers of the API; never a name, never a school''s own reference.';
COMMENT ON COLUMN reporting.score_span.subject IS 'The subject.';
COMMENT ON COLUMN reporting.score_span.ability IS
    'The ability whose objectives are counted; any = all of the subject, own-year = those tagged with the pupils year group on that day.';
COMMENT ON COLUMN reporting.score_span.starts_on IS 'The first day of the span.';
COMMENT ON COLUMN reporting.score_span.ends_on IS 'The last day of the span; null = until further notice.';
COMMENT ON COLUMN reporting.score_span.overall_percent IS
    'The whole percent as reports show it: 100 × numerator ÷ denominator, half up; null = no data.';
COMMENT ON COLUMN reporting.score_span.overall_numerator IS
    'The exact sum of objective weight × state weight (marks: weight × marks) of the latest assessments; null = no data.';
COMMENT ON COLUMN reporting.score_span.overall_denominator IS
    'The exact sum of the weights of all objectives in scope (marks: weight × highest mark); null = no data.';
COMMENT ON COLUMN reporting.score_span.assessed_percent IS
    'The whole percent over what was assessed in the academic year of that day; null = no data.';
COMMENT ON COLUMN reporting.score_span.assessed_numerator IS
    'The exact sum over the objectives assessed in the academic year of that day; null = no data.';
COMMENT ON COLUMN reporting.score_span.assessed_denominator IS
    'The exact weight of the objectives assessed in the academic year of that day; null = no data.';

COMMENT ON VIEW reporting.fact IS
    'The facts behind the numbers: the assessments, results and judgements that stand now, that is neither withdrawn nor corrected by a later one.';
COMMENT ON COLUMN reporting.fact.school IS 'The schools id.';
COMMENT ON COLUMN reporting.fact.event_id IS 'The id of the fact in the ledger.';
COMMENT ON COLUMN reporting.fact.kind IS 'assessment, result or judgement.';
COMMENT ON COLUMN reporting.fact.pupil IS
    'The pupil''s opaque id, as in the answers of the API; never a name, never a school''s own reference.';
COMMENT ON COLUMN reporting.fact.told_of IS
    'The pupil id that the fact names: another one than pupil if the two were joined since.';
COMMENT ON COLUMN reporting.fact.subject IS 'The subject; empty for a judgement of none in particular.';
COMMENT ON COLUMN reporting.fact.objective IS 'Assessments: the objective.';
COMMENT ON COLUMN reporting.fact.state IS 'Assessments: the state, or the marks.';
COMMENT ON COLUMN reporting.fact.test IS 'Results: the test.';
COMMENT ON COLUMN reporting.fact.component IS 'Results: the component; empty if the test has none.';
COMMENT ON COLUMN reporting.fact.score_type IS 'Results: the score type.';
COMMENT ON COLUMN reporting.fact.score IS 'Results: the score, as it was told.';
COMMENT ON COLUMN reporting.fact.scale IS 'Judgements: the scale.';
COMMENT ON COLUMN reporting.fact.judgement IS 'Judgements: the value on the scale.';
COMMENT ON COLUMN reporting.fact.dated_on IS 'The day assessed, sat or judged.';
COMMENT ON COLUMN reporting.fact.recorded_at IS 'When the ledger was told.';
COMMENT ON COLUMN reporting.fact.source IS 'Who told it: the source of the import or the event.';

COMMENT ON VIEW reporting.freshness IS
    'How far these views have come in the ledger, by partition of the log; they follow it by themselves.';
COMMENT ON COLUMN reporting.freshness.partition IS 'The partition of the log.';
COMMENT ON COLUMN reporting.freshness.position IS 'The first record that is not yet in these views.';
COMMENT ON COLUMN reporting.freshness.lag_records IS 'Records that were appended and are not yet in these views.';
COMMENT ON COLUMN reporting.freshness.lag_seconds IS 'For how long these views have been behind.';
COMMENT ON COLUMN reporting.freshness.applied_at IS 'All that was appended until then is in these views.';
COMMENT ON COLUMN reporting.freshness.stopped_reason IS
    'Why the partition stands still, if it does; null = it does not.';
-- --- Letting readers in -------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION reporting.grant_views() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $grants$
BEGIN
    IF to_regrole('markledger_reporting') IS NULL THEN
        RETURN;
    END IF;
    GRANT USAGE ON SCHEMA reporting, reporting_v{version} TO markledger_reporting;
    GRANT SELECT ON reporting.school, reporting.membership, reporting.current_percentage, reporting.monthly_score,
                    reporting.band_count, reporting.score_span, reporting.fact, reporting.freshness
                 TO markledger_reporting;
    GRANT SELECT ON reporting_v{version}.school, reporting_v{version}.trust_member, reporting_v{version}.scope,
                    reporting_v{version}.membership, reporting_v{version}.score, reporting_v{version}.fact,
                    reporting_v{version}.joined, reporting_v{version}.today, reporting_v{version}.span,
                    reporting_v{version}.pupil_month, reporting_v{version}.monthly
                 TO markledger_reporting;
END
$grants$;
COMMENT ON FUNCTION reporting.grant_views() IS 'Lets markledger_reporting read the views, if there is this role.';

CREATE OR REPLACE FUNCTION reporting.allow(
    reader text, school text DEFAULT NULL, trust text DEFAULT NULL, everything boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $allow$
BEGIN
    IF to_regrole('markledger_reporting') IS NULL THEN
        RAISE EXCEPTION 'there is no role markledger_reporting' USING HINT = 'CREATE ROLE markledger_reporting NOLOGIN;';
    END IF;
    IF to_regrole(quote_ident(reader)) IS NULL THEN
        RAISE EXCEPTION 'there is no role %', quote_ident(reader) USING HINT = 'CREATE ROLE … LOGIN makes one.';
    END IF;
    INSERT INTO reporting.reader (role_name, school, trust, everything)
    VALUES (reader, school, trust, everything) ON CONFLICT DO NOTHING;
    PERFORM reporting.grant_views();
    EXECUTE format('GRANT markledger_reporting TO %I', reader);
END
$allow$;
COMMENT ON FUNCTION reporting.allow(text, text, text, boolean) IS
    'Lets a role read: one school, the schools of one trust, or everything. To be called again for more.';

CREATE OR REPLACE FUNCTION reporting.disallow(
    reader text, school text DEFAULT NULL, trust text DEFAULT NULL, everything boolean DEFAULT NULL) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog AS $disallow$
    WITH gone AS (
        DELETE FROM reporting.reader r
         WHERE r.role_name = disallow.reader
           AND (disallow.school IS NULL OR r.school = disallow.school)
           AND (disallow.trust IS NULL OR r.trust = disallow.trust)
           AND (disallow.everything IS NULL OR r.everything = disallow.everything)
        RETURNING 1)
    SELECT count(*) FROM gone
$disallow$;
COMMENT ON FUNCTION reporting.disallow(text, text, text, boolean) IS
    'Takes away what reporting.allow gave: a school, a trust, everything, or (with a role alone) all of it. Says how many.';

ALTER FUNCTION reporting.grant_views() OWNER TO markledger_projector;
ALTER FUNCTION reporting.allow(text, text, text, boolean) OWNER TO markledger_projector;
ALTER FUNCTION reporting.disallow(text, text, text, boolean) OWNER TO markledger_projector;
REVOKE ALL ON FUNCTION reporting.grant_views(), reporting.allow(text, text, text, boolean),
                       reporting.disallow(text, text, text, boolean) FROM PUBLIC;
SELECT reporting.grant_views();
