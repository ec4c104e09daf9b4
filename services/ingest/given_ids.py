"""Which ids events of a school have had, so that one that comes again is known: packed rows, and a window in memory.

`ingest.given_ids` holds 16 bytes for each event, and where ids were given 16 more of the keyed hash of the content
(zeros: the id was made of the content). A process remembers half of each id of the schools that it last heard from, as
far as the school's row says that the rows go; what is not among them is new, and what is gets looked up in the rows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.events import Fact

Name = tuple[str, str]
"""A school, and an event id in it."""

REMEMBERED_MAX = 8_000_000
"""Ids, at eight bytes each: the schools that were asked for longest ago are forgotten first."""
UNSORTED_MAX = 8_192
SHORT_ENTRIES = 256
SHORT_ROWS_MAX = 256

_ID = 16
_NO_CONTENT = bytes(_ID)
_MADE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_MADE_LENGTH = 36
_DASHES = (8, 13, 18, 23)

Halves = npt.NDArray[np.uint64]

_READ = """
SELECT g.school, g.ids, g.contents FROM ingest.given_ids AS g
JOIN unnest($1::text[], $2::bigint[]) AS asked (school, known) ON g.school = asked.school AND g.through >= asked.known
"""
_JOIN_SHORT = """
WITH short AS (DELETE FROM ingest.given_ids WHERE school = $1 AND length(ids) < $2 RETURNING *)
INSERT INTO ingest.given_ids (school, "offset", through, ids, contents)
SELECT $1, min("offset"), max(through), string_agg(ids, '' ORDER BY "offset"), CASE WHEN bool_or(contents IS NOT NULL)
    THEN string_agg(coalesce(contents, decode(repeat('00', length(ids)), 'hex')), '' ORDER BY "offset") END
FROM short HAVING count(*) > 0
"""


class Packed(msgspec.Struct, frozen=True, gc=False):
    """A row: ids of a school's events, those of the offsets from `offset` to `through` among others' facts."""

    school: str
    offset: int
    through: int
    ids: bytes
    contents: bytes | None


def is_made_id(event_id: str) -> bool:
    """Whether the product may have made the id: a UUID of version 5, in the one way in which they are written."""
    return _MADE.fullmatch(event_id) is not None


def pack(events: Sequence[tuple[int, Fact]]) -> Packed:
    """The row of these events of one school, with their offsets."""
    facts = [fact for _, fact in events]
    contents = None
    if any(fact.content for fact in facts):
        contents = b"".join([bytes.fromhex(fact.content) if fact.content else _NO_CONTENT for fact in facts])
    ids = _id_bytes([fact.event_id for fact in facts])
    return Packed(facts[0].school, events[0][0], events[-1][0], ids, contents)


class _Window:
    """The ids of one school up to the offset before `version`."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.short_rows = 0
        self._sorted: Halves = np.empty(0, dtype=np.uint64)
        self._recent: set[int] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def add(self, ids: bytes) -> None:
        """Take in the ids of one row."""
        self.short_rows += len(ids) < SHORT_ENTRIES * _ID
        halves = _halves(ids)
        if len(self._recent) + len(halves) > UNSORTED_MAX:
            recent = np.fromiter(self._recent, dtype=np.uint64, count=len(self._recent))
            self._sorted = np.sort(np.concatenate([self._sorted, recent, halves]))
            self._recent = set()
        else:
            self._recent.update(halves.tolist())

    def find(self, event_ids: Sequence[str]) -> list[str]:
        """Those of these ids that are, or begin as one does that is."""
        halves = _halves(_id_bytes(event_ids))
        hits = set(np.flatnonzero(_among(halves, self._sorted)).tolist()) if len(self._sorted) else set()
        if not self._recent.isdisjoint(asked := halves.tolist()):
            hits.update(place for place, half in enumerate(asked) if half in self._recent)
        return [event_ids[place] for place in sorted(hits)]


