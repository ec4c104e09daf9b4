"""Contract sections 3.1 and 4 against a fold written down here: random tellings, any date, any state of knowledge.

Facts arrive in many small requests, out of order, and some are withdrawn; every answer is compared with the plain rule
"known then, not withdrawn then, not after the day, the latest in the order of truth counts".
"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import httpx
import pytest

from tests.end_to_end.product import read_report
from tests.end_to_end.telling import (
    all_members,
    assessed,
    by_reference,
    enrolled,
    published,
    registered,
    tell,
    told,
    wait_until_shown,
)

pytestmark = pytest.mark.end_to_end

SCHOOL = "fold"
WEIGHTS = {"a": Decimal(1), "b": Decimal("0.5"), "c": Decimal("2.25"), "d": Decimal("0.125")}
STATES = {"no": Decimal(0), "some": Decimal("0.333"), "yes": Decimal(1)}
PUPILS = ("p1", "p2", "p3")
FIRST_DAY = date(2025, 5, 1)
DAYS = 300
BATCHES = 40
QUESTIONS = 120


class Told(NamedTuple):
    """An assessment in the order of truth, and until when it stood."""

    assessed_on: date
    sequence: int
    recorded_at: datetime
    arrival: int
    pupil: str
    objective: str
    state: str


def _instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


class History:
    """What was told, and the fold over it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.told: list[Told] = []
        self.withdrawn: dict[int, datetime] = {}

    def day(self) -> date:
        return FIRST_DAY + timedelta(days=self.random.randrange(DAYS))

    def moment(self, not_before: date) -> datetime:
        start = datetime(not_before.year, not_before.month, not_before.day, 12)
        return start + timedelta(seconds=self.random.randrange(60 * 86_400))

    def batch(self) -> list[dict[str, Any]]:
        """A few more events."""
        events = []
        for _ in range(self.random.randint(1, 6)):
            if self.told and self.random.random() < 0.15:
                arrival = self.random.randrange(len(self.told))
                at = self.moment(self.told[arrival].assessed_on)
                self.withdrawn[arrival] = min(at, self.withdrawn.get(arrival, at))
                events.append(told("FactWithdrawn", SCHOOL, _instant(at), withdraws=f"fact-{arrival}"))
                continue
            day = self.day()
            fact = Told(
                day,
                self.random.choice([0, 0, 0, 1]),
                self.moment(day),
                len(self.told),
                self.random.choice(PUPILS),
                self.random.choice(list(WEIGHTS)),
                self.random.choice(list(STATES)),
            )
            self.told.append(fact)
            content = (fact.pupil, "maths", fact.objective, fact.state, str(day), _instant(fact.recorded_at))
            events.append(assessed(SCHOOL, *content, event_id=f"fact-{fact.arrival}", sequence=fact.sequence))
        return events

    def value(self, pupil: str, day: date, known: datetime, percent: str) -> tuple[str, str, int] | None:
        """(numerator, denominator, displayed percent), or None without data."""
        latest: dict[str, Told] = {}
        for fact in sorted(self.told):
            gone = self.withdrawn.get(fact.arrival)
            stands = fact.recorded_at <= known and (gone is None or gone > known)
            if stands and fact.pupil == pupil and fact.assessed_on <= day:
                latest[fact.objective] = fact
        if percent == "assessed":
            starts = date(day.year if day.month >= 9 else day.year - 1, 9, 1)
            latest = {name: fact for name, fact in latest.items() if fact.assessed_on >= starts}
        if not latest:
            return None
        numerator = sum((WEIGHTS[name] * STATES[fact.state] for name, fact in latest.items()), Decimal(0))
        scope = latest if percent == "assessed" else WEIGHTS
        denominator = sum((WEIGHTS[name] for name in scope), Decimal(0))
        shown = int((200 * numerator + denominator) // (2 * denominator))
        return _text(numerator), _text(denominator), shown


def _text(number: Decimal) -> str:
    return format(number.normalize(), "f")


@pytest.fixture(scope="module")
def history(client: httpx.Client) -> History:
    objectives = [{"objective": name, "ability": "Y3", "weight": str(weight)} for name, weight in WEIGHTS.items()]
    states = [{"state": name, "weight": str(weight)} for name, weight in STATES.items()]
    roster = [registered(SCHOOL), *(enrolled(SCHOOL, pupil) for pupil in PUPILS)]
    position = tell(client, *roster, published(SCHOOL, {"maths": objectives}, states))
    made = History(20251130)
    for number in range(BATCHES):
        position = tell(client, *made.batch())
        if number % 10 == 0:
            wait_until_shown(client, position, [SCHOOL])  # so that the views grow in several steps
    wait_until_shown(client, position, [SCHOOL])
    return made


@pytest.mark.parametrize("percent", ["overall", "assessed"])
def test_any_date_as_known_at_any_time_is_exact(client: httpx.Client, history: History, percent: str) -> None:
    values = 0
    for _ in range(QUESTIONS):
        day, known = history.day(), history.moment(history.day())
        if history.random.random() < 0.3:  # the second at which something was told is included
            known = history.random.choice(history.told).recorded_at
        asked = [("school", SCHOOL), ("measure", f"markbook:maths:Y3:{percent}"), ("bands", "35,50,70,85")]
        asked += [("as_at", str(day)), ("as_known_at", _instant(known))]
        pupils = by_reference(all_members(client, "overview/members", asked))
        for pupil in PUPILS:
            value = pupils[pupil]["values"][0]
            expected = history.value(pupil, day, known, percent)
            found = (value["numerator"], value["denominator"], value["percent"])
            assert (None if value["status"] == "no_data" else found) == expected, (pupil, day, known)
            values += expected is not None
    assert values > QUESTIONS


def test_score_tracking_says_of_each_month_end_what_the_members_say(client: httpx.Client, history: History) -> None:
    for _ in range(10):
        known = history.moment(history.day())
        asked = [("school", SCHOOL), ("measure", "markbook:maths:Y3:overall"), ("as_at", "2026-03-15")]
        asked += [("as_known_at", _instant(known)), ("months", "2025-05..2026-04")]
        report = read_report(client, "score-tracking", asked)
        for name, pupil in by_reference(report).items():
            for end, value in zip(report["months"], pupil["values"], strict=True):
                day = min(date.fromisoformat(end), date(2026, 3, 15))
                if end == "2026-04-30":
                    assert value is None
                    continue
                expected = history.value(name, day, known, "overall")
                assert value["percent"] == (None if expected is None else expected[2]), (name, end, known)
