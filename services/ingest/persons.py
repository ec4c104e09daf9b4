"""Which pupil ids of a school are one person now, from the facts of the school: for an erasure, which must find all.

The rules are those of the views (`services.domain.people`); the facts come record by record, so that most of them can
be passed over unread. Nothing is kept between two erasures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import structlog

from schemas.codec import InvalidFact, UnknownFactType, decode_fact
from schemas.events import AnyFact, FactWithdrawn, PupilEnrolled, PupilsMerged, PupilsSplit
from services.domain.people import Enrolled, Paired, join_people, ordered
from services.domain.periods import holds_at, since
from services.domain.standing import Told, standing
from services.runtime.log.interface import Record

_TELLS_WHO = re.compile(rb'"(?:PupilEnrolled|PupilsMerged|PupilsSplit|FactWithdrawn)"')
_NOW = 2**32 - 2
"""After everything that was told, and before the end of time."""

_log = structlog.get_logger("markledger.ingest.persons")


class Persons:
    """What the facts of one school say about who is whom. `read_to`: the offset where reading goes on."""

    def __init__(self, school: str) -> None:
        self.read_to = 0
        self._school = school.encode("utf-8")
        self._facts: dict[str, tuple[AnyFact, Told]] = {}
        self._families: dict[str, list[Told]] = {}
        self._withdrawals: dict[bytes, list[Told]] = {}
        self._slots: dict[str, int] = {}

    def add(self, records: Iterable[Record]) -> None:
        """Take in the next records of the school's partition."""
        for record in records:
            self.read_to = record.offset + 1
            if record.key == self._school and record.value is not None and _TELLS_WHO.search(record.value):
                self._add(record.offset, record.value)

    def group_of(self, pupil: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """All ids that are one person with this one, and the persons that no other id is said to be."""
        enrolled, paired = self._standing()
        people = join_people(enrolled, paired)
        names = {slot: name for name, slot in self._slots.items()}
        slot = self._slots.get(pupil)
        if slot is None:
            return (pupil,), ()
        owner = people.owner(slot, _NOW)
        slots = {each for each in names if people.owner(each, _NOW) == owner}
        persons = {each.person for each in enrolled if each.slot in slots}
        persons -= {each.person for each in enrolled if each.slot not in slots}
        return tuple(sorted(names[each] for each in slots)), tuple(sorted(persons))

    def _add(self, offset: int, value: bytes) -> None:
        try:
            fact = decode_fact(value)
        except (InvalidFact, UnknownFactType):
            _log.warning("record skipped", offset=offset)
            return
        if fact.event_id in self._facts:
            return
        told = Told(fact.event_id.encode("utf-8"), int(fact.recorded_at.timestamp()), offset)
        self._facts[fact.event_id] = (fact, told)
        if fact.key:
            self._families.setdefault(fact.key, []).append(told)
        if isinstance(fact, FactWithdrawn):
            self._withdrawals.setdefault(fact.withdraws.encode("utf-8"), []).append(told)
        for name in (getattr(fact, "pupil", None), getattr(fact, "other", None)):
            if name is not None:
                self._slots.setdefault(name, len(self._slots))

    def _standing(self) -> tuple[list[Enrolled], list[Paired]]:
        """What stands now, as if it had always: who is whom is asked for now alone."""
        enrolled: list[Enrolled] = []
        paired: list[Paired] = []
        for fact, told in self._facts.values():
            family = [each for each in self._families.get(fact.key, ()) if each is not told]
            if not holds_at(standing(told, family, self._withdrawals), _NOW):
                continue
            order = (told.recorded_at, told.offset)
            if isinstance(fact, PupilEnrolled) and fact.same_person:
                enrolled.append(Enrolled(self._slots[fact.pupil], fact.same_person, order, since(0)))
            elif isinstance(fact, PupilsMerged | PupilsSplit) and fact.pupil != fact.other:
                pair = ordered(self._slots[fact.pupil], self._slots[fact.other])
                paired.append(Paired(pair, isinstance(fact, PupilsMerged), order, since(0)))
        return enrolled, paired
