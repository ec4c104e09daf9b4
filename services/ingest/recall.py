"""Reads from the registry what a chunk of rows or events needs to be judged, in a few statements for all of it.

To be called by the one who holds the partitions of these schools: what it remembers between calls is used only if the
registry, read under that lock, still shows the same versions of a school.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from schemas.codec import decode_fact
from schemas.definitions import TEST, TestDefined, decode_definition
from schemas.events import YearGroupFrom
from services.domain.built_in import BUILT_IN_TESTS
from services.ingest.given_ids import GivenIds, is_made_id
from services.ingest.knowledge import (
    Curricula,
    Kept,
    Knowledge,
    School,
    SchoolFact,
    Told,
    VersionNames,
    latest_of_keys,
)

PUPILS_REMEMBERED_MAX = 500_000
SCHOOLS_REMEMBERED_MAX = 5_000

Name = tuple[str, str]
"""A school, and an event id or pupil id in it."""

_names_decoder = msgspec.msgpack.Decoder(VersionNames)
_year_groups_decoder = msgspec.json.Decoder(tuple[YearGroupFrom, ...])


class Wanted(msgspec.Struct):
    """What a chunk names. `events`: ids that are told, by school; `given`: those of them that their senders chose, so
    that they may be the ids of rows' facts; `withdrawn`: ids that withdrawals name; `tests`: those of scores that are
    no numbers.
    """

    schools: set[str]
    pupils: set[Name] = msgspec.field(default_factory=set)
    keys: list[str] = msgspec.field(default_factory=list)
    events: dict[str, list[str]] = msgspec.field(default_factory=dict)
    given: set[Name] = msgspec.field(default_factory=set)
    withdrawn: set[Name] = msgspec.field(default_factory=set)
    tests: set[str] = msgspec.field(default_factory=set)
    with_curricula: bool = False
    with_year_groups: bool = False


class _Marks(msgspec.Struct, frozen=True):
    stamp: datetime | None
    school_version: int
    curriculum_version: int
    roster_version: int
    given_version: int
    has_withdrawals: bool


class Memory:
    """What is remembered of schools between chunks, each with the version at which it was read."""

    def __init__(self) -> None:
        self.school_facts: dict[str, tuple[int, list[Kept[SchoolFact]]]] = {}
        self.curricula: dict[str, tuple[int, Curricula]] = {}
        self.pupils: dict[str, tuple[int, set[Name]]] = {}
        self.pupil_count = 0
        self.given = GivenIds()

    def make_room(self) -> None:
        """Forget everything when it becomes much."""
        if self.pupil_count > PUPILS_REMEMBERED_MAX:
            self.pupils.clear()
            self.pupil_count = 0
        for remembered in (self.school_facts, self.curricula):
            if len(remembered) > SCHOOLS_REMEMBERED_MAX:
                remembered.clear()


async def read_schools(connection: Any, memory: Memory, names: Collection[str] | None) -> dict[str, School]:
    """The schools of these names that any fact was told of; None = all."""
    marks = await _read_marks(connection, names)
    return await _read_schools(connection, memory, marks)


async def recall(connection: Any, memory: Memory, wanted: Wanted) -> Knowledge:
    """All that is known of what is `wanted`."""
    memory.make_room()
    marks = await _read_marks(connection, wanted.schools)
    troubled = {name for name, mark in marks.items() if mark.has_withdrawals}
    curricula = await _read_curricula(connection, memory, marks) if wanted.with_curricula else {}
    told = await _read_told(connection, wanted, troubled) if wanted.keys else {}
    return Knowledge(
        schools=await _read_schools(connection, memory, marks),
        curricula=curricula,
        pupils=await _read_pupils(connection, memory, marks, wanted.pupils) if wanted.pupils else set(),
        told=told,
        given=await _read_given(connection, memory, marks, wanted) if wanted.events else {},
        keys_of=await _read_keys(connection, wanted.withdrawn) if wanted.withdrawn else {},
        tests=await _read_tests(connection, wanted.tests) if wanted.tests else {},
    )


async def find_withdrawn(connection: Any, facts: Collection[Name]) -> set[Name]:
    """Those of these facts that a standing withdrawal names."""
    rows = await connection.fetch(_WITHDRAWALS, [school for school, _ in facts], [event_id for _, event_id in facts])
    if not rows:
        return set()
    withdrawals: dict[Name, list[Name]] = {}
    for row in rows:
        withdrawals.setdefault((row["school"], row["withdraws"]), []).append((row["school"], row["event_id"]))
    return withdrawn_of(facts, withdrawals)


def withdrawn_of(facts: Iterable[Name], withdrawals: Mapping[Name, Iterable[Name]]) -> set[Name]:
    """Those of `facts` that a standing withdrawal names; a withdrawal stands unless one that stands names it.

    `withdrawals`: what names each fact. Each names one fact, so the paths to a fact are a tree.
    """
    order = list(dict.fromkeys(facts))
    seen = set(order)
    for fact in order:  # grows while it is walked
        for withdrawal in withdrawals.get(fact, ()):
            if withdrawal not in seen:
                seen.add(withdrawal)
                order.append(withdrawal)
    standing: set[Name] = set()
    for fact in reversed(order):
        if not any(withdrawal in standing for withdrawal in withdrawals.get(fact, ())):
            standing.add(fact)
    return seen - standing


_WITHDRAWALS = """
WITH RECURSIVE asked (school, fact) AS (
    SELECT * FROM unnest($1::text[], $2::text[])
), found AS (
    SELECT w.school, w.event_id, w.withdraws FROM asked
    JOIN ingest.withdrawal AS w ON w.school = asked.school AND w.withdraws = asked.fact
    UNION
    SELECT w.school, w.event_id, w.withdraws FROM found
    JOIN ingest.withdrawal AS w ON w.school = found.school AND w.withdraws = found.event_id
)
SELECT * FROM found
"""


async def _read_marks(connection: Any, names: Collection[str] | None) -> dict[str, _Marks]:
    rows = await connection.fetch(
        "SELECT school, stamp, school_version, curriculum_version, roster_version, given_version,"
        " has_withdrawals"
        " FROM ingest.school WHERE $1::text[] IS NULL OR school = ANY($1::text[])",
        None if names is None else list(names),
    )
    return {row["school"]: _Marks(*tuple(row)[1:]) for row in rows}


async def _read_tests(connection: Any, tests: Collection[str]) -> dict[str, TestDefined]:
    """The standing versions of those that are defined."""
    rows = await connection.fetch(
        "SELECT DISTINCT ON (definition) value FROM definition.version WHERE definition = ANY($1::text[])"
        " ORDER BY definition, number DESC",
        [TEST + test for test in tests],
    )
    found = {test: BUILT_IN_TESTS[test] for test in tests if test in BUILT_IN_TESTS}
    for row in rows:
        fact = decode_definition(row["value"])
        if isinstance(fact, TestDefined):
            found[fact.definition.removeprefix(TEST)] = fact
    return found


async def _read_schools(connection: Any, memory: Memory, marks: Mapping[str, _Marks]) -> dict[str, School]:
    stale = [name for name, mark in marks.items() if memory.school_facts.get(name, (None,))[0] != mark.school_version]
    if stale:
        rows = await connection.fetch(
            'SELECT school, event_id, "offset", value FROM ingest.school_fact WHERE school = ANY($1::text[])', stale
        )
        kept: dict[str, list[Kept[SchoolFact]]] = {name: [] for name in stale}
        for row in await _without_withdrawn(connection, rows):
            fact: Any = decode_fact(row["value"])
            kept[row["school"]].append(Kept(fact.key, fact.recorded_at, row["offset"], fact))
        for name in stale:
            memory.school_facts[name] = (marks[name].school_version, kept[name])
    return {name: School(memory.school_facts[name][1], mark.stamp) for name, mark in marks.items()}


async def _read_curricula(connection: Any, memory: Memory, marks: Mapping[str, _Marks]) -> dict[str, Curricula]:
    stale = [name for name, mark in marks.items() if memory.curricula.get(name, (None,))[0] != mark.curriculum_version]
    if stale:
        rows = await connection.fetch(
            'SELECT school, event_id, "offset", recorded_at, key, names FROM ingest.curriculum'
            " WHERE school = ANY($1::text[])",
            stale,
        )
        kept: dict[str, list[Kept[VersionNames]]] = {name: [] for name in stale}
        for row in await _without_withdrawn(connection, rows):
            names = _names_decoder.decode(row["names"])
            kept[row["school"]].append(Kept(row["key"], row["recorded_at"], row["offset"], names))
        for name in stale:
            memory.curricula[name] = (marks[name].curriculum_version, Curricula(kept[name]))
    return {name: memory.curricula[name][1] for name in marks}


async def _without_withdrawn(connection: Any, rows: Collection[Any]) -> list[Any]:
    withdrawn = await find_withdrawn(connection, [(row["school"], row["event_id"]) for row in rows])
    return [row for row in rows if (row["school"], row["event_id"]) not in withdrawn]


async def _read_told(connection: Any, wanted: Wanted, troubled: set[str]) -> dict[str, list[Told]]:
    keys = [bytes.fromhex(key) for key in wanted.keys]
    rows = await connection.fetch(
        'SELECT key, revision, event_id::text, content, recorded_at, "offset", migrated, school FROM ingest.told'
        " WHERE key = ANY($1::bytea[])",
        keys,
    )
    if not rows:
        return {}
    withdrawn: set[Name] = set()
    if troubled:
        asked = [(row["school"], row["event_id"]) for row in rows if row["school"] in troubled]
        withdrawn = await find_withdrawn(connection, asked)
    year_groups = await _read_year_groups(connection, keys) if wanted.with_year_groups else {}
    told: dict[str, list[Told]] = {}
    for row in rows:
        fact = Told(
            event_id=row["event_id"],
            revision=row["revision"],
            content=row["content"].hex(),
            recorded_at=row["recorded_at"],
            migrated=row["migrated"],
            offset=row["offset"],
            withdrawn=(row["school"], row["event_id"]) in withdrawn,
            year_groups=year_groups.get(row["event_id"], ()),
        )
        told.setdefault(row["key"].hex(), []).append(fact)
    return told


async def _read_year_groups(connection: Any, keys: list[bytes]) -> dict[str, tuple[YearGroupFrom, ...]]:
    rows = await connection.fetch(
        "SELECT event_id, year_groups FROM ingest.pupil WHERE key = ANY($1::bytea[]) AND year_groups IS NOT NULL", keys
    )
    return {row["event_id"]: _year_groups_decoder.decode(row["year_groups"]) for row in rows}


async def _read_pupils(
    connection: Any, memory: Memory, marks: Mapping[str, _Marks], asked: Collection[Name]
) -> set[Name]:
    of_schools: dict[str, set[Name]] = {}
    for name in asked:
        of_schools.setdefault(name[0], set()).add(name)
    known: set[Name] = set()
    missing: list[Name] = []
    for school, names in of_schools.items():
        mark = marks.get(school)
        if mark is None:
            continue
        version, pupils = memory.pupils.get(school, (-1, set()))
        if version != mark.roster_version:
            memory.pupil_count -= len(pupils)
            memory.pupils[school] = (mark.roster_version, pupils := set())
        known |= names & pupils
        missing.extend(names - pupils)
    for school, pupil in await _find_enrolled(connection, marks, missing) if missing else ():
        memory.pupils[school][1].add((school, pupil))
        memory.pupil_count += 1
        known.add((school, pupil))
    return known


async def _find_enrolled(connection: Any, marks: Mapping[str, _Marks], asked: Collection[Name]) -> set[Name]:
    rows = await connection.fetch(
        'SELECT p.school, p.pupil, p.event_id, p."offset", p.recorded_at, p.key FROM ingest.pupil AS p'
        " JOIN unnest($1::text[], $2::text[]) AS asked (school, pupil) USING (school, pupil)",
        [school for school, _ in asked],
        [pupil for _, pupil in asked],
    )
    settled = {(row["school"], row["pupil"]) for row in rows if marks[row["school"]].roster_version == 0}
    doubtful = [row for row in rows if marks[row["school"]].roster_version != 0]
    if not doubtful:
        return settled
    # A later row of the same key may name another pupil, and an enrolment may have been withdrawn.
    rivals = await connection.fetch(
        'SELECT school, pupil, event_id, "offset", recorded_at, key FROM ingest.pupil WHERE key = ANY($1::bytea[])',
        [row["key"] for row in doubtful if row["key"] is not None],
    )
    by_id = {(row["school"], row["event_id"]): row for row in (*doubtful, *rivals)}
    kept = [
        Kept(row["key"].hex() if row["key"] else "", row["recorded_at"], row["offset"], (row["school"], row["pupil"]))
        for row in await _without_withdrawn(connection, list(by_id.values()))
    ]
    return settled | ({item.said for item in latest_of_keys(kept)} & set(asked))


async def _read_given(
    connection: Any, memory: Memory, marks: Mapping[str, _Marks], wanted: Wanted
) -> dict[Name, str | None]:
    versions = {school: marks[school].given_version for school in wanted.events if school in marks}
    given = await memory.given.find(connection, wanted.events, versions)
    return given | dict.fromkeys(await _read_keys(connection, wanted.given) if wanted.given else ())


async def _read_keys(connection: Any, events: Collection[Name]) -> dict[Name, str]:
    """The keys of those that are facts of rows."""
    made = [event_id for _, event_id in events if is_made_id(event_id)]
    if not made:
        return {}
    rows = await connection.fetch(
        "SELECT school, event_id::text, key FROM ingest.told WHERE event_id = ANY($1::uuid[])", made
    )
    found = {(row["school"], row["event_id"]): row["key"].hex() for row in rows}
    return {name: key for name, key in found.items() if name in events}
