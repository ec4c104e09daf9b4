"""Where facts came from, read from the log itself: the event, who told it, from which source, by which import.

The packed facts of the views do not say it. A fact is looked up by its offset, which the views gave within the scope of
who asks, and is shown only if it is of that school.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.codec import InvalidFact, UnknownFactType, decode_fact
from schemas.events import AnyFact
from schemas.topics import FACTS, partition_for
from services.runtime.log.interface import Log

_WAIT_MS = 5_000


class Lineage:
    """Looks facts up. `partitions`: how many the log has."""

    def __init__(self, log: Log, partitions: int) -> None:
        self._log = log
        self._partitions = partitions

    async def facts_at(self, school: str, offsets: Iterable[int]) -> dict[int, AnyFact]:
        """The facts of a school at some offsets of its partition. Raises what the log raises."""
        wanted = sorted(set(offsets))
        if not wanted:
            return {}
        partition = partition_for(school.encode(), self._partitions)
        found: dict[int, AnyFact] = {}
        reader = self._log.reader(FACTS.name)
        try:
            for offset in wanted:
                await reader.assign({partition: offset})
                batch = (await reader.poll(1, _WAIT_MS)).get(partition)
                for record in () if batch is None else batch.records[:1]:
                    fact = _decoded(record.value) if record.offset == offset else None
                    if fact is not None and fact.school == school:
                        found[offset] = fact
        finally:
            await reader.close()
        return found


def _decoded(value: bytes | None) -> AnyFact | None:
    try:
        return decode_fact(value)
    except (InvalidFact, UnknownFactType):
        return None
