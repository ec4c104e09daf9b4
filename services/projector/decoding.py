"""Records of one partition to the facts of each school: pure, and the same live, in a rebuild and in `verify`.

Bytes that are no fact become dead letters, a fact of an unknown type is counted and skipped, nothing else is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.codec import InvalidFact, UnknownFactType, decode_fact
from schemas.events import AnyFact
from schemas.topics import partition_for
from services.runtime.log.interface import Record

REASON_CHARACTERS_MAX = 500


class DeadLetter(msgspec.Struct, frozen=True):
    """A record that holds no fact of its partition, and why."""

    record: Record
    reason: str


class Decoded(msgspec.Struct):
    """The facts of a batch by school, in the order of the log, and what else there was."""

    schools: dict[str, list[tuple[int, AnyFact]]]
    dead_letters: list[DeadLetter]
    skipped: dict[str, int]
    facts: int


def decode_records(records: Sequence[Record], partition: int, partitions: int) -> Decoded:
    """What the records of `partition` (of `partitions`) say."""
    decoded = Decoded({}, [], {}, 0)
    for record in records:
        try:
            fact = decode_fact(record.value)
            facts = decoded.schools.get(fact.school)
            if facts is None:
                _check_partition(fact.school, partition, partitions)
                facts = decoded.schools[fact.school] = []
            if record.key != fact.school.encode():
                raise InvalidFact("the key of the record is not the school of the fact")
        except UnknownFactType as unknown:
            decoded.skipped[unknown.type_name] = decoded.skipped.get(unknown.type_name, 0) + 1
        except InvalidFact as invalid:
            decoded.dead_letters.append(DeadLetter(record, printable(str(invalid))))
        else:
            facts.append((record.offset, fact))
            decoded.facts += 1
    decoded.schools = {school: facts for school, facts in decoded.schools.items() if facts}
    return decoded


def printable(reason: str) -> str:
    """A reason as PostgreSQL can keep it: short, without NUL."""
    return reason.replace("\x00", "\\x00")[:REASON_CHARACTERS_MAX]


def _check_partition(school: str, partition: int, partitions: int) -> None:
    """A school in a second partition would have a second writer and no order."""
    if not school or "\x00" in school:
        raise InvalidFact("the school is no identifier")
    expected = partition_for(school.encode(), partitions)
    if expected != partition:
        raise InvalidFact(f"the school belongs to partition {expected}")
