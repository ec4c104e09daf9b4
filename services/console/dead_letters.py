"""`markledger deadletters list|show|replay`: the records that the projector set aside, and what they would be today.

An id is PROJECTION_vVERSION:TOPIC:PARTITION:OFFSET. Nothing here changes a view: the views are a function of the order
of the log, a fact that was set aside stands at an earlier offset than those folded since, and only views that are built
anew from the beginning have it there. So a letter belongs to the version of the views that set it aside.
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
_COLUMNS = (
    "d.projection, d.version, d.topic, d.partition, d.record_offset, d.reason, d.key, d.value, d.appended_at,"
    " d.dead_at, a.version AS active_version"
)
_LETTERS = f"SELECT {_COLUMNS} FROM projection.dead_letter AS d LEFT JOIN projection.active AS a USING (projection)"
_LIST = f"""
{_LETTERS} ORDER BY d.projection, d.version DESC, d.dead_at, d.topic, d.partition, d.record_offset LIMIT $1"""
_FIND = f"""
{_LETTERS} WHERE projection = $1 AND d.version = $2 AND d.topic = $3 AND d.partition = $4 AND d.record_offset = $5"""
_NEXT_VERSION = """
SELECT coalesce(max(version) FILTER (WHERE state = 'building'), max(version) + 1, 1) FROM projection.version"""
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
    active_version: int | None = None

    @property
    def letter_id(self) -> str:
        """What the commands call it."""
        return f"{views_schema(self.projection, self.version)}:{self.topic}:{self.partition}:{self.record_offset}"

    @property
    def feed(self) -> tuple[str, int, str]:
        """The feed that set it aside."""
        return (self.projection, self.version, self.topic)

    @property
    def standing(self) -> str:
        """What the version that set it aside is to reports: `active`, `older` (they have a newer one) or `newer`."""
        if self.active_version is None or self.version == self.active_version:
            return "active"
        return "older" if self.version < self.active_version else "newer"


class Judgement(msgspec.Struct, frozen=True):
    """What a dead letter is with the code of today: `fact`, `unknown_type` or `no_fact`, and the particulars.

    `standing` is that of the version that it belongs to.
    """

    id: str
    standing: str
    outcome: str
    detail: str

    @property
    def missing(self) -> bool:
        """Whether it is a fact that views lack which are not replaced yet."""
        return self.outcome == "fact" and self.standing != "older"


class NoSuchLetter(Exception):
    """There is no dead letter of that id."""


def print_list(settings: Settings, as_json: bool) -> int:
    """The records that were set aside, oldest first."""
    letters = run_with_pool(settings, read_letters)
    if as_json:
        print(msgspec.json.encode({"dead_letters": [_line(letter) for letter in letters]}).decode())
    else:
        columns = ["id", "views", "reason", "set aside"]
        rows = ([one.letter_id, one.standing, one.reason, _instant(one.dead_at)] for one in letters)
        terminal().print(table_of(columns, rows))
        older = sorted({views_schema(one.projection, one.version) for one in letters if one.standing == "older"})
        if older:
            print(f"{', '.join(older)}: replaced since; `markledger projector retire VERSION` takes its letters too.")
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

    async def work(pool: asyncpg.Pool) -> tuple[list[Judgement], int]:
        letters = [await find_letter(pool, place) for place in places] if places else await read_letters(pool)
        counts = {(row[0], row[1], row[2]): row[3] for row in await pool.fetch(_PARTITIONS)} if letters else {}
        judgements = [judge(letter, counts.get(letter.feed, 0)) for letter in letters]
        return judgements, await pool.fetchval(_NEXT_VERSION) if letters else 0

    judgements, version = run_with_pool(settings, work)
    commands = next_commands(judgements, version)
    if as_json:
        answer = {"dead_letters": judgements, "rebuild_needed": bool(commands), "next": commands}
        print(msgspec.json.encode(answer).decode())
    else:
        columns = ["id", "views", "today", "detail"]
        terminal().print(table_of(columns, (msgspec.structs.astuple(one) for one in judgements)))
        print(told_of(judgements))
        print("\n".join(f"  {command}" for command in commands))
    return EXIT_FAILED if commands else EXIT_OK


def told_of(judgements: Sequence[Judgement]) -> str:
    """The line under the judgements."""
    facts = sum(judgement.missing for judgement in judgements)
    if not facts:
        return f"{len(judgements):,} dead letters, none of them a fact that the views lack: nothing to replay."
    return (
        f"{facts:,} of {len(judgements):,} dead letters are facts for this release. Nothing was changed: each stands"
        " before facts that are folded already, and only views that are built anew have it in its place. Do now:"
    )


def next_commands(judgements: Sequence[Judgement], version: int) -> list[str]:
    """What puts the facts among them into the views, in this order; nothing if there is none.

    `version` is the one that a rebuild makes. It differs from the present one by these facts, which has to be said.
    """
    facts = sum(judgement.missing for judgement in judgements)
    if not facts:
        return []
    reason = f"{facts} dead letters are facts now"
    return [
        "markledger projector rebuild",
        f"markledger projector compare {version}",
        f'markledger projector promote {version} --despite-differences "{reason}"',
    ]


def judge(letter: Letter, partitions: int) -> Judgement:
    """What the record is with the code of today, in a topic of so many partitions."""
    record = Record(letter.record_offset, 0, letter.key, letter.value)
    decoded = decode_records([record], letter.partition, max(partitions, 1))
    for dead in decoded.dead_letters:
        return Judgement(letter.letter_id, letter.standing, "no_fact", dead.reason)
    for type_name in decoded.skipped:
        return Judgement(letter.letter_id, letter.standing, "unknown_type", type_name)
    ((school, ((_, fact),)),) = decoded.schools.items()
    detail = f"{type(fact).__name__} of school {school}, event {fact.event_id}"
    return Judgement(letter.letter_id, letter.standing, "fact", detail)


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
        "views": letter.standing,
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
        "views": letter.standing,
        "topic": letter.topic,
        "partition": letter.partition,
        "record_offset": letter.record_offset,
        "reason": letter.reason,
        "dead_at": _instant(letter.dead_at),
    }


def _instant(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")
