"""Answers `changes`: a report as known at two instants, what differs, and the facts that were told in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC
from itertools import groupby
from typing import Any

import msgspec

from schemas.events import AnyFact, FactWithdrawn, ObjectiveAssessed
from services.access.keys import Access
from services.query.answers import Listing, Members, PupilValues, Value
from services.query.asked.changes import ChangesRequest
from services.query.counts import counts_of
from services.query.explaining import day_of, list_pupil
from services.query.facts_known import KnownFacts
from services.query.parameters import Asked
from services.query.questions import Moment, Question, Reading, knowledge_time, moments_of
from services.query.report import Report
from services.query.reporting import Reporting, answering
from services.query.reports.changes import (
    REPORT,
    Changed,
    Changes,
    FactTold,
    PupilChange,
    Sides,
    after_cursor,
    compare_counts,
    find_changed,
    presence,
    values_on,
)
from services.query.requests import Cursor, format_cursor
from services.query.told_between import Between, Window, told_between
from services.query.vectors import SchoolReading
from services.query.watched import Watched, clocks_of, known_at, population_of, roster_on, watched

Answer = Callable[[Reporting, Access, Any], Any]


def changes_answer(reports: Mapping[str, Report]) -> Answer:
    """The answer, for the reports that can be compared with themselves."""

    @answering(REPORT)
    async def answer_changes(reporting: Reporting, access: Access, asked: Asked[ChangesRequest]) -> Changes:
        access.require_pupils()
        request = asked.request
        earlier = msgspec.structs.replace(asked, request=known_at(request.asked, request.known_from))
        later = msgspec.structs.replace(asked, request=request.asked)
        report = reports[request.report]
        before = await report.answer(reporting, access, earlier)
        after = await report.answer(reporting, access, later)
        rows = compare_counts(counts_of(msgspec.to_builtins(before)), counts_of(msgspec.to_builtins(after)))
        total, pupils, following = await _pupils(reporting, access, asked, earlier, later)
        return Changes(
            report=REPORT,
            of=request.report,
            before=before.provenance,
            after=after.provenance,
            rows=rows,
            total=total,
            pupils=pupils,
            next=following,
        )

    return answer_changes


async def _pupils(
    reporting: Reporting, access: Access, asked: Asked[ChangesRequest], earlier: Asked[Any], later: Asked[Any]
) -> tuple[int, list[PupilChange], str | None]:
    """How many pupils have another value, a page of them, and the cursor of the next."""
    request = asked.request
    measures = watched(later.request)
    if not measures:
        return 0, [], None
    sides = Sides(
        await reporting.read(access, _question(earlier.request, measures), asked.wait),
        await reporting.read(access, _question(later.request, measures), asked.wait),
        population_of(later.request),
        roster_on(later.request),
    )
    changed = find_changed(sides, measures)
    rest = after_cursor(sides, changed, request.cursor)
    page = rest[: request.limit]
    window = Window(request.known_from, knowledge_time(clocks_of(later.request)))
    facts = await reporting.facts(access, sides.after)
    entries = []
    for number, group in groupby(page, key=lambda each: each.school):
        school = sides.after.schools[number]
        entries += await _of_school(reporting, sides, school, list(group), measures, window, facts)
    following = None
    if len(rest) > len(page):
        last = page[-1]
        following = format_cursor(Cursor(sides.after.schools[last.school].index.school, last.slot))
    return len(changed), await _named(reporting, access, asked, sides.after, entries), following


def _question(request: Any, measures: Sequence[Watched]) -> Question:
    moments = [Moment(roster_on(request)), *(moment for each in measures for moment in moments_of(*each))]
    return Question(population_of(request), clocks_of(request), roster_on(request), lambda _: moments)


async def _of_school(
    reporting: Reporting,
    sides: Sides,
    school: SchoolReading,
    changed: Sequence[Changed],
    measures: Sequence[Watched],
    window: Window,
    facts: Mapping[str, KnownFacts],
) -> list[tuple[SchoolReading, int, PupilChange]]:
    """What changed for some pupils of a school, measure by measure; all measures of who came or went."""
    name, slots = school.index.school, [each.slot for each in changed]
    earlier = next((each for each in sides.before.schools if each.index.school == name), None)
    there = presence(school, sides)
    was_there = None if earlier is None else presence(earlier, sides)
    before, after = values_on(earlier, slots, measures), values_on(school, slots, measures)
    found: list[tuple[int, Watched, Value | None, Value | None, Between]] = []
    for place, slot in enumerate(slots):
        was = was_there is not None and slot < len(was_there) and bool(was_there[slot])
        for number, each in enumerate(measures):
            one = before[place][number] if was else None
            other = after[place][number] if there[slot] else None
            if one != other:
                found.append((slot, each, one, other, told_between(facts[name], slot, each.measure, each.on, window)))
    held = facts[name].held
    told = await reporting.facts_at(name, [offset for *_, between in found for offset in between.offsets(held)])
    return [
        (
            school,
            slot,
            PupilChange(
                pupil=school.index.document.pupils[slot],
                school=name,
                year_group=school.year_group(slot, sides.on),
                measure=each.measure.text,
                on=each.on,
                before=one,
                after=other,
                facts=_tell(between, facts[name], told),
            ),
        )
        for slot, each, one, other, between in found
    ]


def _tell(between: Between, known: KnownFacts, told: Mapping[int, AnyFact]) -> list[FactTold]:
    """The facts in the order of their telling."""
    held = known.held
    found: list[tuple[int, FactTold]] = []
    for row in between.rows:
        fact = told.get(int(held.offsets[row]))
        if fact is not None:
            found.append((int(held.offsets[row]), _fact_told(fact)))
    for row, withdrawal in between.withdrawn:
        taken_back = told.get(int(held.offsets[row]))
        objective, state = held.objective_name(row), held.state_name(row)
        shown = _fact_told(withdrawal.fact, taken_back, objective, state)
        found.append((withdrawal.told.offset, shown))
    found += [(other.told.offset, _fact_told(other.fact)) for other in between.others]
    return [shown for _, shown in sorted(found, key=lambda each: each[0])]


def _fact_told(
    fact: AnyFact, about: AnyFact | None = None, objective: str | None = None, state: str | None = None
) -> FactTold:
    assessed = fact if isinstance(fact, ObjectiveAssessed) else None
    dated = fact if about is None else about
    has_day = any(hasattr(dated, name) for name in ("assessed_on", "sat_on", "judged_on"))
    return FactTold(
        event_id=fact.event_id,
        type=type(fact).__name__,
        recorded_at=fact.recorded_at.astimezone(UTC),
        actor=fact.actor or None,
        source=fact.source,
        import_id=fact.batch_id or None,
        on=day_of(dated) if has_day else None,
        objective=objective if assessed is None else assessed.objective,
        state=state if assessed is None else assessed.state,
        withdraws=fact.withdraws if isinstance(fact, FactWithdrawn) else None,
    )


async def _named(
    reporting: Reporting,
    access: Access,
    asked: Asked[ChangesRequest],
    reading: Reading,
    entries: Iterable[tuple[SchoolReading, int, PupilChange]],
) -> list[PupilChange]:
    """The entries with names, for a key that may see them."""
    listed = [(list_pupil(school, slot, roster_on(asked.request.asked)), entry) for school, slot, entry in entries]
    members = Members(
        REPORT,
        reading.provenance,
        len(listed),
        [PupilValues(pupil=e.pupil, school=e.school, year_group=e.year_group, values=[]) for _, e in listed],
        None,
    )
    shown = tuple(one.shown for one, _ in listed)
    named = (await reporting.with_names(access, asked.occasion, Listing(members, shown))).pupils
    return [
        msgspec.structs.replace(entry, reference=pupil.reference, name=pupil.name)
        for (_, entry), pupil in zip(listed, named, strict=True)
    ]
