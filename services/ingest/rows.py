"""The rows of a file made ready to be judged: parsed, in local days, with their hashes, and each key only once.

What is wrong here is wrong whatever the ledger knows. CPU work on purpose done before the partitions are locked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

import msgspec

from services.domain.schools import DEFAULT_TIME_ZONE
from services.ingest import facts
from services.ingest.columns import RowContext, RowFault, key_row, parse_row, period_faults
from services.ingest.decisions import Row
from services.ingest.files import RawRow
from services.ingest.first_rows import FirstRows
from services.ingest.import_records import RowError
from services.ingest.sent import SentRow

_NO_ZONES: Mapping[str, str] = {}
"""No row has a day sent as an instant."""

TimeZones = Callable[[Iterable[str]], Awaitable[Mapping[str, str]]]


class ReadyRows(msgspec.Struct):
    """Some rows of a file in order: those to be judged with their numbers, and the errors of the others."""

    numbers: list[int] = msgspec.field(default_factory=list)
    rows: list[Row] = msgspec.field(default_factory=list)
    errors: list[RowError] = msgspec.field(default_factory=list)
    rejected: int = 0

    def count(self) -> int:
        """How many rows of the file these are."""
        return len(self.rows) + self.rejected

    def extend(self, other: ReadyRows) -> None:
        """Those of `other` come after these."""
        self.numbers.extend(other.numbers)
        self.rows.extend(other.rows)
        self.errors.extend(other.errors)
        self.rejected += other.rejected

    def reject(self, number: int, faults: Iterable[RowFault]) -> None:
        """A row that is not to be judged, and why."""
        self.rejected += 1
        self.errors.extend(RowError(number, each.column, each.value, each.code, each.detail) for each in faults)


class RowPreparer:
    """Prepares the rows of one file of any kind but curriculum."""

    def __init__(
        self, kind: str, context: RowContext, pupil_key: bytes, first_rows: FirstRows, time_zones: TimeZones
    ) -> None:
        self._kind = kind
        self._context = context
        self._pupil_key = pupil_key
        self._first_rows = first_rows
        self._time_zones = time_zones

    async def prepare(self, raw_rows: Iterable[RawRow]) -> ReadyRows:
        """The next rows of the file."""
        parsed = [(raw, self._parse(raw)) for raw in raw_rows]
        zones = await self._zones_needed(parsed)
        ready = ReadyRows()
        for raw, sent in parsed:
            if type(sent) is list:
                self._add_faulty(ready, raw, sent, zones)
            else:
                self._add(ready, raw.number, cast(SentRow, sent), zones)
        return ready

    def _parse(self, raw: RawRow) -> SentRow | list[RowFault]:
        if raw.fault is not None:
            return [raw.fault]
        parsed: SentRow | list[RowFault] = parse_row(self._kind, raw.fields, self._context)
        return parsed

    async def _zones_needed(self, parsed: Iterable[tuple[RawRow, Any]]) -> Mapping[str, str]:
        schools = {sent.school for _, sent in parsed if type(sent) is not list and sent.has_instants()}
        return await self._time_zones(schools) if schools else _NO_ZONES

    def _add(self, ready: ReadyRows, number: int, sent: SentRow, zones: Mapping[str, str]) -> None:
        faults: list[RowFault] = []
        if zones is not _NO_ZONES and sent.has_instants():
            sent = _localise(sent, zones)
            faults = period_faults(sent)
        key = facts.key_of_row(self._pupil_key, sent, sent.school)
        repeated = self._repeated(key, sent, number)
        if repeated is not None:
            ready.reject(number, [repeated])
        elif faults:
            ready.reject(number, faults)
        else:
            ready.numbers.append(number)
            ready.rows.append(Row(sent, key, facts.content_of_row(self._pupil_key, sent, sent.school)))

    def _add_faulty(self, ready: ReadyRows, raw: RawRow, faults: list[RowFault], zones: Mapping[str, str]) -> None:
        """A wrong row keeps its key: the same key further on is repeated all the same."""
        named = key_row(self._kind, raw.fields, self._context) if raw.fields else None
        if named is not None:
            named = _localise(named, zones)
            repeated = self._repeated(facts.key_of_row(self._pupil_key, named, named.school), named, raw.number)
            if repeated is not None:
                faults = [repeated]
        ready.reject(raw.number, faults)

    def _repeated(self, key: str, sent: SentRow, number: int) -> RowFault | None:
        first = self._first_rows.first_row(key + facts.instant_text(sent.recorded_at), number)
        if first is None:
            return None
        return RowFault("", "", "repeated_key", f"Row {first} of this file has the same key: a file says a thing once.")


def _localise(sent: SentRow, zones: Mapping[str, str]) -> SentRow:
    return sent.localise(getattr(sent, "time_zone", None) or zones.get(sent.school, DEFAULT_TIME_ZONE))
