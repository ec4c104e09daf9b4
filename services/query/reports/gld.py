"""The good level of development: the profiles of a year by row, and goal by goal for each pupil.

Pure. Counted are those in the year groups of the profile, and whoever has one; who is exempt is outside the percent and
shown apart. The old profile's goals have the same codes and other names, so which profile it is goes with the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from schemas.definitions import TestDefined
from services.domain.eyfs import EYFSP, EYFSP_2013, PROFILES, Gld, Profile
from services.domain.measures import EYFS_GLD
from services.domain.scores import percent
from services.query.answers import Listing, Provenance, Pupil
from services.query.axis import Axis, pack_words
from services.query.breakdown import Rows, break_down
from services.query.external_requests import GldMembersRequest, GldRequest, Year
from services.query.external_values import numbers_of
from services.query.fact_values import Judged, ProfileValues, judge, profile_of
from services.query.notes import with_notes
from services.query.population import Cohort, cohort_of, gather_cohort
from services.query.questions import SINGLE_FACTS, Moment, Question, Reading
from services.query.reports.listing import Chosen, Listed, Paging, Pupils, cut_page, page_of
from services.query.reports.members import in_row
from services.query.reports.nation import Beside, beside_nation
from services.query.vectors import Ints, Mask, SchoolReading

REPORT = "gld"
CELLS: tuple[Gld, ...] = ("yes", "no", "incomplete", "exempt")
_NEW_PROFILE_SINCE = 2021


class Goal(msgspec.Struct, frozen=True):
    """A goal of the profile."""

    id: str
    name: str
    area: str
    prime: bool


class GldRow(msgspec.Struct, frozen=True):
    """One row. `of`: pupils less those exempt; means are of complete profiles, with two decimals. `national`: where it
    is asked for."""

    row: str
    pupils: int
    of: int
    gld: int
    percent: int | None
    mean_total: str | None
    mean_expected: str | None
    incomplete: int
    exempt: int
    national: Beside | UnsetType | None = UNSET


class ProfiledPupil(Pupil, frozen=True, kw_only=True):
    """A pupil's profile. `total` None: goals lack, or the pupil is exempt."""

    goals: dict[str, str]
    total: int | None
    gld: Gld


class GldReport(msgspec.Struct, frozen=True):
    """GET /v1/reports/gld."""

    report: str
    provenance: Provenance
    framework: str
    year: str
    goals: list[Goal]
    rows: list[GldRow]
    total: int
    pupils: list[ProfiledPupil]
    next: str | None


class Profiles(NamedTuple):
    """The profiles of all schools along an axis. `by_school`: of each school, per slot."""

    cohort: Cohort
    masks: Mapping[Gld, Mask]
    totals: Ints
    expected: Ints
    by_school: Sequence[tuple[ProfileValues, Judged] | None]


def question(request: GldRequest) -> Question:
    """What the report needs of the views, and single facts for the goals."""
    on = request.year.roster_on
    return Question(request.population, request.clocks, on, lambda _: [Moment(on, column=SINGLE_FACTS)])


def read_profiles(reading: Reading, request: GldRequest, test: TestDefined) -> Profiles:
    """The profiles of those on roll who are in the profile's year groups, or have one."""
    on, axis = request.year.roster_on, reading.axis
    by_school = [_profile_at(school, axis, number, request.year) for number, school in enumerate(reading.schools)]
    masks: dict[Gld, Mask] = {cell: np.zeros(axis.size, np.bool_) for cell in CELLS}
    told = np.zeros(axis.size, np.bool_)
    totals, expected = np.full(axis.size, -1, np.int64), np.full(axis.size, -1, np.int64)
    for number, found in enumerate(by_school):
        if found is not None:
            _, judged = found
            place = axis.place_of(number)
            told[place], totals[place], expected[place] = judged.any_told, judged.total, judged.expected
            masks["yes"][place], masks["no"][place], masks["exempt"][place] = judged.gld, judged.below, judged.exempt
    masks["incomplete"] = ~(masks["yes"] | masks["no"] | masks["exempt"])
    in_year = np.isin(axis.year_groups(on), numbers_of(axis.year_group_names, test.year_groups))
    everyone = gather_cohort(reading.schools, request.population, on, axis=axis)
    cohort = cohort_of(reading.schools, axis, on, _mask_of(everyone) & (told | in_year))
    return Profiles(cohort, masks, totals, expected, by_school)


def profile_shown(profiles: Profiles, year: Year) -> Profile:
    """The profile that was told; that of the year where none was."""
    numbers = [found[0].profiles for found in profiles.by_school if found is not None]
    counts = np.bincount(
        np.concatenate([np.zeros(0, np.int64), *(n[n >= 0] for n in numbers)]), minlength=len(PROFILES)
    )
    return PROFILES[int(np.argmax(counts))] if counts.any() else profile_of_year(year)


def profile_of_year(year: Year) -> Profile:
    """The profile of an academic year: the present one is of September 2021."""
    return EYFSP if year.starts >= _NEW_PROFILE_SINCE else EYFSP_2013


def goals_shown(profile: Profile) -> list[Goal]:
    """The goals with their names and areas in a profile."""
    return [Goal(code, name, area.area, area.prime) for code, (area, name) in profile.goals().items()]


