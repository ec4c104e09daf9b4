"""What the pupils of one school have in each objective on a day, as arrays: slots down, objectives across.

The latest assessment decides; a state that the version in force lacks, or that counts as not assessed, is none. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from functools import cached_property

import msgspec
import numpy as np

from schemas.events import Objective
from services.domain.bands import BAND_IDS, Bands, classify_many
from services.domain.measures import ANY, OWN_YEAR
from services.domain.scores import percents
from services.query.fact_requests import RowKind
from services.query.facts_held import STATE_BITS
from services.query.facts_known import KnownFacts, Taught
from services.query.school_index import Ints, Mask

NO_STATE = -1
STRAND_UNNAMED = "Not known"
_NO_TAG = -2


class Pupils(msgspec.Struct, frozen=True):
    """The pupils of a school in a column, by slot: who is there, and the number of each one's year group that day."""

    there: Mask
    years: Ints
    year_numbers: Mapping[str, int]


class Mean(msgspec.Struct, frozen=True):
    """The exact sums over the pupils with data."""

    numerator: Fraction = Fraction(0)
    denominator: Fraction = Fraction(0)
    pupils: int = 0

    def __add__(self, other: Mean) -> Mean:
        return Mean(self.numerator + other.numerator, self.denominator + other.denominator, self.pupils + other.pupils)


class Tally(msgspec.Struct, frozen=True):
    """A row of a school in a column: how many are in each state or band, how many in none, and the mean."""

    counts: Mapping[str, int]
    none: int
    mean: Mean


class Sheet(msgspec.Struct, frozen=True, dict=True):
    """A subject of a school on a day. `rows`: the assessment that counts, whatever its state is worth, or -1."""

    known: KnownFacts
    taught: Taught
    objectives: tuple[Objective, ...]
    applies: Mask
    rows: Ints

    @cached_property
    def place_of(self) -> dict[str, int]:
        """The column of each objective."""
        return {each.objective: place for place, each in enumerate(self.objectives)}

    @cached_property
    def weights(self) -> Ints:
        """The scaled weight of each objective."""
        return np.array([self.taught.weight(each.objective) for each in self.objectives], np.int64)

    @cached_property
    def worths(self) -> Ints:
        """What each assessment that counts is worth in the version's scaled state weights, or NO_STATE."""
        held = self.known.held
        worth = np.array([*map(self.taught.content.state_worth, held.states), NO_STATE], np.int64)
        return np.where(self.applies, worth[self._states], NO_STATE)

    @cached_property
    def _states(self) -> Ints:
        """The number of the state of each assessment; the last stands for none."""
        held = self.known.held
        states = np.append(held.values & ((1 << STATE_BITS) - 1), len(held.states))
        return np.where(self.rows >= 0, states[self.rows], len(held.states))

    @cached_property
    def rows_by_kind(self) -> dict[RowKind, dict[str, list[int]]]:
        """The objectives of each row, by place, for rows of either kind; in the order of the source."""
        found: dict[RowKind, dict[str, list[int]]] = {"objective": {}, "strand": {}}
        for place, each in enumerate(self.objectives):
            for kind, rows in found.items():
                rows.setdefault(row_of(each, kind), []).append(place)
        return found

    @cached_property
    def _counts(self) -> dict[str, Ints]:
        """Of each state that counts, how many have it, by objective."""
        return {state: self.having(state).sum(axis=0) for state in self.state_names}

    @cached_property
    def _none(self) -> Ints:
        """How many to whom it applies have no state that counts, by objective."""
        found: Ints = (self.applies & (self.worths < 0)).sum(axis=0)
        return found

    def having(self, state: str) -> Mask:
        """Which assessments have a state, and count."""
        states = self.known.held.states
        number = states.index(state) if state in states else NO_STATE
        found: Mask = (self._states == number) & (self.worths >= 0)
        return found

    @cached_property
    def is_marked(self) -> bool:
        """Whether states are marks."""
        return self.taught.version.marks_max is not None

    @cached_property
    def state_names(self) -> list[str]:
        """The named states that count, in the order of the version."""
        return [each.state for each in self.taught.version.states if each.weight is not None]

    def sums(self, places: Sequence[int]) -> tuple[Ints, Ints, Ints]:
        """Of each pupil over some objectives: (numerator, weight that is covered, weight in scope), scaled."""
        chosen = list(places)
        weights, worths = self.weights[chosen], self.worths[:, chosen]
        covered = worths >= 0
        return np.where(covered, worths, 0) @ weights, covered @ weights, self.applies[:, chosen] @ weights

    def shown_percents(self, places: Sequence[int]) -> Ints:
        """Of each pupil the displayed percent over some objectives; NO_STATE without data."""
        numerators, covered, weights = self.sums(places)
        lane = self.taught.content.lane
        shown = percents(numerators, weights * (lane.state_scale * lane.marks_max))
        return np.where(covered > 0, shown, NO_STATE)

    def bands(self, places: Sequence[int], bands: Bands) -> Ints:
        """Of each pupil the band of that percent; NO_STATE without data."""
        return classify_many(self.shown_percents(places), bands).astype(np.int64)

    def tally(self, places: Sequence[int], bands: Bands | None) -> Tally:
        """A row over some objectives. Of marks pupils are counted by bands, else assessments by states."""
        chosen = list(places)
        numerators, covered, weights = self.sums(chosen)
        lane, with_data = self.taught.content.lane, covered > 0
        mean = Mean(
            Fraction(int(numerators[with_data].sum()), lane.weight_scale * lane.state_scale),
            Fraction(int(weights[with_data].sum()) * lane.marks_max, lane.weight_scale),
            int(with_data.sum()),
        )
        if bands is not None and self.is_marked:
            found = self.bands(chosen, bands)
            counts = {name: int((found == number).sum()) for number, name in enumerate(BAND_IDS)}
            return Tally(counts, int(((weights > 0) & ~with_data).sum()), mean)
        counts = {state: int(by_objective[chosen].sum()) for state, by_objective in self._counts.items()}
        return Tally(counts, int(self._none[chosen].sum()), mean)


