"""Random histories of one school, made to collide: few names, few days, and everything that can go wrong.

`generate_history(rng, size)` is a function of the generator's state; `histories()` is the same behind hypothesis. What
comes out obeys the shapes of the contract, not its manners: facts arrive late, early, twice, withdrawn before they
came, and out of the order in which they were known.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from schemas import events as e
from tests.properties.curricula import ABSURD_STATES, MARKS, STATE_NAMES, SUBJECTS, change_version, first_version

Row = tuple[int, e.AnyFact]

SCHOOL = "oak"
PUPILS = ("pup_a", "pup_b", "pup_c", "pup_d")
YEAR_GROUPS = ("3", "4")
GROUPS = ("3A", "Chess")
VALUES = {"sex": ("F", "M"), "send": ("yes", "no")}
PERSONS = (("",), ("", "prs_x"), ("", "", "prs_x", "prs_y"), ("prs_x",))
TRUSTS = ("north", "south")
SEQUENCES = (0, 0, 0, 0, 1, 2, -1)
FIRST_DAY = date(2023, 8, 1)
DAYS = 800
EDGES = tuple(date(year, month, 1) for year in (2023, 2024, 2025) for month in (1, 8, 9, 10, 11))
MOODS = ("live", "live", "back_fill", "migrated", "mixed")


def generate_history(rng: random.Random, size: int) -> list[Row]:
    """About `size` facts of one school, with rising offsets (which may have gaps)."""
    return _Writer(rng).write(size)


def generate_questions(rng: random.Random, history: Sequence[Row], count: int) -> list[tuple[date, int]]:
    """Questions (as_at, as_known_at) on and beside what the history names; 3 in 10 are known before their day."""
    stamps = [int(fact.recorded_at.timestamp()) for _, fact in history]
    days = [value for _, fact in history for value in _days_of(fact)] or [FIRST_DAY]
    questions: list[tuple[date, int]] = []
    for _ in range(count):
        known_at = rng.choice((rng.choice(stamps), max(stamps))) + rng.choice((-1, 0, 0, 1, 86_400, 40 * 86_400))
        known_on = datetime.fromtimestamp(known_at, UTC).date()
        if rng.random() < 0.3:
            as_at = known_on + timedelta(days=rng.choice((1, 2, 31, 100, 400)))
        elif rng.random() < 0.3:
            as_at, known_at = rng.choice((*days, max(days))), max(stamps) + 1
        else:
            as_at = rng.choice((*days, *EDGES, known_on)) + timedelta(days=rng.choice((-1, 0, 0, 1)))
        questions.append((as_at, known_at))
    return questions


def shuffle_history(rng: random.Random, history: Sequence[Row]) -> list[Row]:
    """The same facts, known when they were, in another order of arrival."""
    facts = [fact for _, fact in history]
    rng.shuffle(facts)
    return list(enumerate(facts))


def histories(max_size: int = 60) -> st.SearchStrategy[list[Row]]:
    """Histories for hypothesis, which shrinks the choices behind them."""
    return st.builds(generate_history, st.randoms(use_true_random=False), st.integers(1, max_size))


def questions_about(history: Sequence[Row], count: int) -> st.SearchStrategy[list[tuple[date, int]]]:
    """Questions about a history for hypothesis."""
    rngs = st.randoms(use_true_random=False)
    return st.builds(generate_questions, rngs, st.just(history), st.just(count))


def _days_of(fact: e.AnyFact) -> list[date]:
    return [value for value in msgspec.structs.astuple(fact) if type(value) is date]


class _Writer:
    """Writes one history: a clock that rises, unless a migration brings its own, and steps taken at random."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.mood = rng.choice(MOODS)
        self.now = datetime(2023, 7, 1, 9, tzinfo=UTC)
        if self.mood == "back_fill":
            self.now = datetime(2025, 3, 31, 22, 58, tzinfo=UTC)
        self.rows: list[Row] = []
        self.offset = 0
        self.delayed: list[tuple[int, e.AnyFact]] = []
        self.revisions: dict[str, int] = {}
        self.versions: dict[str, e.CurriculumPublished] = {}
        self.batch = ""
        self.pupils = PUPILS[: rng.choice((2, 3, 4))]
        self.persons = rng.choice(PERSONS)
        self.favourites: list[date] = []
        self.favourites = [self.a_day() for _ in range(3)]
        self.steps: list[tuple[int, Callable[[], None]]] = [
            (100, self.assess),
            (8, self.enrol),
            (4, self.leave),
            (4, self.set_year_group),
            (6, self.join_or_leave_group),
            (6, self.characterise),
            (4, self.publish),
            (3, self.describe_school),
            (2, self.change_trust),
            (4, self.merge_or_split),
            (8, self.withdraw),
            (3, self.withdraw_early),
            (5, self.import_rows),
            (4, self.reverse_import),
            (3, self.repeat_id),
        ]

    def write(self, size: int) -> list[Row]:
        self.append(e.SchoolRegistered, ("schools", SCHOOL), name="Oak", year_starts=self.rng.choice((None, 9)))
        self.publish()
        weights = [weight * self.rng.choice((0, 1, 1, 5)) for weight, _ in self.steps]  # each history has its themes
        weights[0] += 1
        while len(self.rows) < size:
            self.tick()
            self.rng.choices([step for _, step in self.steps], weights)[0]()
            self.deliver(all_of_them=False)
        self.deliver(all_of_them=True)
        return self.rows

    # --- clock, ids, order -----------------------------------------------------------------------------------

    def tick(self) -> None:
        """Time goes on: often not at all, sometimes over a month's end."""
        if self.mood == "back_fill":
            self.now += timedelta(seconds=self.rng.choice((0, 0, 1, 90)))
            return
        self.now += timedelta(seconds=self.rng.choice((0, 0, 1, 3_600, 86_400, 5 * 86_400, 30 * 86_400)))
        if self.rng.random() < 0.05:
            next_month = (self.now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0)
            self.now = next_month - timedelta(seconds=self.rng.choice((0, 1, 1_800)))

    def a_day(self) -> date:
        """Near now, on an edge of the calendar, up to 400 days late, or anywhere; seldom ahead."""
        today = self.now.date()
        return self.rng.choice(
            (
                *self.favourites,
                today,
                today - timedelta(days=self.rng.choice((1, 2, 3, 30))),
                today - timedelta(days=400),
                self.rng.choice(EDGES),
                FIRST_DAY + timedelta(days=self.rng.randrange(DAYS)),
                today + timedelta(days=self.rng.choice((1, 40, 300))),
            )
        )

    def pick(self, *choices: Any) -> Any:
        return self.rng.choice(choices)

    def a_pupil(self) -> str:
        return self.rng.choice(self.pupils)

    def make(self, fact_type: type[e.AnyFact], row: tuple[object, ...] = (), **fields: Any) -> e.AnyFact:
        """A fact told now: a row of a file (`row` = its kind and key) or an event; perhaps a migration's own time."""
        recorded_at, migrated = self.now, False
        if self.mood == "migrated" or (self.mood == "mixed" and self.rng.random() < 0.3):
            migrated = True
            recorded_at = datetime(2023, 7, 1, tzinfo=UTC) + timedelta(hours=self.rng.randrange(24 * DAYS))
            if self.rows and self.rng.random() < 0.3:
                recorded_at = self.rng.choice(self.rows)[1].recorded_at
        envelope: dict[str, Any] = {"school": SCHOOL, "recorded_at": recorded_at, "migrated": migrated}
        if row and (self.batch or self.rng.random() < 0.5):
            key = hashlib.blake2b(repr(row).encode(), digest_size=16).hexdigest()
            revision = self.revisions[key] = self.revisions.get(key, 0) + 1
            envelope |= {"key": key, "revision": revision, "batch_id": self.batch}
            envelope["content"] = hashlib.blake2b(repr(fields).encode(), digest_size=16).hexdigest()
            envelope["event_id"] = f"row-{key[:12]}-{revision}"
        else:
            number = len(self.rows) + len(self.delayed)
            envelope |= {"event_id": f"event-{number}-{self.rng.randrange(10**6)}", "given_id": self.pick(True, False)}
        return fact_type(**envelope, **fields)

    def append(self, fact_type: type[e.AnyFact], row: tuple[object, ...] = (), **fields: Any) -> None:
        self.put(self.make(fact_type, row, **fields))

    def put(self, fact: e.AnyFact) -> None:
        self.rows.append((self.offset, fact))
        self.offset += self.rng.choice((1, 1, 1, 2, 5))

    def deliver(self, *, all_of_them: bool) -> None:
        """Facts held back after their withdrawal arrive in the end."""
        due = [late for late in self.delayed if all_of_them or late[0] <= len(self.rows)]
        self.delayed = [late for late in self.delayed if late not in due]
        for _, fact in due:
            self.put(fact)

    # --- steps -----------------------------------------------------------------------------------------------

    def assess(self) -> None:
        fact_type, row, fields = self.an_assessment()
        self.append(fact_type, row, **fields)

    def an_assessment(self) -> tuple[type[e.AnyFact], tuple[object, ...], dict[str, Any]]:
        subject = self.rng.choice(tuple(SUBJECTS))
        fields = {
            "pupil": self.a_pupil(),
            "subject": subject,
            "objective": self.rng.choice(SUBJECTS[subject]),
            "state": self.rng.choice((*STATE_NAMES, *STATE_NAMES, *MARKS, *ABSURD_STATES)),
            "assessed_on": self.a_day(),
            "sequence": self.rng.choice(SEQUENCES),
        }
        key = [fields[name] for name in ("pupil", "subject", "objective", "assessed_on", "sequence")]
        if self.rng.random() < 0.4:  # by reference: a correction may change anything, pupil and day too
            key = [f"reference-{self.rng.randrange(6)}"]
        return e.ObjectiveAssessed, ("assessments", *key), fields

    def enrol(self) -> None:
        pupil, day = self.a_pupil(), self.a_day()
        years = [e.YearGroupFrom(self.rng.choice(YEAR_GROUPS), day)]
        if self.rng.random() < 0.3:
            years.append(e.YearGroupFrom(self.rng.choice(YEAR_GROUPS), day + timedelta(days=self.pick(0, 30, 366))))
        self.append(
            e.PupilEnrolled,
            ("pupils", pupil, day) if self.rng.random() < 0.7 else ("pupils", f"reference-{self.rng.randrange(4)}"),
            pupil=pupil,
            enrolled_on=day,
            left_on=self.an_end(day),
            year_groups=tuple(years) if self.rng.random() < 0.7 else (),
            sex=self.pick("", "F", "M"),
            same_person=self.rng.choice(self.persons),
            sequence=self.rng.choice(SEQUENCES),
        )

    def an_end(self, day: date) -> date | None:
        return self.pick(None, None, day, day + timedelta(days=self.pick(1, 30, 400)))

    def leave(self) -> None:
        pupil, day = self.a_pupil(), self.a_day()
        self.append(e.PupilLeft, pupil=pupil, left_on=day)
        if self.rng.random() < 0.3:  # a move: out and in again
            self.append(e.PupilEnrolled, pupil=pupil, enrolled_on=day + timedelta(days=self.pick(0, 1, 20)))

    def set_year_group(self) -> None:
        pupil, day = self.a_pupil(), self.a_day()
        fields = {"pupil": pupil, "year_group": self.rng.choice(YEAR_GROUPS), "starts_on": day}
        self.append(e.YearGroupSet, ("year-groups", pupil, day), sequence=self.rng.choice(SEQUENCES), **fields)

    def join_or_leave_group(self) -> None:
        pupil, group, day = self.a_pupil(), self.rng.choice(GROUPS), self.a_day()
        if self.rng.random() < 0.3:
            self.append(e.GroupLeft, pupil=pupil, group=group, left_on=day)
            return
        fields = {"pupil": pupil, "group": group, "joined_on": day, "left_on": self.an_end(day)}
        self.append(e.GroupJoined, ("groups", group, pupil, day), kind=self.pick("class", "user"), **fields)

    def characterise(self) -> None:
        pupil, name, day = self.a_pupil(), self.rng.choice(tuple(VALUES)), self.a_day()
        if self.rng.random() < 0.3:
            self.append(e.CharacteristicEnded, pupil=pupil, name=name, ends_on=day)
            return
        fields = {"pupil": pupil, "name": name, "starts_on": day, "ends_on": self.an_end(day)}
        fields |= {"value": self.rng.choice(VALUES[name]), "sequence": self.rng.choice(SEQUENCES)}
        self.append(e.CharacteristicSet, ("characteristics", pupil, name, day), **fields)

    def publish(self) -> None:
        framework = self.pick("nc", "nc", "nc", "marks")
        before = self.versions.get(framework)
        content = change_version(self.rng, before) if before else first_version(self.rng, framework)
        number = self.pick("1", "2", "3")  # the same version again is a correction under its key
        effective_on = self.pick(None, self.favourites[0], self.a_day(), None if before is None else self.a_day())
        fact = self.make(
            e.CurriculumPublished,
            ("curriculum", framework, number),
            framework=framework,
            framework_version=number,
            effective_on=effective_on,
            **content,
        )
        self.versions[framework] = fact
        self.put(fact)

    def describe_school(self) -> None:
        joined_on = self.pick(None, self.a_day())
        self.append(
            e.SchoolRegistered,
            ("schools", SCHOOL, joined_on),
            name=self.pick("", "Oak", "Oakfield"),
            nation=self.pick(None, None, "england", "scotland"),
            year_starts=self.pick(None, None, 9, 8, 1),
            time_zone=self.pick(None, None, "Europe/London", "UTC"),
            trust=self.pick(None, *TRUSTS),
            joined_on=joined_on,
            left_on=self.an_end(joined_on) if joined_on else None,
        )

    def change_trust(self) -> None:
        day = self.a_day()
        if self.rng.random() < 0.5:
            self.append(e.SchoolLeftTrust, left_on=day, trust=self.pick(None, *TRUSTS))
        else:
            joined_on, trust = self.pick(None, day, day), self.rng.choice(TRUSTS)
            self.append(e.SchoolJoinedTrust, trust=trust, joined_on=joined_on, left_on=self.an_end(day))

    def merge_or_split(self) -> None:
        pupil, other = self.a_pupil(), self.rng.choice((*PUPILS, "pup_only_merged"))
        self.append(self.pick(e.PupilsMerged, e.PupilsSplit), pupil=pupil, other=other)

    def withdraw(self) -> None:
        """Any fact, often a withdrawal or one already withdrawn; its key is told where the one who asks knows it."""
        withdrawals = [fact for _, fact in self.rows if isinstance(fact, e.FactWithdrawn)]
        fact = self.rng.choice(self.rows)[1]
        if withdrawals and self.rng.random() < 0.4:
            fact = self.rng.choice(withdrawals)
        self.append(e.FactWithdrawn, withdraws=fact.event_id, withdraws_key=self.pick(fact.key, fact.key, ""))

    def withdraw_early(self) -> None:
        """The withdrawal comes first, its fact some facts later, or its own withdrawal before both."""
        fact_type, row, fields = self.an_assessment()
        fact = self.make(fact_type, row, **fields)
        self.delayed.append((len(self.rows) + self.rng.randrange(1, 15), fact))
        withdrawal = self.make(e.FactWithdrawn, withdraws=fact.event_id)
        if self.rng.random() < 0.3:
            self.append(e.FactWithdrawn, withdraws=withdrawal.event_id)
        self.put(withdrawal)

    def import_rows(self) -> None:
        """A file: many rows at one stamp, some of them corrections of rows that came before."""
        self.batch = f"imp_{len(self.rows)}"
        self.append(e.ImportStarted, kind="assessments")
        for _ in range(self.rng.randrange(1, 13)):
            self.pick(self.assess, self.assess, self.assess, self.enrol, self.set_year_group, self.characterise)()
        self.append(e.ImportCompleted, kind="assessments", accepted=1)
        self.batch = ""

    def reverse_import(self) -> None:
        batches = {fact.batch_id for _, fact in self.rows if fact.batch_id}
        if not batches:
            return
        batch = self.rng.choice(sorted(batches))
        facts = [fact for _, fact in self.rows if fact.batch_id == batch]
        for fact in facts:
            self.append(e.FactWithdrawn, withdraws=fact.event_id, withdraws_key=fact.key)
        self.append(e.ImportReversed, withdrawn=len(facts))

    def repeat_id(self) -> None:
        """An id comes again: the same fact, told again later, or another fact under it."""
        fact = self.rng.choice(self.rows)[1]
        if self.rng.random() < 0.5:
            self.put(msgspec.structs.replace(fact, recorded_at=max(fact.recorded_at, self.now)))
            return
        fact_type, _, fields = self.an_assessment()
        self.put(fact_type(event_id=fact.event_id, school=SCHOOL, recorded_at=self.now, **fields))
