"""The append-only log: one contract, two back ends (Apache Kafka, and a table in PostgreSQL)."""
