"""The facts of one school, unpacked for reports of single facts, and which of them stand as known at an instant.

Assessments are columns in the order of the log, every other fact is decoded when it is asked for. The rules of standing
and of who is whom are the domain's; a fact is never changed here, and nothing is read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.codec import decode_fact
from schemas.detail import COLUMNS, IDENTITY_BYTES, Chunk, chunks_of, identity_of
from schemas.events import AnyFact, CurriculumPublished, FactWithdrawn, PupilEnrolled, PupilsMerged, PupilsSplit
from services.domain.curriculum import Version
from services.domain.people import NOBODY_JOINED, Enrolled, Paired, People, join_people, ordered
from services.domain.periods import Periods, holds_at, since
from services.domain.standing import Told, standing

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

STATE_BITS = 32
"""A value is an objective's number above this many bits, and a state's number below."""
_NO_KEY = bytes(IDENTITY_BYTES)
_TYPE = b'{"type":"%s"'
_EXPANSION = 3
"""About what unpacked columns and what is looked up in them take, times the packed facts."""


class OtherFact(NamedTuple):
    """A fact that is no assessment, as it was told."""

    fact: AnyFact
    told: Told


class HeldFacts:
    """The facts of a school before an offset of its partition, from its rows of detail."""

    def __init__(self, detail: Sequence[bytes], before_offset: int) -> None:
        chunks = [chunk for data in detail for chunk in chunks_of(data)]
        self.pupils = [pupil for chunk in chunks for pupil in chunk.pupils]
        self.objectives = [objective for chunk in chunks for objective in chunk.objectives]
        self.states = [state for chunk in chunks for state in chunk.states]
        columns = [_column(chunks, number, code) for number, code in enumerate(COLUMNS.values())]
        taken = np.flatnonzero(columns[-1] < before_offset)
        self.slots, self.values, self.days, self.sequences, self.recorded_at, self.offsets = (
            column[taken] for column in columns
        )
        self.identities = _sixteens([chunk.identities for chunk in chunks])[taken]
        self.keys = _sixteens([chunk.keys for chunk in chunks])[taken]
        self._others = [(offset, data) for chunk in chunks for offset, data in chunk.others if offset < before_offset]
        self.size = sum(map(len, detail)) * _EXPANSION

    def __len__(self) -> int:
        return int(self.offsets.size) + len(self._others)

    def told(self, row: int) -> Told:
        """How an assessment was told."""
        return Told(self.identities[row].tobytes(), int(self.recorded_at[row]), int(self.offsets[row]))

    def others_of(self, *types: type[AnyFact]) -> Iterator[OtherFact]:
        """The facts of some types that are no assessments, in the order of the log."""
        starts = tuple(_TYPE % kind.__name__.encode() for kind in types)
        for offset, data in self._others:
            if data.startswith(starts):
                yield _other(offset, data)

    def others_naming(self, words: Iterable[str]) -> Iterator[OtherFact]:
        """The facts that are no assessments and hold any of some words (ids, keys), in the order of the log."""
        sought = re.compile(b"|".join(re.escape(word.encode()) for word in words) or b"(?!)")
        for offset, data in self._others:
            if sought.search(data):
                yield _other(offset, data)

    def others_told(self, after: int, until: int) -> list[OtherFact]:
        """The facts that are no assessments and were told after one instant and up to another."""
        others = (_other(offset, data) for offset, data in self._others)
        return [each for each in others if after < each.told.recorded_at <= until]

    # --- standing ---

    @cached_property
    def withdrawals(self) -> dict[bytes, list[Told]]:
        """The withdrawals that name an identity."""
        found: dict[bytes, list[Told]] = defaultdict(list)
        for fact, told in self.others_of(FactWithdrawn):
            assert isinstance(fact, FactWithdrawn)
            found[identity_of(fact.withdraws)].append(told)
        return dict(found)

    @cached_property
    def families(self) -> dict[bytes, list[int]]:
        """The assessments of each key that was told more than once."""
        halves = self.keys[:, 0]
        candidates = np.flatnonzero((self.keys != 0).any(axis=1))
        order = candidates[np.argsort(halves[candidates], kind="stable")]
        alike = halves[order][1:] == halves[order][:-1]
        several = order[np.concatenate([alike, [False]]) | np.concatenate([[False], alike])] if order.size else order
        found: dict[bytes, list[int]] = defaultdict(list)
        for row in several.tolist():
            found[self.keys[row].tobytes()].append(row)
        return {key: rows for key, rows in found.items() if len(rows) > 1}

    def family_of(self, row: int) -> list[int]:
        """The assessments of one key, the row's own."""
        key = self.keys[row].tobytes()
        return [row] if key == _NO_KEY else self.families.get(key, [row])

    def periods(self, row: int) -> Periods:
        """When an assessment stands."""
        family = [self.told(other) for other in self.family_of(row) if other != row]
        return standing(self.told(row), family, self.withdrawals)

    @cached_property
    def _intricate(self) -> tuple[Ints, Ints, Ints, Ints]:
        """The assessments that do not simply stand since they were told; and (row, from, to) of when they do."""
        named = np.frombuffer(b"".join(self.withdrawals), np.uint64).reshape(-1, 2)[:, 0]
        rows = {row for family in self.families.values() for row in family}
        if named.size:
            candidates = np.flatnonzero(np.isin(self.identities[:, 0], named)).tolist()
            rows |= {row for row in candidates if self.identities[row].tobytes() in self.withdrawals}
        ordered_rows = sorted(rows)
        stood = [(row, *period) for row in ordered_rows for period in self.periods(row)]
        table = np.array(stood, np.int64).reshape(-1, 3)
        return np.array(ordered_rows, np.int64), table[:, 0], table[:, 1], table[:, 2]

    def standing_at(self, known_at: int) -> Mask:
        """Which assessments stand as known at an instant."""
        stands = self.recorded_at <= known_at
        rows, stood, known_from, known_to = self._intricate
        stands[rows] = False
        stands[stood[(known_from <= known_at) & (known_at < known_to)]] = True
        return stands

    # --- who is whom ---

    @cached_property
    def slot_of(self) -> dict[str, int]:
        """The slot of each pupil id."""
        return {pupil: slot for slot, pupil in enumerate(self.pupils)}

    @cached_property
    def people(self) -> People:
        """Who is whom, and when."""
        enrolments = [other for other in self.others_of(PupilEnrolled) if getattr(other.fact, "same_person", "")]
        slots_of: dict[str, set[int]] = defaultdict(set)
        for fact, _ in enrolments:
            assert isinstance(fact, PupilEnrolled)
            slots_of[fact.same_person].add(self.slot_of[fact.pupil])
        shared = {person for person, slots in slots_of.items() if len(slots) > 1}
        pairs = list(self.others_of(PupilsMerged, PupilsSplit))
        if not shared and not pairs:
            return NOBODY_JOINED
        stands = self._stands_of_others(PupilEnrolled, PupilsMerged, PupilsSplit)
        enrolled, paired = [], []
        for fact, told in [*enrolments, *pairs]:
            at, when = (told.recorded_at, told.offset), stands[told.offset]
            if isinstance(fact, PupilEnrolled) and fact.same_person in shared:
                enrolled.append(Enrolled(self.slot_of[fact.pupil], fact.same_person, at, when))
            elif isinstance(fact, PupilsMerged | PupilsSplit) and fact.pupil != fact.other:
                pair = ordered(self.slot_of[fact.pupil], self.slot_of[fact.other])
                paired.append(Paired(pair, isinstance(fact, PupilsMerged), at, when))
        return join_people(enrolled, paired)

    def owners_at(self, known_at: int) -> Ints:
        """Of each slot that of the pupil who it is, as known at an instant."""
        owners = np.arange(len(self.pupils), dtype=np.int64)
        people = self.people
        for instant, joined in zip(people.instants, people.owners, strict=True):
            if instant <= known_at:
                owners = np.arange(len(self.pupils), dtype=np.int64)
                owners[list(joined)] = list(joined.values())
        return owners

    def standing_others(self, known_at: int, *types: type[AnyFact]) -> list[OtherFact]:
        """The facts of some types, each with keys of its own, that stand as known at an instant."""
        stands = self._stands_of_others(*types)
        return [other for other in self.others_of(*types) if holds_at(stands[other.told.offset], known_at)]

    def stands_of(self, others: Sequence[OtherFact]) -> dict[int, Periods]:
        """When some facts stand, by offset. All facts of a key have to be among them."""
        families: dict[str, list[Told]] = defaultdict(list)
        for fact, told in others:
            if fact.key:
                families[fact.key].append(told)
        found: dict[int, Periods] = {}
        for fact, told in others:
            family = [other for other in families.get(fact.key, ()) if other.offset != told.offset]
            simple = not family and told.identity not in self.withdrawals
            found[told.offset] = since(told.recorded_at) if simple else standing(told, family, self.withdrawals)
        return found

    def _stands_of_others(self, *types: type[AnyFact]) -> dict[int, Periods]:
        return self.stands_of(list(self.others_of(*types)))

    # --- curriculum ---

    @cached_property
    def versions(self) -> list[Version]:
        """The framework versions that were told, and when each stands."""
        stands = self._stands_of_others(CurriculumPublished)
        return [
            Version(fact, (told.recorded_at, told.offset), stands[told.offset])
            for fact, told in self.others_of(CurriculumPublished)
            if isinstance(fact, CurriculumPublished)
        ]

    # --- assessments of a subject ---

    @cached_property
    def _rows_by_subject(self) -> dict[str, Ints]:
        """The assessments of each subject, in the order of truth."""
        subjects = list(dict.fromkeys(subject for subject, _ in self.objectives))
        number_of = {subject: number for number, subject in enumerate(subjects)}
        subject_of = np.array([number_of[subject] for subject, _ in self.objectives], np.int64)
        mine = subject_of[self.values >> STATE_BITS] if subjects else np.zeros(0, np.int64)
        order = np.lexsort((self.offsets, self.recorded_at, self.sequences, self.days, mine))
        ends = np.searchsorted(mine[order], np.arange(len(subjects) + 1))
        return {subject: order[ends[n] : ends[n + 1]] for n, subject in enumerate(subjects)}

    def rows_of(self, subject: str) -> Ints:
        """The assessments of a subject, in the order of truth."""
        return self._rows_by_subject.get(subject, np.zeros(0, np.int64))

    def objective_name(self, row: int) -> str:
        """The objective of an assessment."""
        return self.objectives[int(self.values[row]) >> STATE_BITS][1]

    def state_name(self, row: int) -> str:
        """The state of an assessment."""
        return self.states[int(self.values[row]) & ((1 << STATE_BITS) - 1)]


def _column(chunks: Sequence[Chunk], number: int, code: str) -> Ints:
    data = b"".join(chunk.columns[number] for chunk in chunks)
    return np.frombuffer(data, dtype=f"={code}").astype(np.int64)


def _sixteens(parts: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    return np.frombuffer(b"".join(parts), np.uint64).reshape(-1, 2)


def _other(offset: int, data: bytes) -> OtherFact:
    fact = decode_fact(data)
    return OtherFact(fact, Told(identity_of(fact.event_id), int(fact.recorded_at.timestamp()), offset))
