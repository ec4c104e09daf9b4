"""The rules, folded by brute force: what any report must say for one school, day and state of knowledge.

Written to be obviously right and for nothing else: no index, no increment, nothing shared with the product but the
facts themselves. Where the contract leaves a choice, the docstring at that place says what was chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import combinations
from typing import Any

from schemas import events as e
from tests.properties.answers import OracleAnswer, Pupil, Value

Row = tuple[int, Any]  # (offset, fact)


@dataclass(frozen=True)
class Span:
    start: date
    end: date | None  # the last day
    row: Row
    value: str = ""

    def covers(self, day: date) -> bool:
        return self.start <= day and (self.end is None or day <= self.end)


def told(row: Row) -> tuple[int, int]:
    return int(row[1].recorded_at.timestamp()), row[0]


def order_of_truth(day: date, row: Row) -> tuple[date, int, tuple[int, int]]:
    return day, row[1].sequence, told(row)


def first_of_each_id(history: Iterable[Row]) -> list[Row]:
    backwards = sorted(history, key=lambda row: row[0], reverse=True)
    return sorted({row[1].event_id: row for row in backwards}.values(), key=lambda row: row[0])


def standing(rows: Iterable[Row], known_at: int) -> list[Row]:
    """Known, not withdrawn, the last of its key. Withdrawals in a ring, which name each other, have no effect."""
    known = [row for row in rows if told(row)[0] <= known_at]
    withdrawals = [fact for _, fact in known if isinstance(fact, e.FactWithdrawn)]

    def stands(event_id: str, asked: tuple[str, ...] = ()) -> bool | None:
        if event_id in asked:
            return None  # a ring: undecided
        verdicts = [stands(w.event_id, (*asked, event_id)) for w in withdrawals if w.withdraws == event_id]
        return False if True in verdicts else None if None in verdicts else True

    left = sorted((row for row in known if stands(row[1].event_id) is not False), key=told)
    last_of_key = {fact.key: offset for offset, fact in left}
    return [row for row in left if not row[1].key or last_of_key[row[1].key] == row[0]]


def who_is_who(rows: Sequence[Row], stand: Sequence[Row]) -> list[list[str]]:
    """The ids that are one pupil, each list in order of first appearance in the log (whatever is known or stands).

    For each two ids the last told decides: a merge, a split, or an equal `same_person` of two standing enrolments.
    That equality was told with the later of the two rows; of several such pairs of rows the earliest counts.
    """
    ids = [getattr(fact, name) for _, fact in rows for name in ("pupil", "other") if hasattr(fact, name)]
    said: dict[frozenset[str], list[tuple[tuple[int, int], bool]]] = {}
    equal: dict[frozenset[str], list[tuple[int, int]]] = {}
    for row in stand:
        if isinstance(row[1], e.PupilsMerged | e.PupilsSplit):
            merged = isinstance(row[1], e.PupilsMerged)
            said.setdefault(frozenset((row[1].pupil, row[1].other)), []).append((told(row), merged))
    for one, two in combinations([row for row in stand if getattr(row[1], "same_person", "")], 2):
        if one[1].same_person == two[1].same_person:
            equal.setdefault(frozenset((one[1].pupil, two[1].pupil)), []).append(max(told(one), told(two)))
    for pair, tellings in equal.items():
        said.setdefault(pair, []).append((min(tellings), True))
    people = [{pupil} for pupil in dict.fromkeys(ids)]
    for pair in [pair for pair, tellings in said.items() if max(tellings)[1]]:
        apart = [person for person in people if not person & pair]
        people = [*apart, set().union(*(person for person in people if person & pair))]
    return [sorted(person, key=ids.index) for person in people]


def close(spans: Sequence[Span], enders: Iterable[tuple[date, Row, str | None]]) -> list[Span]:
    """Each ender (last day, row, value or None = any) closes the spans of the latest start not after its day.

    Between a span's own end, if it says one, and the enders that close it the last told governs.
    """
    ends: list[list[Any]] = [[(told(span.row), span.end)] if span.end else [] for span in spans]
    for day, row, value in enders:
        closable = [span.start for span in spans if span.start <= day and value in (None, span.value)]
        for span, said in zip(spans, ends, strict=True):
            if value in (None, span.value) and closable and span.start == max(closable):
                said.append((told(row), day))
    last_told = [max(said)[1] if said else None for said in ends]
    return [Span(span.start, end, span.row, span.value) for span, end in zip(spans, last_told, strict=True)]


def governing(spans: Iterable[Span], day: date) -> str | None:
    """The value of the latest span begun by `day`; nothing after its end. In one fact the later listed wins a tie."""
    begun = [span for span in spans if span.start <= day]
    begun.sort(key=lambda span: order_of_truth(span.start, span.row))
    return begun[-1].value if begun and begun[-1].covers(day) else None


def describe(ids: list[str], stand: Sequence[Row], day: date) -> Pupil:
    def of(kind: type, **wanted: str) -> list[tuple[Row, Any]]:
        mine = [row for row in stand if isinstance(row[1], kind) and row[1].pupil in ids]
        return [(row, row[1]) for row in mine if all(getattr(row[1], n) == value for n, value in wanted.items())]

    enrolled = of(e.PupilEnrolled)
    roll = [Span(f.enrolled_on, f.left_on, row) for row, f in enrolled]
    roll = close(roll, [(f.left_on, row, None) for row, f in of(e.PupilLeft)])
    years = [Span(f.starts_on, None, row, f.year_group) for row, f in of(e.YearGroupSet)]
    years += [Span(y.starts_on, None, row, y.year_group) for row, f in enrolled for y in f.year_groups]
    groups = set()
    for name in {f.group for _, f in of(e.GroupJoined)}:
        joined = [Span(f.joined_on, f.left_on, row) for row, f in of(e.GroupJoined, group=name)]
        left = [(f.left_on, row, None) for row, f in of(e.GroupLeft, group=name)]
        groups |= {name for span in close(joined, left) if span.covers(day)}
    values = {}
    for name in {"sex"} | {f.name for _, f in of(e.CharacteristicSet)}:
        spans = [Span(f.starts_on, f.ends_on, row, f.value) for row, f in of(e.CharacteristicSet, name=name)]
        spans += [Span(f.enrolled_on, None, row, f.sex) for row, f in enrolled if name == "sex" and f.sex]
        ended = [(f.ends_on, row, None) for row, f in of(e.CharacteristicEnded, name=name)]
        values[name] = governing(close(spans, ended), day)
    latest = max(enrolled, key=lambda pair: order_of_truth(pair[1].enrolled_on, pair[0]), default=None)
    shown = latest[1].pupil if latest else ids[0]
    known = {name: value for name, value in values.items() if value is not None}
    on_roll = any(span.covers(day) for span in roll)
    return Pupil(frozenset(ids), shown, on_roll, governing(years, day), frozenset(groups), known)


def in_force(stand: Sequence[Row], day: date) -> dict[str, tuple[Any, e.Subject]]:
    """Each subject's version: of each framework its latest begun by `day`, of those with the subject the latest."""
    published = [row for row in stand if isinstance(row[1], e.CurriculumPublished)]
    begun = [((row[1].effective_on or e.ALWAYS, told(row)), row[1]) for row in published]
    begun = sorted((rank, fact) for rank, fact in begun if rank[0] <= day)  # no two ranks are equal
    current = {fact.framework: fact for _, fact in begun}
    rest = [fact for _, fact in begun if current[fact.framework] is fact]
    return {subject.subject: (fact, subject) for fact in rest for subject in fact.subjects}


