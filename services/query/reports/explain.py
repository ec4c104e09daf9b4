"""Explain this number: what one pupil's value in a measure is made of, line by line, down to the facts.

Pure. The value itself is the one that every report shows; the lines are worked out from the facts alone, so that the
two can be held against each other. Where a fact came from is told by the caller, who may read the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Literal

import msgspec

from schemas.events import AnyFact, Objective
from services.domain.calendar import year_start
from services.domain.combinations import combination_of
from services.domain.eyfs import PROFILES
from services.domain.measures import ANY, EYFS_GLD, EYFS_TOTAL, OWN_YEAR, Measure
from services.domain.scores import decimal_text
from services.query.answers import Provenance, Pupil, Value
from services.query.fact_requests import markbook
from services.query.facts_held import HeldFacts
from services.query.facts_known import KnownFacts, Taught

Why = Literal["counted", "not_assessed", "state_not_counted", "earlier_year", "weight_zero", "outside", "replaced"]
Status = Literal["earlier", "superseded", "withdrawn"]


class Origin(msgspec.Struct, frozen=True):
    """Where a fact came from. `event_id` and what follows `recorded_at` are None where the log was not read."""

    event_id: str | None
    assessed_on: date
    recorded_at: datetime
    actor: str | None = None
    source: str | None = None
    import_id: str | None = None


class Before(msgspec.Struct, frozen=True):
    """A fact that does not count any more: something later was said, it was corrected, or it was withdrawn."""

    state: str
    status: Status
    fact: Origin


class Line(msgspec.Struct, frozen=True):
    """One objective, or one sitting of a test. `state_weight`: 0 to 1, of marks the mark itself."""

    objective: str | None
    text: str
    weight: str | None
    state: str | None
    state_weight: str | None
    counted: bool
    why: Why
    fact: Origin | None
    before: list[Before]
    ability: str | None = None
    year_group: str | None = None
    strand: str | None = None


class Sum(msgspec.Struct, frozen=True):
    """What the counted lines add up to; None where the value has neither."""

    numerator: str | None
    denominator: str | None


class Explain(msgspec.Struct, frozen=True):
    """GET /v1/reports/explain."""

    report: str
    provenance: Provenance
    measure: str
    on: date
    pupil: Pupil
    value: Value
    framework: str | None
    version: str | None
    lines: list[Line]
    sum: Sum


class Explained(msgspec.Struct, frozen=True):
    """The lines of a value, and what they add up to."""

    status: str
    lines: list[Line]
    sum: Sum
    framework: str | None = None
    version: str | None = None


Origins = Mapping[int, Origin]
"""What the log says of facts, by offset."""

NO_SUM = Sum(None, None)


class Asking(msgspec.Struct, frozen=True):
    """Whose value in which measure on which day; with the pupil's year group that day and the school's first month."""

    slot: int
    measure: Measure
    on: date
    year_group: str | None
    year_starts: int


def offsets_named(known: KnownFacts, asking: Asking) -> list[int]:
    """The assessments that the lines will name, by offset; results and judgements are kept whole."""
    if asking.measure.kind != "markbook":
        return [offset for each in _profile_markbooks(known, asking) for offset in offsets_named(known, each)]
    scope = {each.objective for each in _scope(known, asking)}
    chains = known.chains(asking.measure.subject, asking.slot, asking.on)
    return [int(known.held.offsets[row]) for name, rows in chains.items() if name in scope for row in rows]


def explain_value(known: KnownFacts, asking: Asking, value: Value | None, origins: Origins) -> Explained:
    """The lines of a value. `value`: that of a measure of another kind than markbooks, whose lines are its sittings."""
    if asking.measure.kind != "markbook":
        explained = _explain_sittings(known, asking, value or Value("no_data"))
        markbooks = [explain_value(known, each, None, origins) for each in _profile_markbooks(known, asking)]
        of_all = asking.measure.item in (EYFS_TOTAL, EYFS_GLD)
        found = [line for each in markbooks for line in each.lines if of_all or line.objective == asking.measure.item]
        return msgspec.structs.replace(explained, lines=[*explained.lines, *found])
    taught = known.taught(asking.on, asking.year_starts).get(asking.measure.subject)
    chains = known.chains(asking.measure.subject, asking.slot, asking.on)
    lines = [
        _line_of(known, asking, taught, objective, chains.get(objective.objective, ()), origins)
        for objective in _scope(known, asking)
        if taught is not None
    ]
    if taught is None or not any(line.why != "weight_zero" for line in lines):
        status, total = "not_applicable", NO_SUM
    else:
        status, total = _add_up(taught, asking.measure, lines)
    version = None if taught is None else taught.version
    return Explained(
        status,
        lines,
        total,
        None if version is None else version.framework,
        None if version is None else version.framework_version,
    )


def _profile_markbooks(known: KnownFacts, asking: Asking) -> list[Asking]:
    """The subjects of a markbook of the profile, for a measure of it."""
    if asking.measure.kind != "eyfs":
        return []
    frameworks = {profile.profile for profile in PROFILES}
    return [
        msgspec.structs.replace(asking, measure=markbook(subject, ANY))
        for subject, taught in known.taught(asking.on, asking.year_starts).items()
        if taught.version.framework in frameworks
    ]


def _scope(known: KnownFacts, asking: Asking) -> list[Objective]:
    """The objectives that the measure looks at, those without weight too."""
    taught = known.taught(asking.on, asking.year_starts).get(asking.measure.subject)
    if taught is None:
        return []
    ability = asking.measure.ability
    return [
        each
        for each in taught.subject.objectives
        if ability in (ANY, each.ability)
        or (ability == OWN_YEAR and each.year_group and each.year_group == asking.year_group)
    ]


def _line_of(
    known: KnownFacts,
    asking: Asking,
    taught: Taught,
    objective: Objective,
    rows: Sequence[int],
    origins: Origins,
) -> Line:
    held = known.held
    standing = [row for row in rows if known.stands[row]]
    winner = standing[-1] if standing else None
    worth = -1 if winner is None else taught.content.state_worth(held.state_name(winner))
    why: Why = "counted"
    if not taught.weight(objective.objective):
        why = "weight_zero"
    elif winner is None:
        why = "not_assessed"
    elif worth < 0:
        why = "state_not_counted"
    elif asking.measure.percent == "assessed" and held.days[winner] < _year_start(asking):
        why = "earlier_year"
    return Line(
        objective=objective.objective,
        text=objective.text,
        weight=decimal_of(objective.weight),
        state=None if winner is None else held.state_name(winner),
        state_weight=None if worth < 0 else decimal_text(worth, taught.content.lane.state_scale),
        counted=why == "counted",
        why=why,
        fact=None if winner is None else _origin(held, winner, origins),
        before=[
            Before(held.state_name(row), _status(known, row), _origin(held, row, origins))
            for row in reversed(rows)
            if row != winner
        ],
        ability=objective.ability,
        year_group=objective.year_group or None,
        strand=objective.strand or None,
    )


def _add_up(taught: Taught, measure: Measure, lines: Sequence[Line]) -> tuple[str, Sum]:
    lane = taught.content.lane
    counted = [line for line in lines if line.counted]
    if not counted:
        return "no_data", NO_SUM
    covered = [line for line in lines if line.why != "weight_zero"] if measure.percent == "overall" else counted
    numerator = sum(Fraction(line.weight or 0) * Fraction(line.state_weight or 0) for line in counted)
    denominator = sum(Fraction(line.weight or 0) for line in covered) * lane.marks_max
    return "value", Sum(_text(Fraction(numerator)), _text(Fraction(denominator)))


def _explain_sittings(known: KnownFacts, asking: Asking, value: Value) -> Explained:
    """One line for each sitting up to the day, the last first. The one that the value shows is counted; of a measure
    over several columns the last of each that stands."""
    name = asking.measure.name
    sittings = [
        each
        for each in known.sittings(patterns_of(asking.measure), asking.slot, asking.on)
        if not name or getattr(each.other.fact, "name", "") == name
    ]
    single = asking.measure.kind in ("test", "judgement")
    shown = value.score or value.value or value.code
    if single:
        matching = [each for each in sittings if each.stands and (each.score, each.on) == (shown, value.on)]
        counted = matching[-1:]
    else:
        counted = list({each.column: each for each in sittings if each.stands}.values())
    lines = [
        Line(
            objective=None,
            text=each.column,
            weight=None,
            state=each.score,
            state_weight=None,
            counted=each in counted,
            why="counted" if each in counted else "outside" if each.stands else "replaced",
            fact=origin_of(each.other.fact, each.on),
            before=[],
        )
        for each in reversed(sittings)
    ]
    return Explained(value.status, lines, NO_SUM)


def patterns_of(measure: Measure) -> list[str]:
    """The columns whose sittings a measure looks at."""
    match measure.kind:
        case "combined":
            combination = combination_of(measure)
            return [pattern for part in combination.parts for pattern in part.siblings(combination.test)]
        case "eyfs":
            goal = "*" if measure.item in (EYFS_TOTAL, EYFS_GLD) else measure.item
            return [f"test:{profile.profile}:*:{goal}:*" for profile in PROFILES]
        case "test" if measure.scoring.codes:
            return [measure.siblings]
    return [measure.column]


def origin_of(fact: AnyFact, on: date) -> Origin:
    """Where a fact says that it came from."""
    return Origin(
        event_id=fact.event_id,
        assessed_on=on,
        recorded_at=fact.recorded_at,
        actor=fact.actor or None,
        source=fact.source,
        import_id=fact.batch_id or None,
    )


def _origin(held: HeldFacts, row: int, origins: Origins) -> Origin:
    found = origins.get(int(held.offsets[row]))
    if found is not None:
        return found
    recorded_at = datetime.fromtimestamp(int(held.recorded_at[row]), UTC)
    return Origin(None, date.fromordinal(int(held.days[row])), recorded_at)


def _status(known: KnownFacts, row: int) -> Status:
    if known.stands[row]:
        return "earlier"
    return "withdrawn" if known.is_withdrawn(known.held.told(row)) else "superseded"


def _year_start(asking: Asking) -> int:
    return year_start(asking.on, asking.year_starts).toordinal()


def decimal_of(text: str) -> str:
    """A decimal string without needless digits."""
    return _text(Fraction(text))


def _text(number: Fraction) -> str:
    return decimal_text(number.numerator, number.denominator)
