"""Values that single facts decide: the best or the first sitting, a judgement of a name, the profile of early years.

Pure, arrays over pupils. The views keep the latest value of a column alone; here every sitting of a school is seen.
A school whose facts were not read has nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.domain.bands import NO_DATA, NOT_APPLICABLE
from services.domain.combinations import NO_AMOUNT, YES_AMOUNT
from services.domain.eyfs import EXEMPT, GLD_GOALS, GOALS, PROFILES, Profile
from services.domain.measures import EYFS_GLD, EYFS_TOTAL, Measure
from services.domain.scoring import PARTS
from services.query.external_values import (
    External,
    Found,
    OnAxis,
    Source,
    Verdicts,
    read_combined,
    read_sittings,
    value_sittings,
    window_starts,
)
from services.query.facts_held import STATE_BITS
from services.query.facts_known import KnownFacts
from services.query.numbers import NO_CODE
from services.query.school_index import Ints, Mask, SchoolIndex
from services.query.sittings_held import (
    HeldSittings,
    Rows,
    best_of_pupils,
    first_of_pupils,
    latest_of_pupils,
    sittings_of,
)

LEFT_OUT = 0
"""The number of the one code of the profile, A."""
EXEMPTED = -1
"""What a goal holds of a pupil who is exempt; 0 = nothing was told."""
Goals = npt.NDArray[np.int8]


def read_external(axis: OnAxis, measure: Measure, day: date) -> External:
    """The values of any measure but a markbook's."""
    if measure.kind == "combined":
        return read_combined(axis, measure, day)
    if measure.kind == "eyfs":
        return read_profile(axis, measure, day)
    return read_chosen(axis, measure, day) if measure.needs_facts else read_sittings(axis, measure, day)


# --- Sittings ----------------------------------------------------------------------------------------------------


def read_chosen(axis: OnAxis, measure: Measure, day: date) -> External:
    """The sitting that a measure chooses among those of its window, or the code that stands for it."""
    starts = window_starts(axis, measure, day)
    inside = np.zeros(axis.size, np.bool_)
    days, scores = np.zeros(axis.size, np.int64), np.zeros(axis.size, np.int64)
    codes = np.full(axis.size, NO_CODE, np.int64)
    for number, (index, known) in enumerate(zip(axis.indexes, axis.facts, strict=True)):
        place = axis.place_of(number)
        if known is None or place.start == place.stop:
            continue
        table = sittings_of(known.held)
        rows = _choose(table, known, index, measure, int(starts[place.start]), day)
        at = rows.slots + place.start
        inside[at], days[at] = True, rows.days
        scores[at] = _document_scores(table, index)[table.texts[rows.places]]
        codes[at] = _codes(table, measure)[table.texts[rows.places]]
    return value_sittings(axis, measure, Found(inside, days, scores, codes))


def _choose(
    table: HeldSittings, known: KnownFacts, index: SchoolIndex, measure: Measure, since: int, day: date
) -> Rows:
    """A number goes before a code, unless it is the first that is asked for."""
    codes = _codes(table, measure)
    rows = table.rows(known, [measure.column], since=since, until=day.toordinal(), name=measure.name)
    if measure.scoring.codes:
        others = [column for column in index.columns_like(measure.siblings) if column != measure.column]
        told = table.rows(known, others, since=since, until=day.toordinal())
        coded = codes[table.texts[told.places]] != NO_CODE
        rows = Rows(*(np.concatenate([own, other[coded]]) for own, other in zip(rows, told, strict=True)))
        order = np.argsort(rows.days, kind="stable")  # of one day a code of another score type stands for the number
        rows = Rows(*(column[order] for column in rows))
    if measure.choice == "first":
        return first_of_pupils(rows)
    if measure.choice == "best":
        return best_of_pupils(rows, _worth(table, measure)[table.texts])
    return latest_of_pupils(rows)


def _worth(table: HeldSittings, measure: Measure) -> Ints:
    """What each text is worth; a code, and what no band can count, less than any score."""
    amounts = [measure.scoring.amount(text) for text in table.texts_told]
    return np.array([NO_DATA if amount is None else amount for amount in amounts], np.int64)


def _codes(table: HeldSittings, measure: Measure) -> Ints:
    found = [measure.scoring.code_number(text) for text in table.texts_told]
    return np.array([NO_CODE if code is None else code for code in found], np.int64)


def _document_scores(table: HeldSittings, index: SchoolIndex) -> Ints:
    """Of each text its number in the school's document, which has every score that was ever told."""
    numbers = {text: number for number, text in enumerate(index.document.scores)}
    return np.array([numbers.get(text, 0) for text in table.texts_told], np.int64)


# --- The profile -------------------------------------------------------------------------------------------------


class ProfileValues(NamedTuple):
    """The profile of each pupil of a school, per slot. `goals`: (goal, slot), EXEMPTED, 0 = nothing told, or the value;
    `profiles`: the number of the profile (in PROFILES) that was told last, -1 = none; `days`: of the last value."""

    goals: Goals
    profiles: Ints
    days: Ints

    def of_slot(self, slot: int) -> dict[str, str]:
        """The values of a pupil by the codes of the goals."""
        told = zip(GOALS, self.goals[:, slot].tolist(), strict=True)
        return {goal: EXEMPT if value == EXEMPTED else str(value) for goal, value in told if value}


class Judged(NamedTuple):
    """What profiles come to, per slot. `total`, `expected`: -1 where goals lack or the pupil is exempt."""

    any_told: Mask
    exempt: Mask
    gld: Mask
    below: Mask
    total: Ints
    expected: Ints


