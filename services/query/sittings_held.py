"""Every result and judgement of a school as columns, and which stand as known at an instant; made once of its facts.

Pure. Which of them counts is said in `fact_values` and in the reports; a sitting is a row, never a pupil.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from schemas.columns import column_of_judgement, column_of_test
from schemas.events import JudgementRecorded, ResultRecorded
from services.domain.periods import holds_at
from services.query.facts_held import HeldFacts, Ints, Mask, OtherFact
from services.query.facts_known import KnownFacts


class Rows(NamedTuple):
    """Some sittings, in the order of truth: whose they are, their days, and their places in the table."""

    slots: Ints
    days: Ints
    places: Ints


class HeldSittings:
    """The results and judgements of a school, whether they stand or not."""

    def __init__(self, held: HeldFacts) -> None:
        self.told: Sequence[OtherFact] = list(held.others_of(ResultRecorded, JudgementRecorded))
        self._stands = held.stands_of(self.told)
        count = len(self.told)
        self.slots, self.days, self.columns, self.texts = (np.zeros(count, np.int64) for _ in range(4))
        sequences, recorded_at, offsets = (np.zeros(count, np.int64) for _ in range(3))
        self.column_names: dict[str, int] = {}
        self.text_names: dict[str, int] = {}
        self.names: list[str] = []
        for place, (fact, told) in enumerate(self.told):
            column, text, day, name = _said(fact)
            self.slots[place] = held.slot_of[fact.pupil]  # type: ignore[union-attr]  # only those that name a pupil
            self.days[place], sequences[place] = day, fact.sequence
            recorded_at[place], offsets[place] = told.recorded_at, told.offset
            self.columns[place] = self.column_names.setdefault(column, len(self.column_names))
            self.texts[place] = self.text_names.setdefault(text, len(self.text_names))
            self.names.append(name)
        self._order = np.lexsort((offsets, recorded_at, sequences, self.days))

    @cached_property
    def texts_told(self) -> Sequence[str]:
        """The scores and values, by their numbers."""
        return list(self.text_names)

    def standing_at(self, known_at: int) -> Mask:
        """Which of them stand as known at an instant."""
        return np.array([holds_at(self._stands[told.offset], known_at) for _, told in self.told], np.bool_)

    def rows(self, known: KnownFacts, columns: Iterable[str], *, since: int, until: int, name: str = "") -> Rows:
        """Those of some columns (and of a name, if one is given) within days, both inclusive, that stand."""
        numbers = [self.column_names[column] for column in columns if column in self.column_names]
        there = np.isin(self.columns, numbers) & (self.days >= since) & (self.days <= until)
        if name:
            there &= np.array([each == name for each in self.names], np.bool_)
        there &= _standing(self, known.known_at)
        places = self._order[there[self._order]]
        return Rows(known.owners[self.slots[places]], self.days[places], places)

    def columns_of_test(self, test: str) -> list[str]:
        """The columns of a test that anything was ever told in."""
        return [column for column in self.column_names if column.startswith(f"test:{test}:")]


def sittings_of(held: HeldFacts) -> HeldSittings:
    """The sittings of a school's facts; made once."""
    found = _MADE.get(held)
    if found is None:
        found = _MADE[held] = HeldSittings(held)
    return found


def latest_of_days(rows: Rows) -> Rows:
    """Of each pupil and day the one that counts: the last by the order of truth."""
    return _last_of(rows, rows.slots << 32 | rows.days)


def latest_of_pupils(rows: Rows) -> Rows:
    """Of each pupil the one that counts."""
    return _last_of(rows, rows.slots)


def first_of_pupils(rows: Rows) -> Rows:
    """Of each pupil that of the first day."""
    rows = latest_of_days(rows)
    _, firsts = np.unique(rows.slots, return_index=True)
    return Rows(*(column[firsts] for column in rows))


def best_of_pupils(rows: Rows, worth: Ints) -> Rows:
    """Of each pupil the one that is worth most, and of equals the latest. `worth`: of each place of the table."""
    rows = latest_of_days(rows)
    order = np.lexsort((rows.days, worth[rows.places], rows.slots))
    rows = Rows(*(column[order] for column in rows))
    return _last_of(rows, rows.slots)


def _last_of(rows: Rows, keys: Ints) -> Rows:
    order = np.argsort(keys, kind="stable")
    last = order[np.flatnonzero(np.diff(keys[order], append=-1))]
    return Rows(*(column[last] for column in rows))


def _said(fact: object) -> tuple[str, str, int, str]:
    """(column, score or value, ordinal of the day, name) of a result or judgement."""
    if isinstance(fact, ResultRecorded):
        column = column_of_test(fact.test, fact.subject, fact.component, fact.score_type)
        return column, fact.score, fact.sat_on.toordinal(), ""
    assert isinstance(fact, JudgementRecorded)
    return column_of_judgement(fact.subject, fact.scale), fact.value, fact.judged_on.toordinal(), fact.name


def _standing(sittings: HeldSittings, known_at: int) -> Mask:
    """Kept for the instant last asked for: a report asks for one."""
    kept = _STANDING.get(sittings)
    if kept is None or kept[0] != known_at:
        kept = _STANDING[sittings] = (known_at, sittings.standing_at(known_at))
    return kept[1]


_MADE: WeakKeyDictionary[HeldFacts, HeldSittings] = WeakKeyDictionary()
_STANDING: WeakKeyDictionary[HeldSittings, tuple[int, Mask]] = WeakKeyDictionary()
