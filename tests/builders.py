"""Facts for tests in few words: a book of one school's facts in the order of its log.

`book.tell(ObjectiveAssessed, "2025-11-05", pupil="amy", …)` appends a fact, told then, and returns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from schemas.events import AnyFact, CurriculumPublished, ObjectiveAssessed, State
from schemas.events import Objective as CurriculumObjective
from schemas.events import Subject as CurriculumSubject

STATES = (
    State("not_yet", "0"),
    State("working_towards", "0.5"),
    State("achieved", "1"),
    State("exceeding", "1"),
)
"""The default states of a curriculum (contract 3.1)."""


def instant(text: str) -> datetime:
    """`2025-11-30` (noon UTC) or `2025-11-30T23:30:00`, UTC."""
    return datetime.fromisoformat(text if "T" in text else text + "T12:00:00").replace(tzinfo=UTC)


def seconds(text: str) -> int:
    """The same instant in seconds since the epoch, as questions name it."""
    return int(instant(text).timestamp())


def day(text: str) -> date:
    """`2025-11-30`."""
    return date.fromisoformat(text)


def subject(name: str, abilities: Mapping[str, str], **of_objective: Mapping[str, str]) -> CurriculumSubject:
    """A subject from objective → ability; `year_group={"m1": "3"}`, `weight={"m1": "0"}` set a field of some."""
    objectives = tuple(
        CurriculumObjective(
            objective, ability, **{field: of[objective] for field, of in of_objective.items() if objective in of}
        )
        for objective, ability in abilities.items()
    )
    return CurriculumSubject(name, objectives)


class Book:
    """The facts of one school with their offsets, in the order in which they were told."""

    def __init__(self, school: str = "oak") -> None:
        self.school = school
        self.history: list[tuple[int, AnyFact]] = []

    def tell(self, fact_type: type[AnyFact], told: str, **fields: Any) -> AnyFact:
        """Append a fact told at `told`; texts of `…_on` fields become dates, a missing `event_id` is made."""
        said = {name: _dated(name, value) for name, value in fields.items()}
        envelope = {"event_id": f"e{len(self.history)}", "school": self.school, "recorded_at": instant(told)}
        fact = fact_type(**{**envelope, **said})
        self.history.append((len(self.history), fact))
        return fact

    def publish(self, told: str, *subjects: CurriculumSubject, **fields: Any) -> AnyFact:
        """Append a framework version; by default `nc` version `1`, always in force, with the default states."""
        said: dict[str, Any] = {"framework": "nc", "framework_version": "1", "subjects": subjects, **fields}
        if "marks_max" not in said:
            said.setdefault("states", STATES)
        return self.tell(CurriculumPublished, told, **said)

    def assess(self, pupil: str, objective: str, state: str, on: str, told: str = "", **fields: Any) -> AnyFact:
        """Append an assessment in maths (or `subject`), told on its day unless said otherwise."""
        said = {"subject": "maths", "pupil": pupil, "objective": objective, "state": state, "assessed_on": on}
        return self.tell(ObjectiveAssessed, told or on, **{**said, **fields})


def _dated(name: str, value: Any) -> Any:
    return day(value) if isinstance(value, str) and (name.endswith("_on")) else value
