"""What a projector works on: one projection over one topic of one log; and which errors of the database pass by.

Every row of the schema `projection` names its feed by projection, version and topic.
"""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec

from services.runtime.log.interface import LogUnavailable

_TRANSIENT_STATES = ("08", "25P03", "40", "53", "55", "57", "58")
"""SQLSTATE classes: connection, rollback (deadlock, serialization), resources, locks, intervention, system; and the
state of a session that stood still inside its transaction for too long."""


class Feed(msgspec.Struct, frozen=True):
    """`log_id` names the very topic that the stored offsets belong to; `partitions` is its count."""

    projection: str
    version: int
    topic: str
    log_id: str
    partitions: int

    @property
    def key(self) -> tuple[str, int, str]:
        """What the rows of this feed are found by."""
        return (self.projection, self.version, self.topic)


class Fenced(Exception):
    """The partition has another owner or another offset by now; nothing was written."""


def is_transient(error: BaseException) -> bool:
    """Whether the same step may well succeed later: a fault of the surroundings, not of the data or the code."""
    if isinstance(error, asyncio.CancelledError):  # of a library's own task that failed, if nobody cancelled ours
        task = asyncio.current_task()
        return task is not None and task.cancelling() == 0
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_TRANSIENT_STATES)
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # a ValueError here is an argument that does not fit its type
    # asyncpg's internal error is what a connection may say that died in the middle of a reply
    return isinstance(error, LogUnavailable | Fenced | OSError | TimeoutError | asyncpg.InternalClientError)
