"""The doctor's rules: from what was seen of an installation to checks, each ok, warn or fail, with what to do.

Pure: it looks at nothing itself. What could not be seen is None, and a rule says so instead of calling it well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import msgspec

from services.projector.status import PartitionStatus
from services.runtime.log.interface import RECORD_BYTES_MAX
from services.runtime.log.kafka_settings import TopicSettings
from services.runtime.log.kafka_topics import BATCH_OVERHEAD_BYTES

Level = Literal["ok", "warn", "fail"]

VERSION_MIN = 150_000
CONNECTIONS_MIN = 50
CLOCK_WARN_SECONDS = 2.0
CLOCK_FAIL_SECONDS = 60.0
LAG_WARN_SECONDS = 10.0
LAG_FAIL_SECONDS = 300.0
DISK_WARN_BYTES = 5 * 2**30
DISK_FAIL_BYTES = 1 * 2**30
KEY_CHARACTERS_MIN = 32
REPLICAS_WANTED = 3
BACKUP_WARN_SECONDS = 26 * 3600
TRANSACTION_WARN_SECONDS = 300.0


class Check(msgspec.Struct, frozen=True):
    """What one rule found. `fix` is empty where nothing is to be done."""

    name: str
    level: Level
    found: str
    fix: str = ""


class DatabaseSeen(msgspec.Struct, frozen=True):
    """The server. `clock_ahead_seconds`: how far its clock is ahead of this machine's."""

    version: int
    settings: Mapping[str, str]
    clock_ahead_seconds: float


class LogSeen(msgspec.Struct, frozen=True):
    """The log of the facts; `ends` by partition. `topic` is None on the embedded log or where it cannot be read."""

    kind: Literal["embedded", "kafka"]
    log_id: str
    ends: Mapping[int, int]
    topic: TopicSettings | None = None
    topic_error: str = ""
    beside: Mapping[str, TopicSettings] = {}
    """The other topics that hold what is kept for ever: identities, the audit of names and definitions."""


class KeyStoreSeen(msgspec.Struct, frozen=True):
    """The keys of identities. `fits`: the identity key unwraps them; None where there is none to try."""

    error: str = ""
    fits: bool | None = None


class SecretSeen(msgspec.Struct, frozen=True):
    """One secret: its length, and the file that it is in (None: a variable) with its mode."""

    characters: int
    path: str | None = None
    mode: int = 0o600


class Seen(msgspec.Struct, frozen=True):
    """All that the doctor looked at."""

    database: DatabaseSeen | None
    database_error: str
    log: LogSeen | None
    log_error: str
    checkpoint_log_ids: frozenset[str]
    registry_log_ids: frozenset[str]
    partitions: tuple[PartitionStatus, ...]
    imports_left: int
    secrets: Mapping[str, SecretSeen | None]
    data_dir_mode: int | None
    disk_free_bytes: int
    keystore: KeyStoreSeen | None = None
    unprotected_tables: int = 0
    transaction_seconds: float = 0.0
    backup: tuple[float, str] | None = None
    """The age in seconds and the place of the last backup that was noted."""


def diagnose(seen: Seen) -> list[Check]:
    """Every check, in the order in which an operator should mend."""
    return [check for rule in _RULES for check in rule(seen)]


def worst(checks: list[Check]) -> Level:
    """`fail` if one failed, else `warn` if one warns."""
    levels = {check.level for check in checks}
    return "fail" if "fail" in levels else "warn" if "warn" in levels else "ok"


def _database(seen: Seen) -> Iterator[Check]:
    if seen.database is None:
        fix = "start PostgreSQL (or `markledger up`), and look at MARKLEDGER_DATABASE_URL"
        yield Check("database", "fail", seen.database_error or "it does not answer", fix)
    else:
        yield Check("database", "ok", "answers")


def _database_version(seen: Seen) -> Iterator[Check]:
    if seen.database is not None:
        good = seen.database.version >= VERSION_MIN
        found = f"PostgreSQL {seen.database.version // 10_000}.{seen.database.version % 10_000}"
        yield _judged("database version", good, found, "upgrade PostgreSQL to 15 or newer")


