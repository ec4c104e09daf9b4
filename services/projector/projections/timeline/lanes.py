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
    """The lane's tables, for the objective and state indices of one school, which only grow."""

    def __init__(self, content: LaneContent, objectives: Sequence[tuple[str, str]], states: Sequence[str]) -> None:
        self.content = content
        self._lane = content.lane
        self._cells = self._weights = self._states = np.zeros(0, np.int64)
        self.grow(objectives, states)

    def grow(self, objectives: Sequence[tuple[str, str]], states: Sequence[str]) -> None:
        """Take in the indices that came since."""
        if len(objectives) > self._cells.size:
            worth = [
                self.content.objectives.get(objective, (0, 0)) if subject == self._lane.subject else (0, 0)
                for subject, objective in objectives[self._cells.size :]
            ]
            self._cells = np.append(self._cells, [cell for cell, _ in worth])
            self._weights = np.append(self._weights, [weight for _, weight in worth])
        if len(states) > self._states.size:
            worths = [self.content.state_worth(state) for state in states[self._states.size :]]
            self._states = np.append(self._states, worths)

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
        self._made: dict[str, LaneWorth] = {}

    def of(
        self, lane: str, content: LaneContent, objectives: Sequence[tuple[str, str]], states: Sequence[str]
    ) -> LaneWorth:
        """The tables of a lane; made anew when the content is another."""
        made = self._made.get(lane)
        if made is None or made.content is not content:
            made = self._made[lane] = LaneWorth(content, objectives, states)
        else:
            made.grow(objectives, states)
        return made


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
