"""The rows of the views that reports are made of, and the statements that read them: no rule, and nothing is kept.

Every statement runs in a transaction of `services.query.scope`, so that it sees the schools of the caller's key alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from schemas.topics import FACTS
from services.query.open_reports import ViewsState
from services.query.school_index import BlockAt
from services.query.scope import ViewsUnavailable
from services.query.stored import Stored

TIMELINE = "timeline"

_CHECKPOINTS = """
SELECT a.version, p.log_id, p.partition, p.next_offset
FROM projection.active a
LEFT JOIN projection.partition p ON p.projection = a.projection AND p.version = a.version AND p.topic = $2
WHERE a.projection = $1
"""
# One row for each school asked for, with the state of its partition; without an active version there is none at all.
_SCHOOLS = """
SELECT a.version, held.school, p.log_id, p.next_offset, coalesce(d.partition, held.partition) AS partition, d.revision,
       CASE WHEN d.revision = held.revision THEN NULL ELSE d.data END AS data
FROM projection.active a
CROSS JOIN unnest($3::text[], $4::bigint[], $5::integer[]) AS held (school, revision, partition)
LEFT JOIN timeline_v{version}.school_document d ON d.school = held.school
LEFT JOIN projection.partition p ON p.projection = a.projection AND p.version = a.version AND p.topic = $2
                                AND p.partition = coalesce(d.partition, held.partition)
WHERE a.projection = $1
"""
# The same for the schools that were ever members of a trust; one row without a school if there are none.
_MEMBERS = """
SELECT a.version, d.school, p.log_id, p.next_offset, d.partition, d.revision,
       CASE WHEN d.revision = held.revision THEN NULL ELSE d.data END AS data
FROM projection.active a
LEFT JOIN (timeline_v{version}.trust_member m
           JOIN timeline_v{version}.school_document d ON d.school = m.school) ON m.trust = $3
LEFT JOIN unnest($4::text[], $5::bigint[]) AS held (school, revision) ON held.school = d.school
LEFT JOIN projection.partition p ON p.projection = a.projection AND p.version = a.version AND p.topic = $2
                                AND p.partition = d.partition
WHERE a.projection = $1
"""
_BLOCKS = """
SELECT found.school, found.stream, found.months, found.starts, b.data AS block,
       ARRAY(SELECT t.data FROM timeline_v{version}.tail t
             WHERE t.stream = found.stream AND t.school = found.school AND t.starts = found.starts
             ORDER BY t.seq) AS tails
FROM (SELECT w.school, w.stream, array_agg(w.month) AS months,
             greatest((SELECT max(b.starts) FROM timeline_v{version}.block b
                       WHERE b.stream = w.stream AND b.school = w.school AND b.starts <= w.month),
                      (SELECT max(t.starts) FROM timeline_v{version}.tail t
                       WHERE t.stream = w.stream AND t.school = w.school AND t.starts <= w.month)) AS starts
      FROM unnest($1::text[], $2::text[], $3::integer[]) AS w (school, stream, month)
      GROUP BY w.school, w.stream, starts) AS found
LEFT JOIN timeline_v{version}.block b
       ON b.stream = found.stream AND b.school = found.school AND b.starts = found.starts
WHERE found.starts IS NOT NULL
"""
# Whether what was read before still holds: one row for each partition asked for.
_STATE = """
SELECT a.version, p.log_id, p.partition, p.next_offset, d.schools, d.revisions, m.members
FROM projection.active a
CROSS JOIN (SELECT count(*) AS schools, coalesce(sum(revision), 0)::bigint AS revisions
            FROM timeline_v{version}.school_document WHERE school = ANY($4)) AS d
CROSS JOIN (SELECT count(*) AS members FROM timeline_v{version}.trust_member WHERE trust = $5) AS m
LEFT JOIN projection.partition p ON p.projection = a.projection AND p.version = a.version AND p.topic = $2
                                AND p.partition = ANY($3)
WHERE a.projection = $1
"""


class SchoolRow(NamedTuple):
    """A school as a snapshot has it: the state of its partition (`log_id` None: nothing is folded) and its document
    (`revision` None: the views do not know it). `data` None: it is that of the revision that the caller holds."""

    version: int
    school: str | None
    log_id: str | None
    next_offset: int | None
    partition: int
    revision: int | None
    data: bytes | None


class Checkpoint(msgspec.Struct, frozen=True):
    """How far the active version of the views has come."""

    version: int
    log_id: str | None
    offsets: Mapping[int, int]

    def has_reached(self, offsets: Mapping[int, int]) -> bool:
        """Whether it has come as far as that in each partition."""
        return all(self.offsets.get(partition, 0) >= offset for partition, offset in offsets.items())


async def read_checkpoint(connection: asyncpg.Connection | asyncpg.Pool) -> Checkpoint:
    """The checkpoint of every partition. Raises ViewsUnavailable."""
    rows = await connection.fetch(_CHECKPOINTS, TIMELINE, FACTS.name)
    if not rows:
        raise ViewsUnavailable("no version of the timeline is active")
    offsets = {row["partition"]: row["next_offset"] for row in rows if row["partition"] is not None}
    return Checkpoint(rows[0]["version"], rows[0]["log_id"], offsets)


async def read_schools(
    connection: asyncpg.Connection,
    version: int,
    schools: Sequence[str],
    held_revisions: Sequence[int],
    partitions: Sequence[int],
) -> list[SchoolRow]:
    """A row of each school; `partitions`: those of schools that the views may not know. None: no version is active."""
    query = _SCHOOLS.format(version=version)
    rows = await connection.fetch(query, TIMELINE, FACTS.name, schools, held_revisions, partitions)
    return [SchoolRow(*row) for row in rows]


async def read_members(
    connection: asyncpg.Connection, version: int, trust: str, held: Sequence[str], held_revisions: Sequence[int]
) -> list[SchoolRow]:
    """A row of each school that was ever a member of the trust; one without a school if there are none."""
    rows = await connection.fetch(_MEMBERS.format(version=version), TIMELINE, FACTS.name, trust, held, held_revisions)
    return [SchoolRow(*row) for row in rows]


async def read_state(
    connection: asyncpg.Connection, version: int, trust: str | None, schools: Sequence[str], partitions: Sequence[int]
) -> ViewsState | None:
    """The state of the views of some schools and, if any, of a trust; None: no version is active."""
    query = _STATE.format(version=version)
    rows = await connection.fetch(query, TIMELINE, FACTS.name, partitions, schools, trust)
    if not rows:
        return None
    active, _, _, _, seen, revisions, members = rows[0]
    offsets = {(log_id, partition): offset for _, log_id, partition, offset, *_ in rows if partition is not None}
    return ViewsState(active, members, seen, revisions, offsets)


async def read_blocks(
    connection: asyncpg.Connection, version: int, wanted: Mapping[str, Sequence[BlockAt]]
) -> dict[str, dict[BlockAt, tuple[int, Stored]]]:
    """Of each school the blocks that there are, with the months in which they start."""
    asked = sorted((school, *block) for school, blocks in wanted.items() for block in blocks)
    rows = await connection.fetch(_BLOCKS.format(version=version), *map(list, zip(*asked, strict=True)))
    found: dict[str, dict[BlockAt, tuple[int, Stored]]] = {}
    for school, stream, months, starts, block, tails in rows:
        stored = Stored(block, tails)
        found.setdefault(school, {}).update({BlockAt(stream, month): (starts, stored) for month in months})
    return found