def _durability(seen: Seen) -> Iterator[Check]:
    for name in ("fsync", "full_page_writes", "synchronous_commit") if seen.database is not None else ():
        value = seen.database.settings.get(name, "unknown") if seen.database else ""
        fix = f"set {name} = on in postgresql.conf: an acknowledged fact or key could be lost"
        yield _judged(name, value not in ("off", "unknown"), value, fix)


def _connections(seen: Seen) -> Iterator[Check]:
    if seen.database is not None:
        value = seen.database.settings.get("max_connections", "0")
        fix = "raise max_connections: 16 for each ingest and query, 6 for each projector"
        yield _judged("max_connections", int(value) >= CONNECTIONS_MIN, value, fix, otherwise="warn")


def _clock(seen: Seen) -> Iterator[Check]:
    if seen.database is not None:
        apart = abs(seen.database.clock_ahead_seconds)
        level: Level = "fail" if apart > CLOCK_FAIL_SECONDS else "warn" if apart > CLOCK_WARN_SECONDS else "ok"
        found = f"{apart:.1f} s between this machine and the database"
        yield _leveled("clocks", level, found, "let every machine follow the same time server (NTP)")


def _transactions(seen: Seen) -> Iterator[Check]:
    if seen.database is not None:
        found = f"the longest has been open for {seen.transaction_seconds:.0f} s"
        fix = "end it (pg_stat_activity names it): PostgreSQL cannot clean up behind it, and views grow and slow down"
        good = seen.transaction_seconds <= TRANSACTION_WARN_SECONDS
        yield _judged("transactions", good, found, fix, otherwise="warn")


def _protection(seen: Seen) -> Iterator[Check]:
    if seen.database is not None and seen.partitions:
        missing = seen.unprotected_tables
        found = f"not forced on {missing} tables of the views" if missing else "forced on every table of the views"
        fix = "start `markledger projector` of this release: it puts roles and policies right"
        yield _judged("row-level security", not missing, found, fix)


def _log(seen: Seen) -> Iterator[Check]:
    if seen.log is not None:
        yield Check("log", "ok", f"{seen.log.kind}, {sum(seen.log.ends.values()):,} records")
    elif seen.log_error:
        fix = "start Kafka, and look at MARKLEDGER_KAFKA_BOOTSTRAP; the first `up` or `projector` makes the topic"
        yield Check("log", "fail", seen.log_error, fix)
    else:
        yield _unknown("log")


def _log_ids(seen: Seen) -> Iterator[Check]:
    for name, ids in (("log of the views", seen.checkpoint_log_ids), ("log of the registry", seen.registry_log_ids)):
        if seen.log is None:
            yield _unknown(name)
        elif not ids:
            yield Check(name, "ok", "nothing is bound to a log yet")
        else:
            fix = "connect the log that the database was made from; after `markledger log copy`, empty them as it says"
            others = ", ".join(sorted(ids - {seen.log.log_id}))
            yield _judged(name, not others, f"bound to {others}" if others else "the one that is connected", fix)


def _log_whole(seen: Seen) -> Iterator[Check]:
    if seen.log is not None and seen.checkpoint_log_ids == {seen.log.log_id}:
        ends = seen.log.ends
        beyond = sorted({each.partition for each in seen.partitions if each.next_offset > ends.get(each.partition, 0)})
        found = f"ends before the views in partitions {_few(beyond)}" if beyond else "holds all that the views hold"
        fix = "the log is older than the database: bring back the newer log, or restore an older database"
        yield _judged("log not cut", not beyond, found, fix)


