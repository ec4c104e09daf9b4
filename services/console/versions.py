"""`markledger projector versions|rebuild|compare|promote|retire`: the views made anew beside those that serve.

They connect directly to the database and the log, like a service.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from schemas.topics import FACTS
from services.console.operations import run_with_pool
from services.console.printing import clean, table_of, terminal
from services.projector.builders import Builders
from services.projector.builders import Progress as Done
from services.projector.comparison import Comparison, compare
from services.projector.main import worker_name
from services.projector.projections import timeline
from services.projector.promotion import promote
from services.projector.rebuild import Rebuilt, rebuild
from services.projector.versions import NoSuchVersion, active_version, read_versions, retire
from services.runtime.log.interface import Log
from services.runtime.log.opening import open_log
from services.runtime.postgres import EmbeddedPostgres
from services.runtime.settings import Settings

EXIT_OK = 0
EXIT_NOT_EQUAL = 1

Answer = TypeVar("Answer")


def print_versions(settings: Settings, as_json: bool) -> int:
    """Every version there ever was, and which one reports read."""
    versions = run_with_pool(settings, lambda pool: read_versions(pool, timeline.NAME))
    if as_json:
        print(msgspec.json.encode({"projection": timeline.NAME, "versions": versions}).decode())
    else:
        rows = (
            [f"v{one.version}", one.code_version, one.state, "reports read it" if one.active else ""]
            for one in versions
        )
        terminal().print(table_of(["version", "rules", "state", ""], rows))
    return EXIT_OK


def print_rebuild(settings: Settings, processes: int, as_json: bool) -> int:
    """Build the next version beside the live one; says how to go on. Raises RebuildRunning, RebuildFailed."""
    url = settings.database_dsn or EmbeddedPostgres(settings.data_dir).url
    builders = Builders(processes, timeline.__name__, url, settings.kafka_bootstrap)

    async def work(pool: asyncpg.Pool, log: Log) -> Rebuilt:
        with _progress() as progress:
            task = progress.add_task("partitions", total=None)

            def tell(done: Done) -> None:
                progress.update(task, total=done.partitions, advance=1)

            worker = f"rebuild {worker_name()}"
            return await rebuild(pool, log, timeline, FACTS.name, worker=worker, tell=tell, builders=builders)

    done = _with_log(settings, work)
    if as_json:
        print(msgspec.json.encode(done).decode())
        return EXIT_OK
    found = f" ({done.found} of {done.partitions} partitions were built by an earlier run)" if done.found else ""
    pace = f", {done.facts / done.seconds:,.0f} facts/s" if done.facts else ""
    print(f"v{done.version} is built{found}: {done.schools:,} schools, {done.facts:,} facts,", end=" ")
    print(f"{done.dead_letters:,} dead letters in {done.seconds:.1f} s{pace}")
    print("The projectors keep it up to date from here. How to go on:")
    print(f"  markledger projector compare {done.version}    whether it says the same as the version that reports read")
    print(f"  markledger projector promote {done.version}    let reports read it")
    return EXIT_OK


def print_comparison(settings: Settings, version: int, with_version: int | None, as_json: bool) -> int:
    """Compare a version with another, by default the one that reports read; 1 unless they are equal."""

    async def work(pool: asyncpg.Pool, log: Log) -> Comparison:
        other = with_version or await active_version(pool, timeline.NAME)
        known = {one.version for one in await read_versions(pool, timeline.NAME) if one.state == "following"}
        for each in (version, other):
            if each not in known:
                raise NoSuchVersion(
                    f"v{each} is none that the projectors keep up to date: markledger projector versions"
                )
        if other is None or other == version:
            raise NoSuchVersion(f"v{version} is the version that reports read: name another, or one --with")
        return await compare(pool, log, timeline, FACTS.name, (version, other))

    result = _with_log(settings, work)
    if as_json:
        print(msgspec.json.encode(result).decode())
    else:
        _print_comparison(result)
    return EXIT_OK if result.equal else EXIT_NOT_EQUAL


def print_promotion(settings: Settings, version: int, reason: str | None, as_json: bool) -> int:
    """Let reports read a version; `reason`: why it may differ. Raises Unequal, Behind, NoSuchVersion."""
    done = _with_log(
        settings,
        lambda pool, log: promote(pool, log, timeline, FACTS.name, version, despite_differences=reason is not None),
    )
    if as_json:
        print(msgspec.json.encode({**msgspec.structs.asdict(done), "reason": reason}).decode())
        return EXIT_OK
    if not done.comparison.equal:
        _print_comparison(done.comparison)
        print(clean(f"promoted despite these differences: {reason}").plain)
    print(f"reports read v{done.version} now; v{done.before} is kept up to date until `projector retire {done.before}`")
    return EXIT_OK


def print_retirement(settings: Settings, version: int, as_json: bool) -> int:
    """Drop a version that reports do not read. Raises NoSuchVersion, VersionInUse."""

    async def work(pool: asyncpg.Pool) -> None:
        await retire(pool, timeline.NAME, version)

    run_with_pool(settings, work)
    if as_json:
        print(msgspec.json.encode({"retired": version}).decode())
    else:
        print(f"v{version} is gone: its views, its checkpoints and its dead letters")
    return EXIT_OK


def _print_comparison(result: Comparison) -> None:
    print("equal" if result.equal else "NOT EQUAL")
    print(f"v{result.left:<5} {result.checksum_left}\nv{result.right:<5} {result.checksum_right}")
    print(f"{result.schools:,} schools, {result.facts:,} facts")
    for difference in result.differences:
        print(clean(f"differs: {difference}").plain)


def _with_log(settings: Settings, work: Callable[[asyncpg.Pool, Log], Awaitable[Answer]]) -> Answer:
    async def run(pool: asyncpg.Pool) -> Answer:
        log = await open_log(settings, pool)
        try:
            return await work(pool, log)
        finally:
            await log.close()

    return run_with_pool(settings, run)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