def worth(version: e.CurriculumPublished, state: str) -> Fraction | None:
    """The weight of a state (marks: the mark); None if it counts as not assessed."""
    if version.marks_max is None:
        weight = {named.state: named.weight for named in version.states}.get(state)
        return None if weight is None else Fraction(weight)
    mark = Fraction(state) if re.fullmatch(r"[0-9]+(\.[0-9]{1,3})?", state) else None
    return mark if mark is not None and mark <= version.marks_max else None


def value_of(version: Any, scope: list[e.Objective], latest: Mapping[str, Any], since: date | None) -> Value:
    """A pupil's value over the objectives in scope; with `since` (assessed) only work from that day on counts."""
    weights = {o.objective: Fraction(o.weight) for o in scope if Fraction(o.weight) > 0}
    work = [fact for fact in latest.values() if since is None or fact.assessed_on >= since]
    worths = {f.objective: worth(version, f.state) for f in work if f.objective in weights}
    scores = {name: score for name, score in worths.items() if score is not None}
    if not weights or not scores:
        return Value("no_data" if weights else "not_applicable")
    numerator = sum(weights[name] * score for name, score in scores.items())
    denominator = sum(weights[name] for name in (weights if since is None else scores)) * (version.marks_max or 1)
    return Value("value", numerator, denominator, int(100 * numerator / denominator + Fraction(1, 2)))


