"""`markledger deadletters list|show|replay`: the records that the projector set aside, and what they would be today.

An id is PROJECTION_vVERSION:TOPIC:PARTITION:OFFSET. Nothing here changes a view: the views are a function of the order
of the log, a fact that was set aside stands at an earlier offset than those folded since, and only folding its school
from the beginning puts it there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from services.console.failures import UsageError
from services.console.operations import run_with_pool
from services.console.printing import clean, table_of, terminal
from services.projector.decoding import decode_records
from services.projector.store import views_schema
from services.runtime.log.interface import Record
from services.runtime.settings import Settings

EXIT_OK = 0
EXIT_FAILED = 1
LETTERS_MAX = 1_000
VALUE_CHARACTERS_MAX = 2_000

_ID = re.compile(r"([a-z_]+)_v(\d{1,9}):([^:]+):(\d{1,9}):(\d{1,18})")
_COLUMNS = "projection, version, topic, partition, record_offset, reason, key, value, appended_at, dead_at"
_LIST = f"""
SELECT {_COLUMNS} FROM projection.dead_letter ORDER BY dead_at, topic, partition, record_offset LIMIT $1"""
_FIND = f"""
SELECT {_COLUMNS} FROM projection.dead_letter
 WHERE projection = $1 AND version = $2 AND topic = $3 AND partition = $4 AND record_offset = $5"""
_PARTITIONS = """
SELECT projection, version, topic, count(*) AS partitions FROM projection.partition GROUP BY 1, 2, 3"""


class Letter(msgspec.Struct, frozen=True):
    """A record that was set aside; key and value are None where the record has none."""

    projection: str
    version: int
    topic: str
    partition: int
    record_offset: int
    reason: str
    key: bytes | None
    value: bytes | None
    appended_at: datetime
    dead_at: datetime

    @property
    def letter_id(self) -> str:
        """What the commands call it."""
        return f"{views_schema(self.projection, self.version)}:{self.topic}:{self.partition}:{self.record_offset}"

    @property
    def feed(self) -> tuple[str, int, str]:
        """The feed that set it aside."""
        return (self.projection, self.version, self.topic)


class Judgement(msgspec.Struct, frozen=True):
    """What a dead letter is with the code of today: `fact`, `unknown_type` or `no_fact`, and the particulars."""

    id: str
    outcome: str
    detail: str


class NoSuchLetter(Exception):
    """There is no dead letter of that id."""


def print_list(settings: Settings, as_json: bool) -> int:
    """The records that were set aside, oldest first."""
    letters = run_with_pool(settings, read_letters)
    if as_json:
        print(msgspec.json.encode({"dead_letters": [_line(letter) for letter in letters]}).decode())
    else:
        columns = ["id", "reason", "set aside"]
        rows = ([letter.letter_id, letter.reason, _instant(letter.dead_at)] for letter in letters)
        terminal().print(table_of(columns, rows))
    return EXIT_OK


def print_letter(settings: Settings, letter_id: str, as_json: bool) -> int:
    """One dead letter: why, from where, and what stands in it. Raises UsageError, NoSuchLetter."""
    place = parse_id(letter_id)
    letter = run_with_pool(settings, lambda pool: find_letter(pool, place))
    if as_json:
        print(msgspec.json.encode(described(letter)).decode())
    else:
        for name, value in described(letter).items():
            print(clean(f"{name:<12} {'(none)' if value is None else value}").plain)
    return EXIT_OK


def print_replay(settings: Settings, letter_ids: Sequence[str], as_json: bool) -> int:
    """What the dead letters (all, if none is named) are today; 0 if none is a fact that the views lack, else 1.

    Raises UsageError, NoSuchLetter.
    """
    places = [parse_id(letter_id) for letter_id in letter_ids]

    async def work(pool: asyncpg.Pool) -> list[Judgement]:
        letters = [await find_letter(pool, place) for place in places] if places else await read_letters(pool)
        counts = {(row[0], row[1], row[2]): row[3] for row in await pool.fetch(_PARTITIONS)} if letters else {}
        return [judge(letter, counts.get(letter.feed, 0)) for letter in letters]

    judgements = run_with_pool(settings, work)
    facts = sum(judgement.outcome == "fact" for judgement in judgements)
    if as_json:
        print(msgspec.json.encode({"dead_letters": judgements, "rebuild_needed": facts > 0}).decode())
    else:
        terminal().print(table_of(["id", "today", "detail"], (msgspec.structs.astuple(one) for one in judgements)))
        print(told_of(len(judgements), facts))
    return EXIT_FAILED if facts else EXIT_OK


def told_of(letters: int, facts: int) -> str:
    """The line under the judgements."""
    if not facts:
        return f"{letters:,} dead letters, none of them a fact for this release: nothing to replay."
    return (
        f"{facts:,} of {letters:,} dead letters are facts for this release. Nothing was changed: each stands before"
        " facts that are folded already, and only a rebuild of the views puts it into its place in the order."
    )


def judge(letter: Letter, partitions: int) -> Judgement:
    """What the record is with the code of today, in a topic of so many partitions."""
    record = Record(letter.record_offset, 0, letter.key, letter.value)
    decoded = decode_records([record], letter.partition, max(partitions, 1))
    for dead in decoded.dead_letters:
        return Judgement(letter.letter_id, "no_fact", dead.reason)
    for type_name in decoded.skipped:
        return Judgement(letter.letter_id, "unknown_type", type_name)
    ((school, ((_, fact),)),) = decoded.schools.items()
    return Judgement(letter.letter_id, "fact", f"{type(fact).__name__} of school {school}, event {fact.event_id}")


def parse_id(letter_id: str) -> tuple[str, int, str, int, int]:
    """Projection, version, topic, partition and offset of an id. Raises UsageError."""
    match = _ID.fullmatch(letter_id)
    if match is None:
        raise UsageError(f"{letter_id!r} is no id of a dead letter: `markledger deadletters list` shows them")
    projection, version, topic, partition, offset = match.groups()
    return projection, int(version), topic, int(partition), int(offset)


def described(letter: Letter) -> dict[str, Any]:
    """What `show` tells, in its order; bytes as printable text, cut."""
    value = letter.value
    return {
        "id": letter.letter_id,
        "reason": letter.reason,
        "projection": letter.projection,
        "version": letter.version,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.record_offset,
        "appended_at": _instant(letter.appended_at),
        "dead_at": _instant(letter.dead_at),
        "key": printable_bytes(letter.key),
        "value_bytes": None if value is None else len(value),
        "value": printable_bytes(value),
    }


def printable_bytes(data: bytes | None) -> str | None:
    """Bytes as one line: UTF-8 where it is, everything that does not print escaped, cut after so many characters."""
    if data is None:
        return None
    text = data[: 4 * VALUE_CHARACTERS_MAX].decode("utf-8", "backslashreplace")
    escaped = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    if len(escaped) <= VALUE_CHARACTERS_MAX:
        return escaped
    return escaped[:VALUE_CHARACTERS_MAX] + "…"


async def read_letters(pool: asyncpg.Pool) -> list[Letter]:
    """The first dead letters, oldest first; nothing before the first projector has started."""
    if await pool.fetchval("SELECT to_regclass('projection.dead_letter')") is None:
        return []
    return [Letter(**row) for row in await pool.fetch(_LIST, LETTERS_MAX)]


async def find_letter(pool: asyncpg.Pool, place: tuple[str, int, str, int, int]) -> Letter:
    """The dead letter at that place. Raises NoSuchLetter."""
    row = None
    if await pool.fetchval("SELECT to_regclass('projection.dead_letter')") is not None:
        row = await pool.fetchrow(_FIND, *place)
    if row is None:
        raise NoSuchLetter("there is no such dead letter: `markledger deadletters list` shows those that there are")
    return Letter(**row)


def _line(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.letter_id,
        "projection": letter.projection,
        "version": letter.version,
        "topic": letter.topic,
        "partition": letter.partition,
        "record_offset": letter.record_offset,
        "reason": letter.reason,
        "dead_at": _instant(letter.dead_at),
    }


def _instant(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")
