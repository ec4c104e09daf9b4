-- Who may see what of the timeline views, version {version}. Run again whenever the catalogue shows that a part is missing.
-- The tables belong to markledger_projector, which writes them. markledger_query reads, inside the scope that its
-- transaction has set: `markledger.schools`, an array of schools, or * for every school. Who belongs to a trust is seen
-- by those too that `markledger.trusts` names, so that its schools can be added to the scope. A setting that is missing
-- or empty shows nothing. Each stands in a subquery: it is evaluated once a statement, and looked up by hash.

ALTER SCHEMA timeline_v{version} OWNER TO markledger_projector;
ALTER TABLE timeline_v{version}.school_document OWNER TO markledger_projector;
ALTER TABLE timeline_v{version}.block OWNER TO markledger_projector;
ALTER TABLE timeline_v{version}.tail OWNER TO markledger_projector;
ALTER TABLE timeline_v{version}.detail OWNER TO markledger_projector;
ALTER TABLE timeline_v{version}.trust_member OWNER TO markledger_projector;

GRANT USAGE ON SCHEMA timeline_v{version} TO markledger_query;
GRANT SELECT ON timeline_v{version}.school_document, timeline_v{version}.block, timeline_v{version}.tail,
                timeline_v{version}.detail, timeline_v{version}.trust_member TO markledger_query;

ALTER TABLE timeline_v{version}.school_document ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE timeline_v{version}.block ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE timeline_v{version}.tail ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE timeline_v{version}.detail ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE timeline_v{version}.trust_member ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

DO $policies$
DECLARE
    every   CONSTANT text := $$(SELECT current_setting('markledger.schools', true) = '*')$$;
    schools CONSTANT text := $$SELECT unnest(nullif(nullif(current_setting('markledger.schools', true), '*'), '')::text[])$$;
    trusts  CONSTANT text := $$SELECT unnest(nullif(current_setting('markledger.trusts', true), '')::text[])$$;
    visible text;
    name    text;
BEGIN
    FOREACH name IN ARRAY ARRAY['school_document', 'block', 'tail', 'detail', 'trust_member'] LOOP
        visible := format('%s OR school IN (%s)', every, schools);
        IF name = 'trust_member' THEN
            visible := format('%s OR trust IN (%s)', visible, trusts);
        END IF;
        EXECUTE format('DROP POLICY IF EXISTS writer ON timeline_v{version}.%I', name);
        EXECUTE format('DROP POLICY IF EXISTS scope ON timeline_v{version}.%I', name);
        EXECUTE format('CREATE POLICY writer ON timeline_v{version}.%I TO markledger_projector USING (true)', name);
        EXECUTE format('CREATE POLICY scope ON timeline_v{version}.%I FOR SELECT TO markledger_query USING (%s)',
                       name, visible);
    END LOOP;
END
$policies$;
