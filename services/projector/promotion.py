"""Another version of the views becomes the one that reports read: one row, changed when it is safe, or refused.

Reports follow with their next transaction. The version before stays up to date, so the way back is the same step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import asyncpg
import msgspec

from services.projector.comparison import Comparison, compare
from services.projector.projection import Projection
from services.projector.stored_views import CHECKPOINTS
from services.projector.versions import NoSuchVersion, activate, active_version, read_versions
from services.runtime.log.interface import Log

CATCH_UP_SECONDS = 30.0
_POLL_SECONDS = 0.1


class Behind(Exception):
    """The version does not come level with the log."""


class Unequal(Exception):
    """The versions do not say the same at the same offsets."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__(
            f"v{comparison.left} and v{comparison.right} differ in {len(comparison.differences)} places"
            f" ({'; '.join(comparison.differences[:3])}): see `markledger projector compare`. If that is what you want,"
            " say why with --despite-differences REASON"
        )
        self.comparison = comparison


class Promoted(msgspec.Struct, frozen=True):
    """What was done. `before`: the version that reports read until now; the way back."""

    version: int
    before: int
    comparison: Comparison


async def promote(
    pool: asyncpg.Pool,
    log: Log,
    projection: Projection,
    topic: str,
    version: int,
    *,
    despite_differences: bool = False,
    seconds: float = CATCH_UP_SECONDS,
) -> Promoted:
    """Let reports read `version`. It has to reach the present end of the log within `seconds`, and to be equal.

    Raises NoSuchVersion, Behind, Unequal, and what `compare` raises.
    """
    before = await active_version(pool, projection.NAME)
    states = {one.version: one.state for one in await read_versions(pool, projection.NAME)}
    if before is None or states.get(version) != "following":
        known = ", ".join(f"v{number} ({state})" for number, state in states.items()) or "none"
        raise NoSuchVersion(f"v{version} is none that the projectors keep up to date; there are: {known}")
    if version == before:
        raise NoSuchVersion(f"reports read v{version} already")
    ends = {partition: (await log.bounds(topic, partition))[1] for partition in range(await log.partitions(topic))}
    await _wait_until_level(pool, (projection.NAME, version, topic), ends, seconds)
    comparison = await compare(pool, log, projection, topic, (before, version))
    if not comparison.equal and not despite_differences:
        raise Unequal(comparison)
    await activate(pool, projection.NAME, version)
    return Promoted(version, before, comparison)


async def _wait_until_level(
    pool: asyncpg.Pool, key: tuple[str, int, str], ends: Mapping[int, int], seconds: float
) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        stands = {row["partition"]: row["next_offset"] for row in await pool.fetch(CHECKPOINTS, *key)}
        behind = sum(max(end - stands.get(partition, 0), 0) for partition, end in ends.items())
        if behind == 0:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise Behind(
                f"v{key[1]} is {behind:,} records behind the log as it was {seconds:.0f} s ago: is a projector running?"
                " See `markledger projector status`"
            )
        await asyncio.sleep(_POLL_SECONDS)
