"""Whose turn it is where two loops share a process: the follower gives way to the leader, and never starves.

While the leader has something to fold, the follower takes small batches and rests fifteen times as long as its last
turn took, so it takes at most a sixteenth of the time; as soon as the leader has nothing to do, the follower goes on.
Neither knows the other.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

RESTS_PER_TURN = 15.0
REST_SECONDS_MAX = 20.0
FIRST_REST_SECONDS = 1.0
SMALLER = 4
"""By how much the batches of a follower are smaller while the leader works."""


class Turns(Protocol):
    """What a loop asks before it looks for records, and what it tells when it has looked."""

    async def take(self) -> None:
        """Wait until it is this loop's turn."""

    def share(self, records_max: int) -> int:
        """How many records to look for."""

    @property
    def may_run_ahead(self) -> bool:
        """Whether to read and fold on while the last batch is written."""

    def note(self, *, busy: bool) -> None:
        """Whether there was something to do."""


class Alone:
    """No other loop is there, or none that matters."""

    async def take(self) -> None:
        """At once."""

    def share(self, records_max: int) -> int:
        """All of them."""
        return records_max

    @property
    def may_run_ahead(self) -> bool:
        """Nobody waits for it."""
        return True

    def note(self, *, busy: bool) -> None:
        """Nobody waits for it."""


class Leading(Alone):
    """The loop that goes first."""

    def __init__(self) -> None:
        self._idle = asyncio.Event()
        self._idle.set()

    def note(self, *, busy: bool) -> None:
        """Let the follower go on, or let it rest."""
        if busy:
            self._idle.clear()
        else:
            self._idle.set()

    @property
    def busy(self) -> bool:
        """Whether there was something to do the last time."""
        return not self._idle.is_set()

    async def wait_idle(self, seconds: float) -> None:
        """Until there is nothing to do for the leader, but no longer than this."""
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return


class Following(Alone):
    """The loop that gives way to `leader`."""

    def __init__(self, leader: Leading) -> None:
        self._leader = leader
        self._began_at: float | None = None

    async def take(self) -> None:
        """When the leader is idle, or after a rest that fits the last turn."""
        now = asyncio.get_running_loop().time
        rest = FIRST_REST_SECONDS if self._began_at is None else RESTS_PER_TURN * (now() - self._began_at)
        await self._leader.wait_idle(min(rest, REST_SECONDS_MAX))
        self._began_at = now()

    def share(self, records_max: int) -> int:
        """Few while the leader works, so that a turn is short."""
        return max(records_max // SMALLER, 1) if self._leader.busy else records_max

    @property
    def may_run_ahead(self) -> bool:
        """Not while the leader works: a rest between folding and writing would only delay what was folded."""
        return not self._leader.busy