def _topic(seen: Seen) -> Iterator[Check]:
    if seen.log is None or seen.log.kind != "kafka":
        return
    topic = seen.log.topic
    if topic is None:
        fix = "give this user the right to describe the topic, or look with kafka-configs.sh"
        yield Check("topic settings", "warn", f"not known: {seen.log.topic_error}", fix)
        return
    few = f"{topic.replicas} on {topic.brokers} brokers"
    yield _judged("topic replicas", topic.replicas >= REPLICAS_WANTED, few, "use three brokers and replicas", "warn")
    insync = topic.insync_replicas_min
    fix = "set min.insync.replicas=2 on the topic: an acknowledged fact could be lost with one broker"
    yield _judged("min.insync.replicas", 2 <= insync < max(topic.replicas, 3), str(insync), fix, "warn")
    fix = "bring the brokers back that hold them: until then one more failure stops ingest"
    found = f"{topic.behind} partitions have a replica out of step" if topic.behind else "every replica is in step"
    yield _judged("replicas in step", not topic.behind, found, fix, "warn")
    fix = "set unclean.leader.election.enable=false: a broker that missed facts could become their leader"
    yield _judged("acks", not topic.unclean, f"all (idempotent); unclean leaders: {topic.unclean}".lower(), fix)
    wanted = RECORD_BYTES_MAX + BATCH_OVERHEAD_BYTES
    fix = f"set max.message.bytes={wanted} on the topic: a large curriculum would be refused"
    yield _judged("message size", topic.message_bytes_max >= wanted, f"{topic.message_bytes_max:,} bytes", fix, "warn")
    kept = topic.retention_ms == -1 and topic.cleanup_policy == "delete"
    found = f"retention.ms={topic.retention_ms}, cleanup.policy={topic.cleanup_policy}"
    yield _judged("topic retention", kept, found, "set retention.ms=-1 and cleanup.policy=delete NOW: facts get lost")
    for name, beside in sorted(seen.log.beside.items()):
        found = f"retention.ms={beside.retention_ms}, {beside.replicas} replicas"
        good = beside.retention_ms == -1 and beside.replicas >= min(REPLICAS_WANTED, topic.replicas)
        yield _judged(name, good, found, "set retention.ms=-1, and as many replicas as the facts have")


def _secrets(seen: Seen) -> Iterator[Check]:
    missing = sorted(name for name, secret in seen.secrets.items() if secret is None)
    variables = ", ".join(f"MARKLEDGER_{name.upper()}_KEY" for name in missing)
    fix = f"set {variables} (or …_FILE) from your safe; only where no data exists let `up` make them"
    yield _judged("secrets", not missing, f"missing: {', '.join(missing)}" if missing else "all there", fix)


def _keystore(seen: Seen) -> Iterator[Check]:
    if seen.keystore is None:
        return
    if seen.keystore.error:
        fix = "start its database (MARKLEDGER_KEYSTORE_URL): until then names are not shown, counts are"
        yield Check("key store", "fail", seen.keystore.error, fix)
    elif seen.keystore.fits is None:
        yield Check("key store", "ok", "answers; it has no key yet")
    else:
        fix = "set MARKLEDGER_IDENTITY_KEY to the one that the data were made with: names cannot be read otherwise"
        found = "the identity key opens it" if seen.keystore.fits else "the identity key does not open it"
        yield _judged("key store", seen.keystore.fits, found, fix)


def _secret_modes(seen: Seen) -> Iterator[Check]:
    open_to_others = sorted(s.path for s in seen.secrets.values() if s is not None and s.path and s.mode & 0o077)
    found = f"others may read {', '.join(open_to_others)}" if open_to_others else "for their owner only"
    yield _judged("secret files", not open_to_others, found, f"chmod 600 {' '.join(open_to_others)}")


def _data_dir(seen: Seen) -> Iterator[Check]:
    if seen.data_dir_mode is not None:
        found = f"mode {seen.data_dir_mode:04o}"
        yield _judged("data directory", not seen.data_dir_mode & 0o077, found, "chmod 700 the data directory", "warn")


def _admin_key(seen: Seen) -> Iterator[Check]:
    secret = seen.secrets.get("admin")
    if secret is not None:
        found = f"{secret.characters} characters"
        fix = f"set MARKLEDGER_ADMIN_KEY to at least {KEY_CHARACTERS_MIN} random characters"
        yield _judged("admin key", secret.characters >= KEY_CHARACTERS_MIN, found, fix)


