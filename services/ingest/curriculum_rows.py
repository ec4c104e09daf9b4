"""The rows of a curriculum file gathered into whole versions, each accepted or rejected as a whole.

A row that cannot say which version it belongs to counts with the version before it, and no version beside it is
accepted: what is missing there would be missing for every pupil. Versions are held in memory, so their size is bounded.
"""

from __future__ import annotations

import msgspec

from schemas.events import Objective, Subject
from services.ingest.columns import RowContext, RowFault, parse_row
from services.ingest.fields import FieldError, parse_identifier
from services.ingest.files import FileFault, RawRow
from services.ingest.kinds import CurriculumRow
from services.ingest.sent import SentCurriculum
from services.ingest.states import DEFAULT_STATES, StatesSpec, parse_states

__all__ = ["DEFAULT_STATES", "GatheredVersion", "StatesSpec", "VersionGatherer", "parse_states"]

OBJECTIVES_MAX = 10_000
ROWS_HELD_MAX = 500_000
TEXT_HELD_MAX = 64 * 1024 * 1024

_SAME_IN_A_VERSION = ("effective_on", "sequence", "recorded_at")
_Place = tuple[str | None, str | None, str, str]
"""School, trust, framework and version: which version a row belongs to."""


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
        self._context = context
        self._states = states
        self._versions: dict[_Place, _Version] = {}
        self._last: _Version | None = None
        self._placeless = _Version()  # wrong rows with no version before them yet
        self._doubt: int | None = None  # the wrong row without a place that stands just before
        self._rows = 0
        self._text_length = 0

    def add(self, row: RawRow) -> None:
        """Raises FileFault when the versions of the file are more than may be held in memory."""
        self._count(row)
        parsed = [row.fault] if row.fault is not None else _parse(row, self._context)
        place = _place_of(row)
        if place is None:
            self._add_placeless(row.number, parsed)
            return
        version = self._versions.get(place)
        if version is None:
            version = self._versions[place] = _Version()
        if self._doubt is not None:
            version.reject(self._doubt)
            self._doubt = None
        if self._placeless.row_numbers:
            version.take_over(self._placeless)
            self._placeless = _Version()
        version.add(row.number, parsed)
        self._last = version

    def gathered(self, *, is_cut_off: bool = False) -> list[GatheredVersion]:
        """Every row that was added is in exactly one of these.

        With `is_cut_off` (the file could not be read to its end) the version of the last row is rejected too.
        """
        if is_cut_off and self._last is not None:
            self._last.reject(None)
        versions = [self._placeless, *self._versions.values()]
        return [version.gathered(self._states) for version in versions if version.row_numbers]

    def _count(self, row: RawRow) -> None:
        self._rows += 1
        self._text_length += sum(map(len, row.fields.values()))
        if self._rows > ROWS_HELD_MAX or self._text_length > TEXT_HELD_MAX:
            raise FileFault(
                "curriculum_too_large",
                row.line,
                f"A curriculum file may have {ROWS_HELD_MAX:,} rows and {TEXT_HELD_MAX // 2**20} MiB: "
                "send the versions in several files.",
            )

    def _add_placeless(self, number: int, parsed: CurriculumRow | list[RowFault]) -> None:
        (self._last or self._placeless).add(number, parsed)
        if self._doubt is None:
            self._doubt = number


