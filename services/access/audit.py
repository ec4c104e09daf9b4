"""The audit of names: facts that are durable before the answer that they tell of leaves. Without it there are no names.

It appends and knows nothing of what the facts mean.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from schemas.audit import AuditFact, encode_audit
from schemas.topics import AUDIT, partition_for
from services.runtime.log.interface import Log


class AuditTrail:
    """Appends to the topic of the audit, which is made when it is first needed."""

    def __init__(self, log: Log, partitions: int) -> None:
        self._log = log
        self._partitions = partitions
        self._is_made = False

    async def append(self, facts: Sequence[AuditFact]) -> None:
        """Durable on return. Raises what the log raises; then some of the facts may be there."""
        if not self._is_made:
            await self._log.create_topic(
                AUDIT.name, self._partitions, retention_ms=AUDIT.retention_ms, compacted=AUDIT.compacted
            )
            self._is_made = True
        items: dict[int, list[tuple[bytes, bytes | None]]] = {}
        for fact in facts:
            key = fact.school.encode("utf-8")
            items.setdefault(partition_for(key, self._partitions), []).append((key, encode_audit(fact)))
        appends = (self._log.append(AUDIT.name, partition, each) for partition, each in items.items())
        for outcome in await asyncio.gather(*appends, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome


def new_audit_id() -> str:
    """An id for a fact of the audit."""
    return f"aud_{secrets.token_hex(12)}"
