"""`markledger export` and `export check`: all facts of one school into a file, and whether a file is what was made.

The facts are those that the log held when the command began, whatever is sent meanwhile. It reads and writes no table.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import asyncpg
import msgspec

from schemas.codec import InvalidFact, UnknownFactType, decode_fact
from schemas.topics import FACTS, partition_for
from services.console.failures import UsageError
from services.console.operations import run_with_pool
from services.console.school_file import (
    SUFFIX_PACKED,
    Content,
    Manifest,
    check_file,
    fingerprint,
    is_packed,
    put_together,
)
from services.runtime.clock import utc_now
from services.runtime.log.interface import Log, Record
from services.runtime.log.opening import open_log
from services.runtime.log.scanning import read_stretch
from services.runtime.positions import encode_position
from services.runtime.settings import InvalidSettings, Settings

EXIT_OK = 0
EXIT_FAILED = 1


class NothingToExport(Exception):
    """The log has no fact of the school."""


def print_export(settings: Settings, school: str, to: Path | None, as_json: bool) -> int:
    """Write the file and say what is in it. Raises UsageError, NothingToExport, LogError, OSError."""
    path = to or Path(f"{school}.ndjson{SUFFIX_PACKED}")
    if path.exists():
        raise UsageError(f"{path} is there already: choose another name, or remove it")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no directory")
    pupil_key = pupil_key_of(settings)

    async def work(pool: asyncpg.Pool) -> Manifest:
        log = await open_log(settings, pool)
        try:
            return await export(log, school, path, pupil_key, utc_now())
        finally:
            await log.close()

    manifest = run_with_pool(settings, work)
    if as_json:
        print(msgspec.json.encode({"file": str(path), "manifest": manifest}).decode())
    else:
        print(f"{path}: {path.stat().st_size:,} bytes")
        print("\n".join(described(manifest)))
    return EXIT_OK


def print_check(settings: Settings, path: Path, as_json: bool) -> int:
    """Say whether a file is whole and unchanged; 0 if it is. Raises FileDamaged, OSError."""
    checked = check_file(path)
    manifest = checked.manifest
    key = None if settings.pupil_key is None else settings.pupil_key.get_secret_value().encode()
    same_key = None if key is None else manifest.pupil_key == fingerprint(key)
    seal = None if key is None or not same_key else manifest.seal_is_of(key)
    if as_json:
        answer = {"whole": True, "same_pupil_key": same_key, "seal": seal, "unknown": checked.unknown}
        print(msgspec.json.encode({**answer, "manifest": manifest}).decode())
    else:
        print("\n".join(["whole: every line is there, and the sum is that of the manifest", *described(manifest)]))
        print(_seal_told(same_key, seal))
    return EXIT_FAILED if seal is False else EXIT_OK


async def export(log: Log, school: str, path: Path, pupil_key: bytes, made_at: datetime) -> Manifest:
    """Write the facts that the log holds of `school` now. Raises NothingToExport, LogError, OSError."""
    topic = FACTS.name
    partitions = await log.partitions(topic)
    partition = partition_for(school.encode(), partitions)
    log_id = await log.log_id(topic)
    _, end = await log.bounds(topic, partition)
    types: Counter[str] = Counter()
    ends: list[tuple[int, str]] = []
    left_out = 0
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as directory:
        spool = Path(directory) / "content"
        with spool.open("wb") as file:
            content = Content(file, packed=is_packed(path))
            async for records in read_stretch(log, topic, partition, 0, end):
                for record, type_name in _of_school(records, school):
                    if not type_name:
                        left_out += 1
                        continue
                    types[type_name] += 1
                    position = encode_position(log_id, {partition: record.offset + 1})
                    content.add(record.offset, position, record.value or b"")
                    ends[1:] = [(record.offset, position)]  # the first and the last
            content.flush()
        if not types:
            raise NothingToExport(f"the log has no fact of school {school!r}")
        manifest = Manifest(
            school=school,
            facts=types.total(),
            types=dict(sorted(types.items())),
            content_bytes=content.bytes,
            sha256=content.sha256,
            first_offset=ends[0][0],
            last_offset=ends[-1][0],
            first_position=ends[0][1],
            last_position=ends[-1][1],
            log_id=log_id,
            partition=partition,
            partitions=partitions,
            left_out=left_out,
            made_at=made_at.isoformat().replace("+00:00", "Z"),
            product_version=version("markledger"),
            pupil_key=fingerprint(pupil_key),
        ).sealed(pupil_key)
        put_together(path, manifest, spool)
    return manifest


def pupil_key_of(settings: Settings) -> bytes:
    """The key that ids of pupils are made with. Raises InvalidSettings."""
    if settings.pupil_key is None:
        raise InvalidSettings(
            "MARKLEDGER_PUPIL_KEY: a file of a school belongs to it; `up` keeps it in the data directory"
        )
    return settings.pupil_key.get_secret_value().encode()


def described(manifest: Manifest) -> Iterator[str]:
    """What a manifest says, for reading."""
    types = ", ".join(f"{count:,} {name}" for name, count in manifest.types.items())
    yield f"school   {manifest.school}: {manifest.facts:,} facts ({types})"
    yield f"from     offsets {manifest.first_offset:,} to {manifest.last_offset:,} of partition {manifest.partition}"
    yield f"log      {manifest.log_id}"
    yield f"made     {manifest.made_at} by Markledger {manifest.product_version}"
    yield f"sha256   {manifest.sha256}"
    if manifest.left_out:
        yield f"left out {manifest.left_out:,} records under the school's key that are no facts"


def _of_school(records: list[Record], school: str) -> Iterator[tuple[Record, str]]:
    """The records under the school's key, each with the type of its fact, or with nothing if it is none."""
    key = school.encode()
    for record in records:
        if record.key == key:
            yield record, _type_of(record, school)


def _type_of(record: Record, school: str) -> str:
    try:
        fact = decode_fact(record.value)
    except UnknownFactType as unknown:
        return unknown.type_name
    except InvalidFact:
        return ""
    return type(fact).__name__ if fact.school == school else ""


def _seal_told(same_key: bool | None, seal: bool | None) -> str:
    if same_key is None:
        return "seal     not looked at: no pupil key here"
    if not same_key:
        return "seal     not looked at: the file was made under another pupil key, it cannot be taken in here"
    return "seal     good" if seal else "seal     WRONG: the manifest was changed after it was made"