class GivenIds:
    """The windows of one process. What a window holds counts only while the school's row shows its version."""

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}

    async def find(
        self, connection: Any, asked: Mapping[str, Sequence[str]], versions: Mapping[str, int]
    ) -> dict[Name, str | None]:
        """Those of the event ids asked for, by school, that the school has had, with the hash of what they said.

        `versions`: of the schools that are known, as their rows show it under the lock of the partition.
        """
        known = {school: event_ids for school, event_ids in asked.items() if versions.get(school)}
        await self._read_on(connection, {school: versions[school] for school in known})
        suspected = {
            school: hits for school, event_ids in known.items() if (hits := self._windows[school].find(event_ids))
        }
        await self._join_short_rows(connection, known)
        return await _look_up(connection, suspected) if suspected else {}

    def learn(self, committed: Iterable[Packed]) -> None:
        """Take in what was just committed to the rows, in the windows that hold all that came before it."""
        for row in committed:
            window = self._windows.get(row.school)
            if window is not None and window.version <= row.offset:
                window.add(row.ids)
                window.version = row.through + 1

    async def _read_on(self, connection: Any, versions: Mapping[str, int]) -> None:
        stale: dict[str, int] = {}
        for school, version in versions.items():
            window = self._windows.pop(school, None)
            if window is None or window.version > version:  # ahead of its rows: they were lost, and came again
                window = _Window(0)
            self._windows[school] = window  # now the last in the order
            if window.version < version:
                stale[school] = window.version
        if not stale:
            return
        for row in await connection.fetch(_READ, list(stale), list(stale.values())):
            self._windows[row["school"]].add(row["ids"])
        for school in stale:
            self._windows[school].version = versions[school]
        self._make_room(versions)

    def _make_room(self, wanted: Mapping[str, int]) -> None:
        excess = sum(map(len, self._windows.values())) - REMEMBERED_MAX
        for school in [each for each in self._windows if each not in wanted]:
            if excess <= 0:
                return
            excess -= len(self._windows.pop(school))

    async def _join_short_rows(self, connection: Any, schools: Iterable[str]) -> None:
        """Rows of single events, as many as they have become, become one: each id is written twice at most."""
        for school in schools:
            if self._windows[school].short_rows >= SHORT_ROWS_MAX:
                await connection.execute(_JOIN_SHORT, school, SHORT_ENTRIES * _ID)
                self._windows[school].short_rows = 0


async def _look_up(connection: Any, suspected: Mapping[str, Sequence[str]]) -> dict[Name, str | None]:
    """What the rows say of these ids, in full; of one that stands there twice the first counts."""
    wanted = {
        (school, _id_bytes([event_id])): event_id for school, event_ids in suspected.items() for event_id in event_ids
    }
    found: dict[Name, str | None] = {}
    asked = {school: np.sort(_halves(_id_bytes(event_ids))) for school, event_ids in suspected.items()}
    for row in await connection.fetch(f'{_READ} ORDER BY g."offset"', list(suspected), [0] * len(suspected)):
        school, ids, contents = row["school"], row["ids"], row["contents"]
        for place in np.flatnonzero(_among(_halves(ids), asked[school])).tolist():
            entry = slice(place * _ID, (place + 1) * _ID)
            event_id = wanted.get((school, ids[entry]))
            if event_id is not None:
                content = _NO_CONTENT if contents is None else contents[entry]
                found.setdefault((school, event_id), None if content == _NO_CONTENT else content.hex())
    return found


def _halves(ids: bytes) -> Halves:
    return np.frombuffer(ids, dtype=np.uint64)[::2]


def _among(halves: Halves, of: Halves) -> npt.NDArray[np.bool_]:
    """Which of `halves` are in `of`, which is sorted."""
    places = np.searchsorted(of, halves)
    places[places == len(of)] = 0
    found: npt.NDArray[np.bool_] = of[places] == halves
    return found


def _id_bytes(event_ids: Sequence[str]) -> bytes:
    """Sixteen bytes for each id: those of a made one as they are, of any other of its hash, marked as no made one's."""
    made = _made_bytes(event_ids)
    if made is not None:
        return made
    return b"".join(
        [bytes.fromhex(each.replace("-", "")) if is_made_id(each) else _hashed_id(each) for each in event_ids]
    )


def _made_bytes(event_ids: Sequence[str]) -> bytes | None:
    """The bytes of ids that were all made, seen without looking at each."""
    count, joined = len(event_ids), "".join(event_ids)
    if len(joined) != _MADE_LENGTH * count or any(joined[place::_MADE_LENGTH] != "-" * count for place in _DASHES):
        return None
    if joined[14::_MADE_LENGTH] != "5" * count or not set(joined[19::_MADE_LENGTH]) <= set("89ab"):
        return None
    digits = joined.replace("-", "")
    try:
        made = bytes.fromhex(digits)
    except ValueError:
        return None
    return made if len(made) == _ID * count and made.hex() == digits else None


def _hashed_id(event_id: str) -> bytes:
    digest = bytearray(hashlib.sha256(event_id.encode("utf-8")).digest()[:_ID])
    digest[6] |= 0xF0
    return bytes(digest)
