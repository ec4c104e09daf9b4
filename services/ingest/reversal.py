"""Reversing an import: one FactWithdrawn for each of its facts that still stands, some thousands at a time.

What the facts superseded stands again by itself: which fact of a key counts is decided when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from schemas import identifiers
from schemas.events import Fact, FactWithdrawn, ImportReversed
from services.ingest.accept import Desk
from services.ingest.decisions import Caller, Decision
from services.ingest.knowledge import VersionNames
from services.ingest.ledger import Decided, Ledger, Work
from services.ingest.recall import Name, Wanted, find_withdrawn
from services.runtime.positions import encode_position

FACTS_AT_ONCE = 4_000
CURRICULUM = "curriculum"

_versions = msgspec.msgpack.Decoder(VersionNames)


class Reversed(msgspec.Struct, frozen=True):
    """The answer to a reversal; `withdrawn` counts rows."""

    import_id: str
    withdrawn: int
    position: str | None


class _Standing(msgspec.Struct):
    """What is to be withdrawn of some facts, as seen under the locks."""

    facts: Sequence[Any] = ()
    earlier: Mapping[Name, int] = {}
    rows: int = 0
    versions: set[tuple[str, str]] = msgspec.field(default_factory=set)


class OutsideScope(Exception):
    """The import touched schools that the key does not cover."""


class Reversal:
    """Reverses one import of a kind. It may be run again: what is withdrawn already is passed over."""

    def __init__(self, ledger: Ledger, caller: Caller, import_id: str, kind: str) -> None:
        self._ledger = ledger
        self._caller = caller
        self._import_id = import_id
        self._kind = kind
        self._withdrawn: dict[str, int] = {}
        self._versions: set[tuple[str, str]] = set()
        self._rows = 0
        self._offsets: dict[int, int] = {}
        self._log_id = ""

    async def run(self) -> Reversed:
        """Withdraw everything. Raises OutsideScope (before the first withdrawal) and what `Ledger.take` raises."""
        schools = await self._ledger.pool.fetch(
            "SELECT DISTINCT school FROM ingest.told WHERE batch = $1", self._import_id
        )
        await self._check_scope(frozenset(row["school"] for row in schools))
        after: tuple[int, str] = (-1, "")
        while facts := await self._facts_after(after):
            after = (facts[-1]["offset"], facts[-1]["school"])
            await self._withdraw(facts)
        if self._withdrawn:
            await self._append(frozenset(self._withdrawn), self._audit)
        position = encode_position(self._log_id, self._offsets) if self._log_id else None
        return Reversed(self._import_id, self._rows, position)

    async def _check_scope(self, schools: frozenset[str]) -> None:
        def decide(desk: Desk) -> Decided:
            if not all(desk.covers(school) for school in schools):
                raise OutsideScope
            return Decided((Decision(schools=tuple(schools)),), ())  # touched, also if nothing is left to withdraw

        await self._append(schools, decide)

    async def _facts_after(self, after: tuple[int, str]) -> Sequence[Any]:
        rows: Sequence[Any] = await self._ledger.pool.fetch(
            'SELECT school, event_id::text, key, "offset" FROM ingest.told'
            ' WHERE batch = $1 AND ("offset", school) > ($2, $3) AND "offset" >= $2'
            ' ORDER BY "offset", school LIMIT $4',
            self._import_id,
            *after,
            FACTS_AT_ONCE,
        )
        return rows

    async def _withdraw(self, facts: Sequence[Any]) -> None:
        names = [(fact["school"], fact["event_id"]) for fact in facts]
        found = _Standing()

        async def look(connection: Any) -> None:
            """Under the locks: another reversal, or an event, may be withdrawing the same facts."""
            gone = await find_withdrawn(connection, names)
            found.facts = [fact for fact, name in zip(facts, names, strict=True) if name not in gone]
            found.earlier = await self._earlier_withdrawals(connection, names)
            found.rows, found.versions = await self._count_rows(connection, found.facts)

        def decide(desk: Desk) -> Decided:
            made = [
                self._withdrawal(desk, fact, found.earlier.get((fact["school"], fact["event_id"]), 0))
                for fact in found.facts
            ]
            return Decided((), made)

        await self._append(frozenset(fact["school"] for fact in facts), decide, look)
        self._rows += found.rows
        self._versions |= found.versions
        for fact in found.facts:
            self._withdrawn[fact["school"]] = self._withdrawn.get(fact["school"], 0) + 1

    async def _earlier_withdrawals(self, connection: Any, names: Sequence[Name]) -> dict[Name, int]:
        """How often each was withdrawn before: a withdrawal that was withdrawn itself does not come again by its id."""
        rows = await connection.fetch(
            "SELECT w.school, w.withdraws, count(*) AS times FROM ingest.withdrawal AS w"
            " JOIN unnest($1::text[], $2::text[]) AS fact (school, withdraws) USING (school, withdraws)"
            " GROUP BY w.school, w.withdraws",
            [school for school, _ in names],
            [event_id for _, event_id in names],
        )
        return {(row["school"], row["withdraws"]): row["times"] for row in rows}

    async def _count_rows(self, connection: Any, facts: Sequence[Any]) -> tuple[int, set[tuple[str, str]]]:
        """One row is one fact, but for a curriculum: there a version's objectives are rows, wherever it went.

        Also the versions that were counted.
        """
        if self._kind != CURRICULUM:
            return len(facts), set()
        rows = await connection.fetch(
            "SELECT names FROM ingest.curriculum JOIN unnest($1::text[], $2::text[]) AS fact (school, event_id)"
            " USING (school, event_id)",
            [fact["school"] for fact in facts],
            [fact["event_id"] for fact in facts],
        )
        counted = 0
        versions: set[tuple[str, str]] = set()
        for row in rows:
            names = _versions.decode(row["names"])
            if (names.framework, names.version) not in self._versions | versions:
                versions.add((names.framework, names.version))
                counted += sum(len(objectives) for objectives in names.subjects.values())
        return counted, versions

    async def _append(self, schools: frozenset[str], decide: Any, look: Any = None) -> None:
        taken = await self._ledger.take(
            Work(
                caller=self._caller,
                batch_id=self._import_id,
                schools=schools,
                wanted=lambda names: Wanted(schools=set(names)),
                decide=decide,
                look=look,
            )
        )
        self._log_id = taken.log_id
        self._offsets |= taken.offsets

    def _withdrawal(self, desk: Desk, fact: Any, earlier: int) -> Fact:
        return FactWithdrawn(
            event_id=identifiers.row_fact_id(
                self._import_id, "reversal", fact["school"], fact["event_id"], "", earlier + 1
            ),
            school=fact["school"],
            recorded_at=desk.stamp_of(fact["school"]),
            actor=self._caller.actor,
            batch_id=self._import_id,
            withdraws=fact["event_id"],
            withdraws_key=fact["key"].hex(),
            reason="import reversed",
        )

    def _audit(self, desk: Desk) -> Decided:
        made = [
            ImportReversed(
                event_id=identifiers.event_fact_id(
                    self._import_id, "ImportReversed", f"{school} {count} {desk.stamp_of(school)}".encode()
                ),
                school=school,
                recorded_at=desk.stamp_of(school),
                actor=self._caller.actor,
                batch_id=self._import_id,
                withdrawn=count,
            )
            for school, count in sorted(self._withdrawn.items())
        ]
        return Decided((), made)
