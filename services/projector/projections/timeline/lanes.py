"""What the changes of a subject are worth in one of its lanes: integers to be summed by pupil and cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.blocks import Entries
from schemas.columns import PRESENT
from services.domain.curriculum import LaneContent
from services.domain.timeline import OVERALL
from services.projector.projections.timeline.emissions import Emitted, Ints


class LaneWorth:
    """The lane's tables, for the objective and state indices of one school."""

    def __init__(self, content: LaneContent, objectives: Sequence[tuple[str, str]], states: Sequence[str]) -> None:
        self._lane = content.lane
        worth = [
            content.objectives.get(objective, (0, 0)) if subject == content.lane.subject else (0, 0)
            for subject, objective in objectives
        ]
        self._cells = np.array([cell for cell, _ in worth], np.int64)
        self._weights = np.array([weight for _, weight in worth], np.int64)
        self._states = np.array([content.state_worth(state) for state in states], np.int64)

    def entries(self, emitted: Emitted, year_index: int) -> Entries:
        """The changes as entries with absolute days (ordinals); `year_index`: which assessed sum is the lane's."""
        lane = self._lane
        objectives, states = emitted.values >> 32, emitted.values & 0xFFFFFFFF
        weights, state_weights = self._weights[objectives], self._states[states]
        covered = np.where(state_weights >= 0, weights, 0)
        numerators = weights * np.maximum(state_weights, 0)
        worth: Ints = (
            (numerators + (covered << lane.bits))[None, :] if lane.parts == 1 else np.stack([numerators, covered])
        )
        worth = worth * emitted.counts
        taken = (worth != 0).any(axis=0)
        overall = (emitted.flags & OVERALL) != 0
        assessed = (emitted.flags & (2 << year_index)) != 0
        return Entries(
            emitted.recorded_at[taken],
            (emitted.slots * max(len(lane.cells), 1) + self._cells[objectives])[taken],
            emitted.days[taken],
            np.where(overall, worth, 0)[:, taken],
            np.where(assessed, worth, 0)[:, taken],
        )


class Worths:
    """The tables of a school's lanes, kept from one batch to the next."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[LaneContent, int, int, LaneWorth]] = {}

    def of(
        self, lane: str, content: LaneContent, objectives: Sequence[tuple[str, str]], states: Sequence[str]
    ) -> LaneWorth:
        """The tables of a lane; made anew when the content is another or there are more indices."""
        made = self._made.get(lane)
        if made is None or made[0] is not content or made[1:3] != (len(objectives), len(states)):
            worth = LaneWorth(content, objectives, states)
            made = self._made[lane] = (content, len(objectives), len(states), worth)
        return made[3]


def roster_entries(emitted: Emitted) -> Entries:
    """The changes of the roster as entries with absolute days: key = slot << 16 | value."""
    return Entries(
        emitted.recorded_at,
        emitted.slots << 16 | emitted.values,
        emitted.days,
        emitted.counts[None, :],
        np.zeros((1, emitted.counts.size), np.int64),
    )


def column_entries(emitted: Emitted) -> Entries:
    """The changes of a column of tests or judgements as entries with absolute days: key = slot."""
    worth = (emitted.values + PRESENT) * emitted.counts
    return Entries(
        emitted.recorded_at, emitted.slots, emitted.days, worth[None, :], np.zeros((1, worth.size), np.int64)
    )