def row_of(objective: Objective, kind: RowKind) -> str:
    """The id of the row that an objective belongs to; `:` and `%` inside a name are percent-encoded."""
    name = objective.objective if kind == "objective" else objective.strand or STRAND_UNNAMED
    return f"{kind}:{name.replace('%', '%25').replace(':', '%3A')}"


def in_scope(taught: Taught, ability: str) -> tuple[Objective, ...]:
    """The objectives with a weight of an ability (`own-year`: those with a tag), in the order of the source."""
    return tuple(
        each
        for each in taught.in_scope.values()
        if ability in (ANY, each.ability) or (ability == OWN_YEAR and each.year_group)
    )


def own_year(objectives: Sequence[Objective], pupils: Pupils) -> Mask:
    """Of each pupil which objectives are tagged with the pupil's own year group."""
    tags = [pupils.year_numbers.get(each.year_group, _NO_TAG) if each.year_group else _NO_TAG for each in objectives]
    found: Mask = pupils.years[:, None] == np.array(tags, np.int64)[None, :]
    return found


def lay_out(known: KnownFacts, taught: Taught, day: date, objectives: tuple[Objective, ...], applies: Mask) -> Sheet:
    """The sheet of a subject on a day. `applies`: for which pupils each objective is looked at."""
    place_of = {each.objective: place for place, each in enumerate(objectives)}
    held, subject = known.held, taught.subject.subject
    column_of = np.array(
        [place_of.get(name, NO_STATE) if of == subject else NO_STATE for of, name in held.objectives], np.int64
    )
    winners = known.winners(subject, day)
    columns = column_of[winners.objectives]
    taken = (columns >= 0) & (winners.slots < len(applies))
    rows = np.full(applies.shape, NO_STATE, np.int64)
    rows[winners.slots[taken], columns[taken]] = winners.rows[taken]
    return Sheet(known, taught, objectives, applies, rows)
