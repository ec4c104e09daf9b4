"""Why an answer has nobody in it: notes for the provenance, so that no report is empty without a word.

Pure, and looked at only where something is empty. What a note says is for people; its code is for programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

import msgspec

from schemas.documents import RosterValue
from services.domain.measures import ANY, OWN_YEAR, Measure
from services.query.answers import Note, Provenance
from services.query.population import NOT_KNOWN, Cohort
from services.query.questions import Reading
from services.query.requests import Population
from services.query.vectors import SchoolReading


class Applies(NamedTuple):
    """To how many pupils of the report a measure applies on a day."""

    measure: Measure
    day: date
    pupils: int


def with_notes(
    provenance: Provenance, reading: Reading, cohort: Cohort, population: Population, applies: Iterable[Applies] = ()
) -> Provenance:
    """The provenance with a note for whatever is empty; as it was if nothing is."""
    notes = list(_population_notes(reading, cohort, population))
    if cohort.size:
        notes += [_measure_note(reading, each.measure, each.day) for each in applies if not each.pupils]
    return msgspec.structs.replace(provenance, notes=notes) if notes else provenance


def _population_notes(reading: Reading, cohort: Cohort, population: Population) -> Iterator[Note]:
    schools, on = reading.schools, cohort.on
    if not schools:
        yield Note("no_schools", f"No school is a member of the trust on {on}.", "trust", population.trust or "")
        return
    asked = [("year_group", RosterValue("year-group", name)) for name in population.year_groups if name != NOT_KNOWN]
    asked += [("group", RosterValue("group", name)) for name in population.groups]
    asked += [
        ("filter", RosterValue("characteristic", name, value))
        for name, values in population.filters
        for value in values
        if value != NOT_KNOWN
    ]
    unknown = [(kind, value) for kind, value in asked if not any(value in s.index.value_of for s in schools)]
    for kind, value in unknown:
        shown = f"{value.name}:{value.value}" if value.value else value.name
        detail = f"No pupil of these schools ever had {_WORDS[kind]} {shown}, as far as was known."
        yield Note(f"unknown_{kind}", detail, kind, shown)
    if cohort.size or unknown:
        return
    if not cohort.axis.on_roll(on).any():
        detail = (
            f"Nobody is on roll on {on}, as known then: the date may lie before the first facts of the schools, "
            "or after the last pupil left."
        )
        yield Note("nobody_on_roll", detail, "as_at", on.isoformat())
        return
    for kind, value in asked:
        if kind == "group" and not _holds(reading, value, on):
            detail = f"The group {value.name} has no pupils on {on}: it is there at other dates."
            yield Note("group_without_pupils", detail, kind, value.name)
    yield Note("empty_population", f"On {on} no pupil fits all that was asked for.", "", "")


_WORDS = {"year_group": "the year group", "group": "the group", "filter": "the characteristic"}


def _holds(reading: Reading, value: RosterValue, on: date) -> bool:
    return any(_has(school, value, on) for school in reading.schools)


def _has(school: SchoolReading, value: RosterValue, on: date) -> bool:
    presence = school.presence(on)
    place = school.index.value_of.get(value)
    return place is not None and bool((presence.on_roll[presence.slots[presence.values == place]]).any())


def _measure_note(reading: Reading, measure: Measure, day: date) -> Note:
    """The note for a measure that applies to nobody of those who are there."""
    code, what = _lacking(reading, measure, day)
    return Note(code, f"{measure.text} applies to nobody here on {day}: {what}.", "measure", measure.text)


def _lacking(reading: Reading, measure: Measure, on: date) -> tuple[str, str]:
    if measure.kind != "markbook":
        return "no_such_results", "no result of it was ever told at these schools"
    lanes = [school.index.lane_at(measure.subject, on.toordinal(), school.known_at) for school in reading.schools]
    cells = [cell for lane in lanes if lane is not None for cell in lane.cells]
    if not cells:
        return "unknown_subject", f"no framework in force there has the subject {measure.subject}"
    if measure.ability == OWN_YEAR:
        if not any(cell.year_group for cell in cells):
            return "not_year_tagged", f"no objective of {measure.subject} is tagged with a year group"
        return "no_own_year", "no objective is tagged with the year group of any of these pupils"
    if measure.ability != ANY and not any(cell.ability == measure.ability for cell in cells):
        return "unknown_ability", f"the framework has no objectives of {measure.ability} in {measure.subject}"
    return "not_applicable", "no objective in scope has a weight"
