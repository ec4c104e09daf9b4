"""Scores and values of judgements as numbers: exact, in thousandths, so that they can be compared with cut-offs.

Cut-offs have at most three decimals, so a number cut down to thousandths lies on the same side of each as the number
itself. Text to integers only; no float ever stands between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.domain.bands import NO_DATA
from services.domain.measures import SCORE_PARTS

_PLACES = len(str(SCORE_PARTS)) - 1
_HIGHEST = 10**15
"""Above every cut-off, and within 64 bits."""
_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")


def thousandths(text: str) -> int | None:
    """The number in `text`, in thousandths cut down; what lies below 0 is 0, under every cut-off. None: no number."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    minus, whole, decimals = match.groups()
    return 0 if minus else min(int(whole + (decimals or "")[:_PLACES].ljust(_PLACES, "0")), _HIGHEST)


def amounts_of(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """`thousandths` of each text; NO_DATA for what is no number, because no band can count it (decision 0007)."""
    found = [thousandths(text) for text in texts]
    return np.array([NO_DATA if number is None else number for number in found], np.int64)