def _projector(seen: Seen) -> Iterator[Check]:
    fix = "start `markledger projector` (or `up`)"
    if seen.database is None:
        yield _unknown("projector")
    elif not seen.partitions:
        yield Check("projector", "fail", "none has ever run on this database", fix)
    else:
        idle = sorted({each.partition for each in seen.partitions if each.idle})
        found = f"nobody works on partitions {_few(idle)}" if idle else "every partition has a living owner"
        yield _judged("projector", not idle, found, fix)


def _stopped(seen: Seen) -> Iterator[Check]:
    if seen.database is not None:
        stopped = [each for each in seen.partitions if each.stopped_reason is not None]
        found = f"partition {stopped[0].partition}: {stopped[0].stopped_reason}" if stopped else "none"
        found = f"{len(stopped)}; {found}" if len(stopped) > 1 else found
        fix = "see `markledger projector status`; a fact that cannot be folded takes a release that can"
        yield _judged("stopped partitions", not stopped, found, fix)


def _lag(seen: Seen) -> Iterator[Check]:
    if seen.database is not None:
        records = sum(each.lag_records for each in seen.partitions)
        seconds = max((each.lag_seconds for each in seen.partitions), default=0.0)
        level: Level = "fail" if seconds > LAG_FAIL_SECONDS else "warn" if seconds > LAG_WARN_SECONDS else "ok"
        fix = "wait for a large import; else look at PostgreSQL (disk, locks), then add projectors"
        yield _leveled("lag", level, f"{records:,} records, {seconds:.1f} s", fix)


def _dead_letters(seen: Seen) -> Iterator[Check]:
    if seen.database is not None:
        letters = sum(each.dead_letters for each in seen.partitions)
        fix = (
            "see `markledger deadletters list`: somebody writes to the topic beside ingest, or a release was taken back"
        )
        yield _judged("dead letters", not letters, f"{letters:,}", fix, otherwise="warn")


def _imports(seen: Seen) -> Iterator[Check]:
    if seen.database is not None:
        fix = "send those files again (GET /v1/imports names them): the service stopped while it read them"
        yield _judged("imports left running", not seen.imports_left, str(seen.imports_left), fix, otherwise="warn")


def _disk(seen: Seen) -> Iterator[Check]:
    free = seen.disk_free_bytes
    level: Level = "fail" if free < DISK_FAIL_BYTES else "warn" if free < DISK_WARN_BYTES else "ok"
    found = f"{free / 2**30:.1f} GiB free at the data directory"
    yield _leveled("disk", level, found, "make room; a database elsewhere has a disk of its own, look there too")


def _backups(seen: Seen) -> Iterator[Check]:
    fix = "`markledger backup make DIR`, or `backup noted` after your own; see docs/operations.md, and try a restore"
    if seen.backup is None:
        if seen.database is not None:
            yield Check("backups", "warn", "none was noted", fix)
        return
    seconds, place = seen.backup
    found = f"{seconds / 3600:.1f} hours old, {place}"
    yield _judged("backups", seconds <= BACKUP_WARN_SECONDS, found, fix, otherwise="warn")


def _judged(name: str, good: bool, found: str, fix: str, otherwise: Level = "fail") -> Check:
    return _leveled(name, "ok" if good else otherwise, found, fix)


def _leveled(name: str, level: Level, found: str, fix: str) -> Check:
    return Check(name, level, found, "" if level == "ok" else fix)


def _unknown(name: str) -> Check:
    return Check(name, "warn", "not known: the database or the log does not answer", "mend that first")


def _few(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")


_RULES: tuple[Callable[[Seen], Iterator[Check]], ...] = (
    _database,
    _database_version,
    _durability,
    _connections,
    _clock,
    _transactions,
    _protection,
    _log,
    _log_ids,
    _log_whole,
    _topic,
    _secrets,
    _keystore,
    _secret_modes,
    _data_dir,
    _admin_key,
    _projector,
    _stopped,
    _lag,
    _dead_letters,
    _imports,
    _disk,
    _backups,
)