def answer(history: Sequence[Row], as_at: date, known_at: int) -> OracleAnswer:
    rows = first_of_each_id(history)
    stand = standing(rows, known_at)
    told_last: dict[str, Any] = {"name": "", "nation": "england", "year_starts": None, "time_zone": "Europe/London"}
    for fact in [fact for _, fact in stand if isinstance(fact, e.SchoolRegistered)]:  # stand is in the order of telling
        told_last |= {name: getattr(fact, name) for name in told_last if getattr(fact, name) not in (None, "")}
    month = told_last["year_starts"] or (8 if told_last["nation"] == "scotland" else 9)
    since = date(as_at.year if as_at.month >= month else as_at.year - 1, month, 1)
    joined = [row for row in stand if getattr(row[1], "trust", None) and hasattr(row[1], "joined_on")]
    members = [Span(row[1].joined_on or e.ALWAYS, row[1].left_on, row, row[1].trust) for row in joined]
    leavers = [(row[1].left_on, row, row[1].trust) for row in stand if isinstance(row[1], e.SchoolLeftTrust)]
    trust = governing(close(members, leavers), as_at)
    lanes = in_force(stand, as_at)
    contents = [content for _, fact in rows for content in getattr(fact, "subjects", ())]
    abilities = {objective.ability for content in contents for objective in content.objectives}
    pupils, values = {}, {}
    for ids in who_is_who(rows, stand):
        pupil = pupils[ids[0]] = describe(ids, stand, as_at)
        work = [row for row in stand if isinstance(row[1], e.ObjectiveAssessed) and row[1].pupil in ids]
        work = sorted(work, key=lambda row: order_of_truth(row[1].assessed_on, row))
        for subject in {content.subject for content in contents}:
            latest = {f.objective: f for _, f in work if f.subject == subject and f.assessed_on <= as_at}
            version, content = lanes.get(subject, (None, None))
            taught = list(content.objectives) if content else []
            scopes = {ability: [o for o in taught if o.ability == ability] for ability in abilities}
            own_year = [o for o in taught if o.year_group and o.year_group == pupil.year_group]
            for ability, scope in {**scopes, "any": taught, "own-year": own_year}.items():
                values[ids[0], subject, ability, "overall"] = value_of(version, scope, latest, None)
                values[ids[0], subject, ability, "assessed"] = value_of(version, scope, latest, since)
    in_use = {subject: (fact.framework, fact.framework_version) for subject, (fact, _) in lanes.items()}
    return OracleAnswer(**{**told_last, "year_starts": month}, trust=trust, lanes=in_use, pupils=pupils, values=values)
