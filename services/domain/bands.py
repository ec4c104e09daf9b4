"""Bands: four lower cut-offs make five bands; Combined over several measures; the overlay of a matrix.

Pure, on band indexes: 0 Sig Below .. 4 Sig Above, NO_DATA and NOT_APPLICABLE below zero. Who is asked
for, and how the answer looks, is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from services.domain.scores import percent
from services.domain.scoring import PARTS, Scoring

BAND_IDS = ("sig_below", "below", "at", "above", "sig_above")
AT = 2
"""The index of the band from which expectations are met."""
NO_DATA = -1
NOT_APPLICABLE = -2

SCORE_MAX = 1_000_000
UNUSED = "-"
"""Stands for the cut-off of a band that is not used."""
_UNREACHED = Decimal(SCORE_MAX + 1)
_NUMBER = re.compile(r"([0-9]{1,7})(?:\.([0-9]{1,3}))?")
_VALUE = re.compile(r"[A-Za-z][A-Za-z0-9._~+*=-]{0,127}|[0-9]+[A-Za-z+*=][A-Za-z0-9._~+*=-]{0,120}")
"""A value of a scale that is no number."""

BandArray = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]


class InvalidBands(ValueError):
    """Cut-offs that do not make five bands. `code` is for programs, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


CutOff = Decimal | None
"""None: the band is not used."""


class Bands(msgspec.Struct, frozen=True):
    """The lower cut-offs of Below, At, Above and Sig Above, rising; at a cut-off the higher band begins.

    A band that is not used is empty: its values fall to the used band below. `texts`: values of a scale or test that
    stand for numbers, from `bind_bands` on in the places of `cut_offs`.
    """

    cut_offs: tuple[CutOff, CutOff, CutOff, CutOff]
    texts: tuple[str, ...] = ()

    @property
    def effective(self) -> tuple[Decimal, ...]:
        """The cut-offs in force: that of an unused band is that of the next used above, or no value comes to it."""
        found: list[Decimal] = []
        for cut in reversed(self.cut_offs):
            found.append(cut if cut is not None else found[-1] if found else _UNREACHED)
        return tuple(reversed(found))

    def shown(self) -> list[int | str]:
        """The cut-offs as answers hold them: whole numbers as numbers, others as decimal strings, `-` = unused."""
        if self.texts:
            return list(self.texts)
        return [
            UNUSED if cut is None else int(cut) if cut == int(cut) else format(cut.normalize(), "f")
            for cut in self.cut_offs
        ]


