"""The doctor's rules: a well installation is well, and each thing that is wrong is told with its fix."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.console.diagnosis import (
    Check,
    DatabaseSeen,
    KeyStoreSeen,
    LogSeen,
    SecretSeen,
    Seen,
    diagnose,
    worst,
)
from services.projector.status import PartitionStatus
from services.runtime.log.kafka_settings import TopicSettings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TOPIC = TopicSettings(3, 3, 2, -1, "delete")
SETTINGS = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "max_connections": "100"}
DATABASE = DatabaseSeen(160_004, SETTINGS, 0.1)
AUDIT = "markledger.audit.v1"
LOG = LogSeen("kafka", "log-1", {0: 10, 1: 5}, TOPIC, beside={AUDIT: TOPIC})
SECRET = SecretSeen(43, "/data/admin.key")
PARTITION = PartitionStatus(
    projection="timeline",
    version=1,
    topic="t",
    partition=0,
    next_offset=10,
    end_offset=10,
    lag_records=0,
    lag_seconds=0.0,
    applied_at=NOW,
    owner="w",
    owned=True,
    stopped_reason=None,
    stopped_at=None,
    facts=10,
    skipped=0,
    fold_seconds=0.1,
    dead_letters=0,
)
WELL = Seen(
    database=DATABASE,
    database_error="",
    log=LOG,
    log_error="",
    checkpoint_log_ids=frozenset({"log-1"}),
    registry_log_ids=frozenset({"log-1"}),
    partitions=(PARTITION,),
    imports_left=0,
    secrets={"admin": SECRET, "pupil": SECRET, "identity": SECRET},
    data_dir_mode=0o700,
    disk_free_bytes=100 * 2**30,
    keystore=KeyStoreSeen(fits=True),
    backup=(3600.0, "/backups/monday"),
)


def changed(thing: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(thing, **fields)


def found(seen: Seen) -> dict[str, Check]:
    return {check.name: check for check in diagnose(seen)}


def setting(name: str, value: str) -> dict[str, Any]:
    return {"database": changed(DATABASE, settings=SETTINGS | {name: value})}


def partition(**fields: Any) -> dict[str, Any]:
    return {"partitions": (changed(PARTITION, **fields),)}


def topic(**fields: Any) -> dict[str, Any]:
    return {"log": changed(LOG, topic=changed(TOPIC, **fields))}


def beside(**fields: Any) -> dict[str, Any]:
    return {"log": changed(LOG, beside={AUDIT: changed(TOPIC, **fields)})}


def test_a_well_installation_has_nothing_to_look_at() -> None:
    checks = diagnose(WELL)
    assert [check.name for check in checks if check.level != "ok"] == []
    assert len(checks) >= 30 and len({check.name for check in checks}) == len(checks)
    assert worst(checks) == worst([]) == "ok"


@pytest.mark.parametrize(
    ("changes", "name", "level"),
    [
        ({"database": None, "database_error": "refused"}, "database", "fail"),
        ({"database": changed(DATABASE, version=140_012)}, "database version", "fail"),
        (setting("fsync", "off"), "fsync", "fail"),
        (setting("full_page_writes", "off"), "full_page_writes", "fail"),
        (setting("synchronous_commit", "off"), "synchronous_commit", "fail"),
        (setting("max_connections", "20"), "max_connections", "warn"),
        ({"database": changed(DATABASE, clock_ahead_seconds=-5.0)}, "clocks", "warn"),
        ({"database": changed(DATABASE, clock_ahead_seconds=-300.0)}, "clocks", "fail"),
        ({"log": None, "log_error": "no Kafka"}, "log", "fail"),
        ({"checkpoint_log_ids": frozenset({"log-0"})}, "log of the views", "fail"),
        ({"registry_log_ids": frozenset({"log-1", "log-0"})}, "log of the registry", "fail"),
        (partition(next_offset=11), "log not cut", "fail"),
        (topic(replicas=1), "topic replicas", "warn"),
        (topic(insync_replicas_min=1), "min.insync.replicas", "warn"),
        (topic(insync_replicas_min=3), "min.insync.replicas", "warn"),
        (topic(retention_ms=604_800_000), "topic retention", "fail"),
        (topic(cleanup_policy="compact"), "topic retention", "fail"),
        (topic(behind=3), "replicas in step", "warn"),
        (topic(unclean=True), "acks", "fail"),
        (topic(message_bytes_max=1_048_588), "message size", "warn"),
        (beside(retention_ms=604_800_000), AUDIT, "fail"),
        (beside(replicas=1), AUDIT, "fail"),
        ({"keystore": KeyStoreSeen(error="refused")}, "key store", "fail"),
        ({"keystore": KeyStoreSeen(fits=False)}, "key store", "fail"),
        ({"unprotected_tables": 2}, "row-level security", "fail"),
        ({"transaction_seconds": 900.0}, "transactions", "warn"),
        ({"backup": None}, "backups", "warn"),
        ({"backup": (100_000.0, "/backups/monday")}, "backups", "warn"),
        ({"log": changed(LOG, topic=None, topic_error="forbidden")}, "topic settings", "warn"),
        ({"secrets": {**WELL.secrets, "pupil": None}}, "secrets", "fail"),
        ({"secrets": {**WELL.secrets, "pupil": changed(SECRET, mode=0o640)}}, "secret files", "fail"),
        ({"secrets": {**WELL.secrets, "admin": changed(SECRET, characters=12)}}, "admin key", "fail"),
        ({"data_dir_mode": 0o755}, "data directory", "warn"),
        (partition(owned=False), "projector", "fail"),
        ({"partitions": ()}, "projector", "fail"),
        (partition(stopped_reason="offset 7: a defect"), "stopped partitions", "fail"),
        (partition(lag_records=9, lag_seconds=30.0), "lag", "warn"),
        (partition(lag_records=9, lag_seconds=3000.0), "lag", "fail"),
        (partition(dead_letters=2), "dead letters", "warn"),
        ({"imports_left": 1}, "imports left running", "warn"),
        ({"disk_free_bytes": 3 * 2**30}, "disk", "warn"),
        ({"disk_free_bytes": 2**20}, "disk", "fail"),
    ],
)
def test_what_is_wrong_is_told_with_its_fix_and_nothing_that_is_well(
    changes: dict[str, Any], name: str, level: str
) -> None:
    checks = found(changed(WELL, **changes))
    assert checks[name].level == level
    assert checks[name].fix and "\n" not in checks[name].fix
    if changes.keys() != {"database", "database_error"} and changes.keys() != {"log", "log_error"}:
        assert {each for each, check in checks.items() if check.level != "ok"} == {name}


def test_what_could_not_be_seen_is_not_called_well() -> None:
    blind = changed(
        WELL, database=None, log=None, partitions=(), checkpoint_log_ids=frozenset(), registry_log_ids=frozenset()
    )
    checks = found(blind)
    assert all(checks[name].level == "warn" for name in ("log", "log of the views", "log of the registry", "projector"))
    assert "lag" not in checks and checks["database"].level == "fail"
