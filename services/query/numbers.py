"""Scores and values of judgements as numbers: exact, in thousandths, so that they can be compared with cut-offs.

Text to integers only; no float ever stands between. How one text is read is `services.domain.scoring`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.domain.bands import NO_DATA
from services.domain.scoring import PLAIN, Scoring
from services.domain.scoring import number as thousandths

__all__ = ["NO_CODE", "amounts_of", "codes_of", "thousandths"]

NO_CODE = -1


def amounts_of(texts: Sequence[str], scoring: Scoring = PLAIN) -> npt.NDArray[np.int64]:
    """What each text is worth; NO_DATA for what no band can count (decision 0007)."""
    found = [scoring.amount(text) for text in texts]
    return np.array([NO_DATA if amount is None else amount for amount in found], np.int64)


def codes_of(texts: Sequence[str], scoring: Scoring) -> npt.NDArray[np.int64]:
    """Of each text the number of the code that it is, or NO_CODE."""
    found = [scoring.code_number(text) for text in texts]
    return np.array([NO_CODE if code is None else code for code in found], np.int64)