@lru_cache(maxsize=1_000)
def parse_bands(text: str, *, whole_percent: bool) -> Bands:
    """The bands written as `35,50,70,85`; `whole_percent` for markbook measures (whole numbers 1..100).

    No band may be empty unless it is marked unused (`-`): each cut-off is above the one before it, and the first above
    0. Values of a scale may stand for numbers (`EM,EXS,GDS,-`). Raises InvalidBands.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4:
        raise InvalidBands("wrong_count", f"four cut-offs such as 35,50,70,85 make five bands; there are {len(parts)}")
    if not whole_percent and all(part == UNUSED or _VALUE.fullmatch(part) for part in parts) and set(parts) != {UNUSED}:
        return Bands((None, None, None, None), tuple(parts))
    cuts = [_parse_cut_off(part, whole_percent=whole_percent) for part in parts]
    used = [cut for cut in cuts if cut is not None]
    if not used:
        raise InvalidBands("no_bands", "at least one band is used: give its lower cut-off")
    if any(later <= earlier for earlier, later in pairwise(used)):
        raise InvalidBands("out_of_order", f"each cut-off must be above the one before it: {','.join(map(str, used))}")
    return Bands((cuts[0], cuts[1], cuts[2], cuts[3]))


def bind_bands(bands: Bands, scoring: Scoring, measure: str) -> Bands:
    """The same with the places of its values among those declared. Raises InvalidBands for one that is not."""
    if not bands.texts:
        return bands
    cuts: list[CutOff] = []
    for text in bands.texts:
        amount = None if text == UNUSED else scoring.amount(text)
        if text != UNUSED and amount is None:
            known = ", ".join(scoring.values) or "numbers only"
            raise InvalidBands("unknown_scale_value", f"{text!r} is no value of {measure}, which has {known}")
        cuts.append(None if amount is None else Decimal(amount) / PARTS)
    used = [cut for cut in cuts if cut is not None]
    if any(later <= earlier for earlier, later in pairwise(used)):
        raise InvalidBands("out_of_order", f"each value must stand above the one before it: {','.join(bands.texts)}")
    return Bands((cuts[0], cuts[1], cuts[2], cuts[3]), bands.texts)


def classify(value: int | Decimal | Fraction, bands: Bands) -> int:
    """The band index of a displayed percent or an unrounded score."""
    return sum(value >= cut for cut in bands.effective)


def classify_many(values: npt.NDArray[np.int64], bands: Bands, *, per_unit: int = 1) -> BandArray:
    """The band index of each value, counted in 1/`per_unit` of a unit (scores come in thousandths).

    Negative values (no percent, NO_DATA, NOT_APPLICABLE) stay what they are.
    """
    indexes = np.searchsorted(_cuts(bands, per_unit), values, side="right")
    return np.where(values < 0, values, indexes).astype(np.int8)


@lru_cache(maxsize=1_000)
def _cuts(bands: Bands, per_unit: int) -> npt.NDArray[np.int64]:
    """The cut-offs in 1/`per_unit`, rounded up, which is exact for whole numbers."""
    return np.array([-(-cut * per_unit // 1) for cut in bands.effective], dtype=np.int64)


LEVELS = len(BAND_IDS) + 1
"""How many `levels` there are."""
AT_LEVEL = AT + 1
"""The level from which expectations are met."""


@lru_cache(maxsize=1_000)
def levels(bands: Bands, *, per_unit: int = 1) -> npt.NDArray[np.int64]:
    """The lowest values, as `classify_many` takes them, of all to whom a measure applies, of those with data, and of
    each band but the lowest: who has come to one level and not to the next is of its kind."""
    return np.array([NO_DATA, 0, *_cuts(bands, per_unit)], np.int64)


class Combined(msgspec.Struct, frozen=True):
    """Masks over pupils: at or above in all measures; not; and of those, who only lacks data.

    A pupil to whom any of the measures does not apply is in none.
    """

    working_at_or_above: Any
    not_working_at: Any
    incomplete: Any


def combine(measures: Sequence[BandArray]) -> Combined:
    """Combined over the band indexes of the same pupils in one or more measures."""
    return combine_masks(
        [bands != NOT_APPLICABLE for bands in measures],
        [bands >= 0 for bands in measures],
        [bands >= AT for bands in measures],
    )


def combine_masks(applies: Sequence[Any], with_data: Sequence[Any], met: Sequence[Any]) -> Combined:
    """The same of masks, be they of booleans or of words of bits, of each measure."""
    every, all_met = np.bitwise_and.reduce(applies), np.bitwise_and.reduce(met)
    missed = np.bitwise_or.reduce([there & ~enough for there, enough in zip(with_data, met, strict=True)])
    not_met = every & ~all_met
    return Combined(working_at_or_above=all_met, not_working_at=not_met, incomplete=not_met & ~missed)


class OverlayPart(msgspec.Struct, frozen=True):
    """Pupils of one part of a matrix and their percent of those plotted (None if nobody is)."""

    pupils: int
    percent: int | None


class Overlay(msgspec.Struct, frozen=True):
    """On the diagonal (one band twice), above (second band higher), below it; percents need not make 100."""

    on: OverlayPart
    above: OverlayPart
    below: OverlayPart


def overlay(counts: Sequence[Sequence[int]]) -> Overlay:
    """The overlay of a 5×5 table: rows are bands of the first measure, columns of the second."""
    parts = {"on": 0, "above": 0, "below": 0}
    for first, row in enumerate(counts):
        for second, pupils in enumerate(row):
            parts["above" if second > first else "below" if second < first else "on"] += int(pupils)
    plotted = sum(parts.values())
    return Overlay(**{name: OverlayPart(pupils, percent(pupils, plotted)) for name, pupils in parts.items()})


def _parse_cut_off(text: str, *, whole_percent: bool) -> CutOff:
    if text == UNUSED:
        return None
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise InvalidBands("not_a_number", f"{text[:40]!r} is no cut-off; write a number such as 35")
    value = Decimal(text)
    if whole_percent and match[2] is not None:
        raise InvalidBands("not_whole", f"{text} is no whole percent; markbook bands count displayed whole percents")
    highest = 100 if whole_percent else SCORE_MAX
    if not 0 < value <= highest:
        raise InvalidBands("out_of_range", f"{text} lies outside 0..{highest} (the lowest band starts at 0 by itself)")
    return value
