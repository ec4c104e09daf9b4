"""signatures first; filled in within minutes."""

from __future__ import annotations

import msgspec

from schemas.events import State
from services.ingest.columns import RowContext, RowFault
from services.ingest.files import RawRow
from services.ingest.sent import SentCurriculum


class StatesSpec(msgspec.Struct, frozen=True):
    """What `states=` says: named states, or marks 0..marks_max."""

    states: tuple[State, ...] = ()
    marks_max: int | None = None


def parse_states(spec: str | None) -> StatesSpec:
    """`not_yet:0,achieved:1,absent:-` or `marks:40`; None = the default. Raises HeaderFault (parameter states)."""
    raise NotImplementedError


class GatheredVersion(msgspec.Struct, frozen=True):
    """The rows of one version: accepted whole (`sent`) or rejected whole (`sent` None, a fault for every row).

    `row_numbers`: all its rows, for the counts. `faults`: (row number, fault); a row that was right itself has the
    fault `version_rejected`, which names the first wrong row.
    """

    row_numbers: tuple[int, ...]
    sent: SentCurriculum | None
    faults: tuple[tuple[int, RowFault], ...] = ()


class VersionGatherer:
    """Takes the rows of a curriculum file in order and gives back whole versions at its end."""

    def __init__(self, context: RowContext, states: StatesSpec) -> None:
        raise NotImplementedError

    def add(self, row: RawRow) -> None:
        """Raises FileFault when the versions of the file are more than may be held in memory."""
        raise NotImplementedError

    def gathered(self) -> list[GatheredVersion]:
        """Every row that was added is in exactly one of these."""
        raise NotImplementedError
