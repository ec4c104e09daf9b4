"""What results and judgements say: a column, a score and a day (`contract.md` 3.1, results and judgements).

Every sitting is kept; at a day the latest by the order of truth counts. Whether it is recent enough for a measure is
asked when it is read.
"""

from __future__ import annotations

from schemas.columns import column_of_judgement, column_of_test
from schemas.events import Fact, JudgementRecorded, ResultRecorded
from services.domain.roster import Chain

COLUMN = "column"


def sitting_of(fact: Fact) -> tuple[Chain, str, int] | None:
    """(chain, score or value, ordinal of the day) of a result or judgement; None for any other fact."""
    match fact:
        case ResultRecorded():
            column = column_of_test(fact.test, fact.subject, fact.component, fact.score_type)
            return (COLUMN, column), fact.score, fact.sat_on.toordinal()
        case JudgementRecorded():
            return (COLUMN, column_of_judgement(fact.subject, fact.scale)), fact.value, fact.judged_on.toordinal()
    return None