def count_rows(reading: Reading, profiles: Profiles, request: GldRequest, shown: Profile) -> list[GldRow]:
    """The rows of the report. `shown`: the profile that they are of."""
    rows = break_down(profiles.cohort, request.by)
    counts = rows.count(pack_words(np.stack([profiles.masks[cell] for cell in CELLS]))).T.tolist()
    totals, expected = _means(rows, profiles.totals), _means(rows, profiles.expected)
    return [
        GldRow(
            row=row,
            pupils=size,
            of=size - exempt,
            gld=yes,
            percent=percent(yes, size - exempt),
            mean_total=total,
            mean_expected=mean_expected,
            incomplete=incomplete,
            exempt=exempt,
            national=_beside(reading, request, shown, yes, size - exempt) if request.compared else UNSET,
        )
        for row, size, (yes, _, incomplete, exempt), total, mean_expected in zip(
            rows.ids, rows.sizes().tolist(), counts, totals, expected, strict=True
        )
    ]


def _beside(reading: Reading, request: GldRequest, shown: Profile, yes: int, of: int) -> Beside | None:
    profile = "" if shown is EYFSP else shown.profile
    return beside_nation(reading, f"eyfs:{EYFS_GLD}", "percent", request.year.label, yes, of, profile)


def choose(profiles: Profiles, request: GldMembersRequest) -> Chosen:
    """The pupils of a row who are in any of the cells."""
    cohort = profiles.cohort
    chosen = in_row(cohort, request.row)
    if request.cells:
        asked = [profiles.masks[cell] for cell in CELLS if cell in request.cells]
        chosen = chosen & np.logical_or.reduce(asked)[cohort.places]
    return Chosen(REPORT, cohort, np.flatnonzero(chosen), ())


def answer(
    reading: Reading, request: GldMembersRequest, profiles: Profiles, chosen: Chosen, names: Pupils | None, report: str
) -> Listing[GldReport]:
    """The report with a page of its pupils."""
    gld = request.gld
    if gld.sort == "value":
        keys = np.where(profiles.totals < 0, np.iinfo(np.int64).max, profiles.totals)
        page = cut_page(chosen.cohort, chosen.positions, gld.limit, gld.cursor, keys)
    else:
        page = page_of(chosen, Paging(gld.limit, gld.cursor, gld.sort), names)
    shown = profile_shown(profiles, gld.year)
    told = GldReport(
        report=report,
        provenance=with_notes(reading.provenance, reading, profiles.cohort, gld.population),
        framework=shown.profile,
        year=gld.year.label,
        goals=goals_shown(shown),
        rows=count_rows(reading, profiles, gld, shown),
        total=page.total,
        pupils=[_pupil_of(one, profiles, reading) for one in page.pupils],
        next=page.next,
    )
    return Listing(told, tuple(one.shown for one in page.pupils))


def gld_of(judged: Judged, slot: int) -> Gld:
    """What one pupil's profile comes to."""
    if judged.exempt[slot]:
        return "exempt"
    return "yes" if judged.gld[slot] else "no" if judged.below[slot] else "incomplete"


def profile_at(school: SchoolReading, year: Year, slots: int) -> tuple[ProfileValues, Judged] | None:
    """The profiles of a school in a year, and what they come to; None where its facts were not read."""
    known = school.views.facts
    if known is None:
        return None
    year_starts = school.views.year_starts()
    since, until = year.first(year_starts).toordinal(), year.valued_on(year_starts)
    values = profile_of(school.index, known, year_starts, since, until, slots)
    return values, judge(values)


def _profile_at(school: SchoolReading, axis: Axis, number: int, year: Year) -> tuple[ProfileValues, Judged] | None:
    place = axis.place_of(number)
    return profile_at(school, year, place.stop - place.start)


def _pupil_of(one: Listed, profiles: Profiles, reading: Reading) -> ProfiledPupil:
    number = next(n for n, school in enumerate(reading.schools) if school is one.school)
    found = profiles.by_school[number]
    goals: dict[str, str] = {}
    total, verdict = -1, CELLS[2]
    if found is not None:
        values, judged = found
        goals, total, verdict = values.of_slot(one.slot), int(judged.total[one.slot]), gld_of(judged, one.slot)
    return ProfiledPupil(
        pupil=one.pupil,
        school=one.school.index.school,
        year_group=one.year_group,
        goals=goals,
        total=None if total < 0 else total,
        gld=verdict,
    )


def _means(rows: Rows, values: Ints) -> list[str | None]:
    """The mean of each row's values that are there, with two decimals."""
    distinct = np.unique(values[values >= 0])
    if not distinct.size:
        return [None] * len(rows.ids)
    counts = rows.count(pack_words(values == distinct[:, None]))
    pupils, sums = counts.sum(axis=0).tolist(), (counts * distinct[:, None]).sum(axis=0).tolist()
    return [_two_decimals(Fraction(total, n)) if n else None for total, n in zip(sums, pupils, strict=True)]


def _two_decimals(value: Fraction) -> str:
    hundredths = int(value * 100 + Fraction(1, 2))
    return f"{hundredths // 100}.{hundredths % 100:02}"


def _mask_of(cohort: Cohort) -> Mask:
    found = np.zeros(cohort.axis.size, np.bool_)
    found[cohort.places] = True
    return found
