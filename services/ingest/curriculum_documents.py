"""A whole framework version as one JSON document: the body of a curriculum import, or a CurriculumPublished event.

Reads the members of an object that strict_json gave, and reports every fault by its pointer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.events import Objective, State, Subject
from services.ingest import fields as read
from services.ingest.body_faults import Fault, faults_at
from services.ingest.columns import RowContext, parse_members
from services.ingest.curriculum_rows import OBJECTIVES_MAX
from services.ingest.kinds import COMMON, Column, Shape, optional, optional_day, required
from services.ingest.sent import SentCurriculum
from services.ingest.states import DEFAULT_STATES, STATES_MAX, StatesSpec

SUBJECTS_MAX = 1000

HEAD_COLUMNS: tuple[Column, ...] = (
    optional("school", read.parse_identifier),
    optional("trust", read.parse_identifier),
    required("framework", read.parse_identifier),
    required("version", read.parse_identifier),
    optional_day("effective_on"),
    optional("title", read.parse_line),
    *COMMON,
)
_DOCUMENT = Shape("a curriculum", HEAD_COLUMNS, dict)
_MARKS = Shape("states by marks", (required("marks", read.parse_marks_max),), dict)
_STATE = Shape(
    "a state",
    (
        required("state", read.parse_identifier),
        required("weight", read.parse_state_weight),
        optional("name", read.parse_line),
        optional("colour", read.parse_colour),
        optional("meaning", read.parse_prose),
    ),
    dict,
)
_SUBJECT = Shape("a subject", (required("subject", read.parse_identifier), optional("title", read.parse_line)), dict)
_OBJECTIVE = Shape(
    "an objective",
    (
        required("objective", read.parse_identifier),
        required("ability", read.parse_ability),
        optional("year_group", read.parse_value),
        optional("strand", read.parse_line),
        optional("text", read.parse_prose),
        optional("weight", read.parse_weight),
    ),
    dict,
)


def read_document(
    document: Mapping[str, Any], context: RowContext, pointer: str = "", head: Shape = _DOCUMENT
) -> SentCurriculum | list[Fault]:
    """The version that `document` says, or every fault of it. `head`: the members beside states and subjects."""
    reading = _Reading(context)
    values = reading.read_members(head, document, pointer, ("states", "subjects"))
    states = reading.read_states(document.get("states"), f"{pointer}/states")
    subjects = reading.read_subjects(document.get("subjects"), f"{pointer}/subjects")
    if "school" in values and "trust" in values:
        reading.refuse(
            f"{pointer}/trust", "school_and_trust", "A version goes to a school or to a trust: leave one out."
        )
    if reading.faults:
        return reading.faults
    return SentCurriculum(**values, subjects=subjects, states=states.states, marks_max=states.marks_max)


class _Reading:
    """Gathers the faults of one document on the way down."""

    def __init__(self, context: RowContext) -> None:
        self.faults: list[Fault] = []
        self._context = context
        self._objectives = 0

    def refuse(self, pointer: str, code: str, detail: str) -> None:
        """Notes one fault."""
        self.faults.append(Fault(pointer, code, detail))

    def read_members(
        self, shape: Shape, members: Mapping[str, Any], pointer: str, nested: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """The values of the members of one object but for the nested ones; empty where one is wrong."""
        values = parse_members(shape, members, self._context, nested)
        if isinstance(values, list):
            self.faults.extend(faults_at(pointer, values))
            return {}
        return dict(values)

    def read_states(self, value: Any, pointer: str) -> StatesSpec:
        """Named states, marks, or (None) the default."""
        if value is None:
            return DEFAULT_STATES
        if isinstance(value, dict):
            marks = self._read_nested(_MARKS, value, pointer)
            return StatesSpec(marks_max=marks.get("marks"))
        if not isinstance(value, list) or not 1 <= len(value) <= STATES_MAX:
            self.refuse(
                pointer, "invalid_states", f'states is a list of 1 to {STATES_MAX} states, or {{"marks": "100"}}.'
            )
            return DEFAULT_STATES
        states: dict[str, State] = {}
        for position, item in enumerate(value):
            place = f"{pointer}/{position}"
            members = {**item, "weight": "-"} if isinstance(item, dict) and item.get("weight", "") is None else item
            values = self._read_nested(_STATE, members, place)
            if not values:
                continue
            if values["state"] in states:
                self.refuse(f"{place}/state", "repeated_state", f"The state {values['state']} stands twice: keep one.")
            states[values["state"]] = State(**values)
        return StatesSpec(tuple(states.values()))

    def read_subjects(self, value: Any, pointer: str) -> tuple[Subject, ...]:
        """The subjects with their objectives."""
        if not isinstance(value, list) or not 1 <= len(value) <= SUBJECTS_MAX:
            self.refuse(pointer, "invalid_subjects", f"subjects is a list of 1 to {SUBJECTS_MAX:,} subjects.")
            return ()
        subjects: dict[str, Subject] = {}
        for position, item in enumerate(value):
            place = f"{pointer}/{position}"
            values = self._read_nested(_SUBJECT, item, place, ("objectives",))
            sent_objectives = item.get("objectives") if isinstance(item, dict) else []
            objectives = self._read_objectives(sent_objectives, f"{place}/objectives")
            if not values:
                continue
            if values["subject"] in subjects:
                detail = f"The subject {values['subject']} stands twice in this version: join the two."
                self.refuse(f"{place}/subject", "repeated_subject", detail)
            subjects[values["subject"]] = Subject(**values, objectives=objectives)
        return tuple(subjects.values())

    def _read_objectives(self, value: Any, pointer: str) -> tuple[Objective, ...]:
        if not isinstance(value, list):
            self.refuse(pointer, "invalid_objectives", "objectives is a list of the subject's objectives.")
            return ()
        self._objectives += len(value)
        if self._objectives > OBJECTIVES_MAX:
            self.refuse(pointer, "out_of_range", f"A version has at most {OBJECTIVES_MAX:,} objectives: split it.")
            return ()
        objectives: dict[str, Objective] = {}
        for position, item in enumerate(value):
            place = f"{pointer}/{position}"
            values = self._read_nested(_OBJECTIVE, item, place)
            if not values:
                continue
            if values["objective"] in objectives:
                detail = f"The objective {values['objective']} stands twice in its subject: keep one."
                self.refuse(f"{place}/objective", "repeated_objective", detail)
            objectives[values["objective"]] = Objective(**values)
        return tuple(objectives.values())

    def _read_nested(self, shape: Shape, item: Any, pointer: str, nested: tuple[str, ...] = ()) -> dict[str, Any]:
        if not isinstance(item, dict):
            self.refuse(pointer, "wrong_type", f"{shape.name} is a JSON object.")
            return {}
        values = self.read_members(shape, item, pointer, nested)
        values.pop("source", None)
        return values