def read_profile(axis: OnAxis, measure: Measure, day: date) -> External:
    """A goal, the total or the good level of development, of the profile of the measure's window."""
    amounts = np.full(axis.size, NOT_APPLICABLE, np.int64)
    codes = np.full(axis.size, NO_CODE, np.int64)
    sources: list[Source | None] = [None] * len(axis.indexes)
    starts = window_starts(axis, measure, day)
    for number, (index, known) in enumerate(zip(axis.indexes, axis.facts, strict=True)):
        place = axis.place_of(number)
        slots = place.stop - place.start
        if known is None or not slots:
            continue
        profile = profile_of(index, known, axis.year_starts_of(number), int(starts[place.start]), day, slots)
        if not has_profile(index, known, axis.year_starts_of(number), day):
            continue
        judged = judge(profile)
        mine, left_out = _value_profile(profile, judged, measure.item)
        amounts[place] = np.where(left_out, NOT_APPLICABLE, mine)
        codes[place] = np.where(left_out, LEFT_OUT, NO_CODE)
        sources[number] = Verdicts(amounts[place], measure.scoring.values)
    return External(amounts, sources, codes if (codes != NO_CODE).any() else None)


def _value_profile(profile: ProfileValues, judged: Judged, item: str) -> tuple[Ints, Mask]:
    if item == EYFS_GLD:
        verdict = np.where(judged.gld, YES_AMOUNT, np.where(judged.below, NO_AMOUNT, NO_DATA))
        return verdict, judged.exempt
    if item == EYFS_TOTAL:
        return np.where(judged.total < 0, NO_DATA, judged.total * PARTS), judged.exempt
    values = profile.goals[GOALS.index(item)].astype(np.int64)
    return np.where(values > 0, values * PARTS, NO_DATA), judged.exempt


def judge(profile: ProfileValues) -> Judged:
    """`eyfs.judge_profile` of each slot: one exemption exempts from all; one of the first twelve below is a No."""
    goals = profile.goals
    exempt = (goals == EXEMPTED).any(axis=0)
    any_told = (goals != 0).any(axis=0)
    complete = (goals > 0).all(axis=0)
    below = (goals[:GLD_GOALS] == 1).any(axis=0) & ~exempt
    return Judged(
        any_told=any_told,
        exempt=exempt,
        gld=complete & ~below,
        below=below,
        total=np.where(complete, goals.sum(axis=0, dtype=np.int64), -1),
        expected=np.where(complete, (goals > 1).sum(axis=0), -1),
    )


def profile_of(
    index: SchoolIndex, known: KnownFacts, year_starts: int, since: int, day: date, slots: int
) -> ProfileValues:
    """What results and markbooks tell of the goals from a day on (an ordinal): of each goal the last told; of the
    profiles that of the last value."""
    until = day.toordinal()
    goals = np.zeros((len(PROFILES), len(GOALS), slots), np.int8)
    days = np.zeros((len(PROFILES), len(GOALS), slots), np.int64)
    for number, profile in enumerate(PROFILES):
        allowed = {EXEMPT: EXEMPTED, **{str(value): value for value in range(1, profile.highest + 1)}}
        for goal, rows, texts in _told(index, known, profile, year_starts, since, until):
            values = np.array([allowed.get(text, 0) for text in texts], np.int8)
            newer = (values != 0) & (rows.days >= days[number, goal, rows.slots])
            goals[number, goal, rows.slots[newer]] = values[newer]
            days[number, goal, rows.slots[newer]] = rows.days[newer]
    latest = days.max(axis=1)
    which = np.argmax(latest, axis=0)
    found = latest.max(axis=0)
    return ProfileValues(
        np.take_along_axis(goals, which[None, None, :], axis=0)[0], np.where(found > 0, which, -1), found
    )


def has_profile(index: SchoolIndex, known: KnownFacts, year_starts: int, day: date) -> bool:
    """Whether a school has any profile: results of its test, or a markbook of its framework."""
    tests = any(index.columns_like(f"test:{profile.profile}:*:*:*") for profile in PROFILES)
    return tests or any(
        taught.version.framework == profile.profile
        for taught in known.taught(day, year_starts).values()
        for profile in PROFILES
    )


def _told(
    index: SchoolIndex, known: KnownFacts, profile: Profile, year_starts: int, since: int, until: int
) -> Iterator[tuple[int, Rows, list[str]]]:
    """(goal, the latest of each pupil, their values), of the results and then of the markbooks of a profile."""
    if index.columns_like(f"test:{profile.profile}:*:*:*"):
        table = sittings_of(known.held)
        for goal, code in enumerate(GOALS):
            columns = index.columns_like(f"test:{profile.profile}:*:{code}:*")
            rows = latest_of_pupils(table.rows(known, columns, since=since, until=until)) if columns else None
            if rows is not None and rows.slots.size:
                yield goal, rows, [table.texts_told[text] for text in table.texts[rows.places].tolist()]
    held = known.held
    for subject, taught in known.taught(date.fromordinal(until), year_starts).items():
        if taught.version.framework != profile.profile:
            continue
        winners = known.winners(subject, date.fromordinal(until))
        recent = held.days[winners.rows] >= since
        for goal, code in enumerate(GOALS):
            number = next((n for n, told in enumerate(held.objectives) if told == (subject, code)), None)
            mine = np.flatnonzero(recent & (winners.objectives == number)) if number is not None else ()
            if number is not None and len(mine):
                at = winners.rows[mine]
                texts = [held.states[state] for state in (held.values[at] & ((1 << STATE_BITS) - 1)).tolist()]
                yield goal, Rows(winners.slots[mine], held.days[at], at), texts
