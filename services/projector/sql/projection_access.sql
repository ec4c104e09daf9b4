-- Who may see what of the checkpoints. Only a dead letter holds what a school sent: it is for the projector's eyes.
-- Run again whenever the catalogue shows that a part is missing.

GRANT USAGE ON SCHEMA projection TO markledger_projector, markledger_query;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA projection TO markledger_projector;
GRANT SELECT ON projection.active, projection.version, projection.worker, projection.partition, projection.status TO markledger_query;

ALTER TABLE projection.dead_letter ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS writer ON projection.dead_letter;
CREATE POLICY writer ON projection.dead_letter TO markledger_projector USING (true);
