"""`markledger import-school`: the file of a school into this installation, fact for fact.

The whole file is checked before the first fact is written. What an import that broke off has written is found again by
comparing, so the same command goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import asyncpg
import msgspec
from rich.console import Console
from rich.progress import Progress

from schemas.topics import EMBEDDED_PARTITIONS, FACTS, KAFKA_PARTITIONS
from services.access import identities
from services.console.operations import run_with_pool
from services.console.school_export import pupil_key_of
from services.console.school_file import Checked, FileDamaged, Manifest, check_file, fingerprint, read_lines
from services.ingest.adoption import Adoption, AdoptionRefused, chunked
from services.ingest.registry import Registry
from services.runtime.log.interface import Log
from services.runtime.log.opening import open_log
from services.runtime.positions import encode_position
from services.runtime.settings import Settings

EXIT_OK = 0

OnFacts = Callable[[int], None]


class Imported(msgspec.Struct, frozen=True):
    """A school that is now here. `found`: facts that an earlier, broken-off import had written."""

    school: str
    facts: int
    found: int
    written: int
    log_id: str
    partition: int
    position: str


def print_import(settings: Settings, path: Path, as_json: bool) -> int:
    """Check the file, then bring it in. Raises FileDamaged, AdoptionRefused, LogError, PostgresError, OSError."""
    checked = check_file(path)
    check_fits(checked, pupil_key_of(settings))

    async def work(pool: asyncpg.Pool) -> Imported:
        log = await open_log(settings, pool)
        try:
            await log.create_topic(
                FACTS.name,
                KAFKA_PARTITIONS if settings.kafka_bootstrap else EMBEDDED_PARTITIONS,
                retention_ms=FACTS.retention_ms,
                compacted=FACTS.compacted,
            )
            await identities.ensure_tables(pool)
            with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
                task = progress.add_task(checked.manifest.school, total=checked.manifest.facts)
                return await bring_in(pool, log, path, checked.manifest, lambda n: progress.advance(task, n))
        finally:
            await log.close()

    imported = run_with_pool(settings, work)
    if as_json:
        print(msgspec.json.encode(imported).decode())
    else:
        went_on = f" ({imported.found:,} were there already)" if imported.found else ""
        print(f"school {imported.school}: {imported.written:,} facts written{went_on}, {imported.facts:,} in all")
        print(f"position {imported.position}")
        print("Names come with the pupils' files sent again; `markledger verify` must say equal.")
    return EXIT_OK


def check_fits(checked: Checked, pupil_key: bytes) -> None:
    """Whether facts of this file mean here what they meant there. Raises AdoptionRefused, FileDamaged."""
    manifest = checked.manifest
    if manifest.pupil_key != fingerprint(pupil_key):
        raise AdoptionRefused(
            "the file was made under another MARKLEDGER_PUPIL_KEY: whatever is sent here later would be of other pupils"
            " and other rows. Nothing was written. Run this installation with that key (one without data may change it)"
        )
    if not manifest.seal_is_of(pupil_key):
        raise FileDamaged("the seal is wrong: the manifest was changed after it was made")
    if checked.unknown:
        names = ", ".join(f"{count:,} {name}" for name, count in checked.unknown.items())
        raise AdoptionRefused(f"this release does not know all its facts ({names}): upgrade first. Nothing was written")


async def bring_in(pool: asyncpg.Pool, log: Log, path: Path, manifest: Manifest, on_facts: OnFacts) -> Imported:
    """Append the facts that are not here yet. Raises as `print_import`; asked again it goes on where it ended."""
    registry = Registry(pool, log, FACTS.name)
    await registry.start()
    adoption = Adoption(pool, log, registry, manifest.school)
    found = await adoption.find(_facts(path, manifest))
    on_facts(found)
    for chunk in chunked(islice(_facts(path, manifest), found, None)):
        await adoption.append(chunk)
        on_facts(len(chunk))
    await adoption.settle()
    log_id = await log.log_id(FACTS.name)
    return Imported(
        school=manifest.school,
        facts=manifest.facts,
        found=found,
        written=manifest.facts - found,
        log_id=log_id,
        partition=adoption.partition,
        position=encode_position(log_id, {adoption.partition: adoption.seen_to}),
    )


def _facts(path: Path, manifest: Manifest) -> Iterator[bytes]:
    for line in read_lines(path, manifest):
        yield bytes(line.fact)
