"""By which cut-offs the pupils of a report are banded in one measure on one day: one set for all, or several.

Settings may differ by school and by the pupil's year group on the measure's own day. Pure: where cut-offs come from is
decided in `services.query.attainment`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import msgspec
import numpy as np
import numpy.typing as npt

from services.domain.bands import LEVELS, NO_DATA, BandArray, Bands, levels
from services.domain.measures import Measure
from services.query.answers import Provenance
from services.query.axis import Axis, unpack_words
from services.query.population import Cohort
from services.query.school_index import Ints
from services.query.stored import WORD_BITS

NOBODY = -1


class NoCutOffs(Exception):
    """A pupil who counts has a value, and the settings say nothing of the pupil's year group."""

    def __init__(self, measure: str, school: str, year_group: str | None) -> None:
        super().__init__(f"{measure}: {school}, {year_group}")
        self.measure = measure
        self.school = school
        self.year_group = year_group


class Banding(msgspec.Struct, frozen=True):
    """The cut-offs of everybody; or (None) those of each school and year group (None = not known) that has any."""

    everybody: Bands | None
    by_group: Mapping[tuple[str, str | None], Bands] = {}

    def shown(self) -> list[int | str] | None:
        """The cut-offs as answers hold them; None where they differ, and the settings of the answer tell them."""
        return None if self.everybody is None else self.everybody.shown()

    def of(self, school: str, year_group: str | None) -> Bands | None:
        """The cut-offs of a pupil."""
        return self.by_group.get((school, year_group)) if self.everybody is None else self.everybody

    def levels(self, cohort: Cohort, measure: Measure, day: date) -> npt.NDArray[np.int64]:
        """`bands.levels` as a column for everybody, or one for each place of the axis. Raises NoCutOffs."""
        if self.everybody is not None:
            return levels(self.everybody, per_unit=measure.per_unit)[:, None]
        distinct = {bands: number for number, bands in enumerate(dict.fromkeys(self.by_group.values()))}
        numbers = self._numbers(cohort.axis, measure.day(day), distinct)
        _require_cut_offs(cohort, measure, measure.day(day), numbers)
        out_of_reach = np.full((1, LEVELS), np.iinfo(np.int64).max)
        out_of_reach[0, 0], out_of_reach[0, 1] = NO_DATA, 0
        table = np.concatenate(
            [*(levels(bands, per_unit=measure.per_unit)[None, :] for bands in distinct), out_of_reach]
        )
        return np.take(table.T, numbers, axis=1)

    def classify(self, cohort: Cohort, measure: Measure, day: date) -> BandArray:
        """The band of each pupil of the cohort, or NO_DATA or NOT_APPLICABLE. Raises NoCutOffs."""
        if self.everybody is not None:
            return cohort.classify(measure, day, self.everybody)
        cuts = self.levels(cohort, measure, day)[2:, cohort.places]
        amounts = cohort.axis.values(measure, day).amounts[cohort.places]
        return np.where(amounts < 0, amounts, (amounts >= cuts).sum(axis=0)).astype(np.int8)

    def _numbers(self, axis: Axis, day: date, distinct: Mapping[Bands, int]) -> Ints:
        """Of each place of the axis the number of its cut-offs, or NOBODY."""
        years, number_of = axis.year_groups(day), axis.year_group_names
        found = np.full(axis.size, NOBODY, np.int64)
        of_school: dict[str, Ints] = {}
        for (school, year_group), bands in self.by_group.items():
            table = of_school.setdefault(school, np.full(len(number_of) + 1, NOBODY, np.int64))
            if year_group is None or year_group in number_of:
                table[NOBODY if year_group is None else number_of[year_group]] = distinct[bands]
        for number, views in enumerate(axis.schools):
            table_of = of_school.get(views.index.school)
            if table_of is not None:
                place = slice(axis.word_starts[number] * WORD_BITS, axis.word_starts[number + 1] * WORD_BITS)
                found[place] = table_of[years[place]]
        return found


class Wish(msgspec.Struct, frozen=True):
    """How a measure on its own day is to be banded: by `bands`, by the `settings` named, or (neither) by the schools'
    own. `parameter` and `named_by`: what a refusal of the one or the other names."""

    measure: Measure
    on: date
    bands: Bands | None = None
    settings: str = ""
    parameter: str = "bands"
    named_by: str = "settings"


class Settled(msgspec.Struct, frozen=True):
    """The bandings of a report's measures, in their order, and the provenance that names their settings."""

    bandings: tuple[Banding, ...]
    provenance: Provenance


def as_typed(bands: Iterable[Bands | None], provenance: Provenance) -> Settled:
    """What is settled where the cut-offs come with the request."""
    return Settled(tuple(Banding(each) for each in bands), provenance)


def _require_cut_offs(cohort: Cohort, measure: Measure, day: date, numbers: Ints) -> None:
    axis = cohort.axis
    lacking = unpack_words(cohort.words) & (axis.values(measure, day).amounts >= 0) & (numbers == NOBODY)
    if lacking.any():
        place = int(np.flatnonzero(lacking)[0])
        school = next(n for n, end in enumerate(axis.word_starts[1:]) if place < end * WORD_BITS)
        year = int(axis.year_groups(day)[place])
        year_group = None if year < 0 else list(axis.year_group_names)[year]
        raise NoCutOffs(measure.text, axis.schools[school].index.school, year_group)
