"""Keeps the names of pupils in step with withdrawals: who a pupil is, is what the enrolments that stand say.

Called after the registry has taken the facts in, and in the same transaction; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.events import Fact, FactWithdrawn, PupilEnrolled
from services.access import identities
from services.ingest.recall import find_withdrawn

_NAMED = """
WITH RECURSIVE named (school, fact) AS (
    SELECT * FROM unnest($1::text[], $2::text[])
    UNION
    SELECT w.school, w.withdraws FROM named
    JOIN ingest.withdrawal AS w ON w.school = named.school AND w.event_id = named.fact
)
SELECT school, fact FROM named
"""
"""What withdrawals name: a withdrawal that is withdrawn itself touches the fact that it named."""


async def restate_names(connection: Any, facts: Sequence[Fact]) -> None:
    """Take back the names that were withdrawn by these facts, or had their withdrawal waiting, or stand again."""
    named = [(fact.school, fact.withdraws) for fact in facts if isinstance(fact, FactWithdrawn)]
    named += [(fact.school, fact.event_id) for fact in facts if isinstance(fact, PupilEnrolled) and not fact.key]
    if not named:
        return
    rows = await connection.fetch(_NAMED, [school for school, _ in named], [fact for _, fact in named])
    touched = [(row["school"], row["fact"]) for row in rows]
    withdrawn = await find_withdrawn(connection, touched)
    await identities.restate(connection, {name: name in withdrawn for name in touched})
