"""The cells of a row of bands, and Combined, from counts: what an overview and a report of progress have in common.

Pure. Percents divide by the pupils to whom a measure applies, or by those of them with data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from services.domain.scores import NO_PERCENT, percent, percents
from services.domain.scoring import CodeRule
from services.query.answers import BandCounts, BandPercents, CombinedCounts, CombinedPercents, OverviewCell
from services.query.vectors import Ints

_NO_PERCENTS = BandPercents(None, None, None, None, None)


class CodeCounts(msgspec.Struct, frozen=True):
    """The pupils of each row who have a code instead of a value in a measure."""

    rule: CodeRule
    pupils: Ints


def cells_of(
    in_bands: Ints, applicable: Ints, pupils: Ints, *, with_data: bool, codes: Sequence[Sequence[CodeCounts]] = ()
) -> list[list[OverviewCell]]:
    """The cells of each measure, row by row. `in_bands`: pupils by measure, row and band; `applicable`: by measure and
    row; `pupils`: by row; `codes`: of each measure."""
    coded = _sum_of(codes, applicable, lambda rule: rule.counts and not rule.lowest)
    excluded = _sum_of(codes, applicable, lambda rule: not rule.counts)
    reached = in_bands.sum(axis=2) + coded
    no_data = applicable - reached
    of = reached if with_data else applicable
    shares, no_data_shares = percents(in_bands, of[..., None]), percents(no_data, applicable)
    shown = list(map(BandPercents, *_by_band(shares)))
    for place in np.flatnonzero(of == 0).tolist():
        shown[place] = _NO_PERCENTS
    no_data_shown = [None if share == NO_PERCENT else share for share in no_data_shares.ravel().tolist()]
    others = pupils - applicable - excluded
    divided_by, lacking, not_applicable = (column.ravel().tolist() for column in (of, no_data, others))
    counts = map(BandCounts, *_by_band(in_bands))
    cells = list(map(OverviewCell, counts, shown, divided_by, lacking, no_data_shown, not_applicable))
    rows = len(pupils)
    return [cells[start : start + rows] for start in range(0, len(cells), rows)]


def _by_band(numbers: Ints) -> list[list[int]]:
    """Of each band a list by measure and row."""
    found: list[list[int]] = numbers.reshape(-1, numbers.shape[-1]).T.tolist()
    return found


def with_codes(cells: Sequence[OverviewCell], codes: Sequence[CodeCounts]) -> list[OverviewCell]:
    """The cells of one measure, row by row, with how many have each code."""
    return [
        msgspec.structs.replace(
            cell, coded=_counts_in(row, codes, counting=True), excluded=_counts_in(row, codes, counting=False)
        )
        for row, cell in enumerate(cells)
    ]


def _counts_in(row: int, codes: Sequence[CodeCounts], *, counting: bool) -> dict[str, int]:
    found = {each.rule.code: int(each.pupils[row]) for each in codes if each.rule.counts == counting}
    return {code: pupils for code, pupils in found.items() if pupils}


def _sum_of(codes: Sequence[Sequence[CodeCounts]], like: Ints, which: Callable[[CodeRule], bool]) -> Ints:
    """By measure and row, how many have any of some codes."""
    found = np.zeros_like(like)
    for number, of_measure in enumerate(codes):
        for each in of_measure:
            if which(each.rule):
                found[number] += each.pupils
    return found


def bands_of_levels(reached: Ints) -> tuple[Ints, Ints]:
    """(pupils by measure, row and band; those to whom it applies) of how many have come to each level (measure, level,
    row)."""
    above = np.concatenate([reached[:, 2:], np.zeros_like(reached[:, :1])], axis=1)
    return (reached[:, 1:] - above).swapaxes(1, 2), reached[:, 0]


def combined_of(counts: Ints) -> list[CombinedCounts]:
    """Combined of each row; `counts`: by part and row."""
    return [
        CombinedCounts(met, missed, incomplete, CombinedPercents(percent(met, of), percent(missed, of)))
        for met, missed, incomplete in counts.T.tolist()
        for of in (met + missed,)
    ]