class _Version:
    """What was read of one version so far."""

    def __init__(self) -> None:
        self.row_numbers: list[int] = []
        self._faults: dict[int, list[RowFault]] = {}
        self._wrong_row: int | None = None
        self._is_rejected = False
        self._first: CurriculumRow | None = None
        self._references: set[str | None] = set()
        self._subjects: dict[str, dict[str, tuple[int, Objective]]] = {}
        self._objectives = 0

    def reject(self, wrong_row: int | None) -> None:
        """Because of a row, or (None) because the file ends too early."""
        self._is_rejected = True
        if self._wrong_row is None:
            self._wrong_row = wrong_row

    def take_over(self, placeless: _Version) -> None:
        """Rows that came before the first of this one and cannot say where they belong."""
        self.row_numbers.extend(placeless.row_numbers)
        self._faults.update(placeless._faults)
        self.reject(placeless.row_numbers[0])

    def add(self, number: int, parsed: CurriculumRow | list[RowFault]) -> None:
        """One more row, or why it is none."""
        self.row_numbers.append(number)
        faults = parsed if isinstance(parsed, list) else self._add_row(number, parsed)
        if faults:
            self._faults[number] = faults
            self.reject(number)

    def _add_row(self, number: int, row: CurriculumRow) -> list[RowFault]:
        first = self._first = self._first or row
        self._references.add(row.reference)
        faults = [
            RowFault(name, str(getattr(row, name) or ""), "version_differs", _differs(name, self.row_numbers[0]))
            for name in _SAME_IN_A_VERSION
            if getattr(row, name) != getattr(first, name)
        ]
        objectives = self._subjects.setdefault(row.subject, {})
        known = objectives.get(row.objective)
        if known is not None:
            detail = (
                f"{row.subject} has {row.objective} in row {known[0]} already: an objective stands once in a version."
            )
            faults.append(RowFault("objective", row.objective, "repeated_objective", detail))
            return faults
        self._objectives += 1
        if self._objectives > OBJECTIVES_MAX:
            detail = f"A version has at most {OBJECTIVES_MAX:,} objectives: split it into several frameworks."
            faults.append(RowFault("objective", row.objective, "out_of_range", detail))
            return faults
        objectives[row.objective] = (
            number,
            Objective(row.objective, row.ability, row.year_group, row.strand, row.text, row.weight),
        )
        return faults

    def gathered(self, states: StatesSpec) -> GatheredVersion:
        """As a whole."""
        numbers = tuple(self.row_numbers)
        if self._is_rejected or self._first is None:
            return GatheredVersion(numbers, None, self._all_faults())
        return GatheredVersion(numbers, self._as_sent(self._first, states))

    def _all_faults(self) -> tuple[tuple[int, RowFault], ...]:
        reason = "the file ends too early" if self._wrong_row is None else f"row {self._wrong_row} is wrong"
        rejected = RowFault(
            "",
            "",
            "version_rejected",
            f"A version is accepted whole or not at all, and {reason}: put that right first.",
        )
        return tuple((number, fault) for number in self.row_numbers for fault in self._faults.get(number, [rejected]))

    def _as_sent(self, first: CurriculumRow, states: StatesSpec) -> SentCurriculum:
        shared = next(iter(self._references)) if len(self._references) == 1 else None
        return SentCurriculum(
            school=first.school or "",
            trust=first.trust,
            framework=first.framework,
            version=first.version,
            subjects=tuple(
                Subject(subject, tuple(objective for _, objective in objectives.values()))
                for subject, objectives in self._subjects.items()
            ),
            effective_on=first.effective_on,
            states=states.states,
            marks_max=states.marks_max,
            source=first.source,
            reference=shared,
            sequence=first.sequence,
            recorded_at=first.recorded_at,
        )


def _differs(name: str, first_row: int) -> str:
    return f"{name} is another one than in row {first_row}: all rows of a version say the same."


def _parse(row: RawRow, context: RowContext) -> CurriculumRow | list[RowFault]:
    parsed: CurriculumRow | list[RowFault] = parse_row("curriculum", row.fields, context)
    if isinstance(parsed, CurriculumRow) and parsed.school is not None and parsed.trust is not None:
        detail = "A version goes to a school or to a trust: leave one of the two empty."
        return [RowFault("trust", parsed.trust, "school_and_trust", detail)]
    return parsed


def _place_of(row: RawRow) -> _Place | None:
    """None where framework or version is missing, or one of the four is no identifier."""
    school, trust, framework, version = (
        row.fields.get(name, "").strip() for name in ("school", "trust", "framework", "version")
    )
    try:
        return (
            parse_identifier(school) if school else None,
            parse_identifier(trust) if trust else None,
            parse_identifier(framework),
            parse_identifier(version),
        )
    except FieldError:
        return None
