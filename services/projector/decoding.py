"""Records of one partition to the facts of each school: pure, and the same live, in a rebuild and in `verify`.

Bytes that are no fact become dead letters, a fact of an unknown type is counted and skipped, nothing else is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.codec import InvalidFact, UnknownFactType, decode_fact, decode_facts
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
    return _decode_at_once(records, partition, partitions) or _decode_each(records, partition, partitions)


def _decode_at_once(records: Sequence[Record], partition: int, partitions: int) -> Decoded | None:
    """The same where every record holds a fact of its key and partition; None if one does not."""
    facts = decode_facts([record.value for record in records])
    if facts is None:
        return None
    names = [fact.school for fact in facts]
    schools: dict[str, list[tuple[int, AnyFact]]] = {school: [] for school in dict.fromkeys(names)}
    if [record.key for record in records] != [school.encode() for school in names]:
        return None
    if not all(_is_home(school, partition, partitions) for school in schools):
        return None
    told = zip([record.offset for record in records], facts, strict=True)
    if len(schools) == 1:
        schools[names[0]] = list(told)
    else:
        for school, each in zip(names, told, strict=True):
            schools[school].append(each)
    return Decoded(schools, [], {}, len(facts))


def _decode_each(records: Sequence[Record], partition: int, partitions: int) -> Decoded:
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
    if not _is_identifier(school):
        raise InvalidFact("the school is no identifier")
    if not _is_home(school, partition, partitions):
        raise InvalidFact(f"the school belongs to partition {partition_for(school.encode(), partitions)}")


def _is_home(school: str, partition: int, partitions: int) -> bool:
    return _is_identifier(school) and partition_for(school.encode(), partitions) == partition


def _is_identifier(school: str) -> bool:
    return bool(school) and "\x00" not in school
