"""The states of a curriculum as a parameter says them: `not_yet:0,achieved:1,absent:-`, or `marks:40`."""

from __future__ import annotations

import msgspec

from schemas.events import State
from services.ingest import fields as read
from services.ingest.columns import HeaderFault

STATES_MAX = 100
_SPEC_LENGTH_MAX = 20_000


class StatesSpec(msgspec.Struct, frozen=True):
    """What `states=` says: named states, or marks 0..marks_max."""

    states: tuple[State, ...] = ()
    marks_max: int | None = None


DEFAULT_STATES = StatesSpec(
    (State("not_yet", "0"), State("working_towards", "0.5"), State("achieved", "1"), State("exceeding", "1"))
)


def parse_states(spec: str | None) -> StatesSpec:
    """The states that `spec` names; None or empty = the default. Raises HeaderFault (parameter states)."""
    if spec is None or not spec.strip():
        return DEFAULT_STATES
    if len(spec) > _SPEC_LENGTH_MAX:
        raise HeaderFault(
            "text_too_long", f"states has {len(spec):,} characters; at most {_SPEC_LENGTH_MAX:,} are read.", "states"
        )
    entries = [entry.strip() for entry in spec.split(",")]
    if len(entries) == 1 and entries[0].startswith("marks:"):
        try:
            return StatesSpec(marks_max=read.parse_marks_max(entries[0].removeprefix("marks:").strip()))
        except read.FieldError as error:
            raise HeaderFault(error.code, f"states: {error.detail}", "states") from error
    if len(entries) > STATES_MAX:
        raise HeaderFault(
            "out_of_range", f"states names {len(entries):,} states; at most {STATES_MAX} are kept.", "states"
        )
    states: dict[str, State] = {}
    for entry in entries:
        state = _parse_entry(entry)
        if state.state in states:
            raise HeaderFault("repeated_state", f"states names '{state.state}' twice: keep one.", "states")
        states[state.state] = state
    return StatesSpec(tuple(states.values()))


def _parse_entry(entry: str) -> State:
    name, separator, weight = entry.partition(":")
    if not separator:
        raise HeaderFault(
            "invalid_states",
            f"'{read.shown(entry)}' is no state with its weight: write name:weight, name:- or marks:MAX, with commas.",
            "states",
        )
    try:
        return State(read.parse_identifier(name.strip()), read.parse_state_weight(weight.strip()))
    except read.FieldError as error:
        raise HeaderFault(error.code, f"states, at '{read.shown(entry)}': {error.detail}", "states") from error
