"""What the demonstration trust defined and saved: a test that it buys, a scale, expectations by term, reports.

Pure documents, as the contract has them (5). Expectations are valid for a term each, so that a report of another
time says so; the third school has its own for the summer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from services.console.fictional_people import SCHOOLS, TRUST, Years
from services.console.fictional_tests import EFFORT, TERMLY

Document = Mapping[str, Any]

PROGRESS_RULE = "34455,23445,22344,12234,11223"
_AUTUMN, _SPRING, _SUMMER = "8,16,24,32", "30,45,58,68", "50,65,82,93"
_ASSESSED = "35,50,70,85"


class Defined(NamedTuple):
    """A document and the address that it is sent to, by PUT or by POST."""

    method: str
    path: str
    body: Document


def definitions(years: Years) -> list[Defined]:
    """Everything that is defined and saved, in the order of sending."""
    return [
        Defined("PUT", f"/v1/tests/{TERMLY}", _termly_test()),
        Defined("PUT", f"/v1/scales/{EFFORT}", _effort_scale()),
        *(Defined("POST", "/v1/settings", body) for body in _settings(years)),
        *(Defined("POST", "/v1/saved-reports", body) for body in _reports(years)),
    ]


def _termly_test() -> Document:
    return {
        "name": "Termly standardised tests",
        "scores": {"standardised": {"min": "69", "max": "141", "step": "1"}},
        "codes": {"A": {"name": "Absent", "counts": False}},
        "year_groups": ["1", "2", "3", "4", "5", "6"],
        "window": "year",
        "expected": [{"score": "standardised", "at": "95"}],
    }


def _effort_scale() -> Document:
    words = ("Hardly tries", "Tries now and then", "Tries", "Always tries hard")
    return {"name": "Effort", "values": [{"value": str(n), "name": word} for n, word in enumerate(words, 1)]}


def _settings(years: Years) -> list[Document]:
    found: list[Document] = []
    for first in (years.first, years.second):
        turns = first.replace(year=first.year + 1, month=1), first.replace(year=first.year + 1, month=4)
        ends = turns[0], turns[1], first.replace(year=first.year + 1)
        terms = ("Autumn", first, ends[0], _AUTUMN), ("Spring", ends[0], ends[1], _SPRING)
        for term, starts, follows, bands in (*terms, ("Summer", ends[1], ends[2], _SUMMER)):
            name = f"{term} expectations {first.year}/{(first.year + 1) % 100:02d}"
            found.append(_bands({"trust": TRUST}, name, starts, follows, bands))
    summer = years.second.replace(year=years.second.year + 1, month=4)
    own = _bands({"school": SCHOOLS[2].school}, "Summer, as Cedar Lane sees it", summer, None, "45,60,78,90")
    rule = {"trust": TRUST, "kind": "progress", "name": "Progress of a year", "rule": PROGRESS_RULE}
    return [*found, own, rule]


def _bands(owner: Mapping[str, str], name: str, starts: date, follows: date | None, overall: str) -> Document:
    """Expectations from a day until another one begins. Year 1 starts more slowly."""
    lower = ",".join(str(max(int(cut_off) * 9 // 10, place)) for place, cut_off in enumerate(overall.split(","), 1))
    ends = {} if follows is None else {"valid_to": str(follows - timedelta(days=1))}
    return {
        **owner,
        **ends,
        "kind": "bands",
        "name": name,
        "valid_from": str(starts),
        "entries": [
            {"measure": "markbook:*:*:overall", "bands": overall},
            {"measure": "markbook:*:*:overall", "year_group": "1", "bands": lower},
            {"measure": "markbook:*:*:assessed", "bands": _ASSESSED},
            {"measure": f"test:{TERMLY}:*:-:standardised", "bands": "85,95,105,115"},
            {"measure": "test:ks2:*:-:scaled", "bands": "90,100,110,115"},
            {"measure": "test:ks1:*:-:scaled", "bands": "92,100,110,113"},
            {"measure": "test:ks2:*:-:ta", "bands": "WTS,EXS,GDS,-"},
            {"measure": "judgement:*:progress-3", "bands": "-,expected,above,-"},
            {"measure": "judgement:*:effort", "bands": "2,3,4,-"},
        ],
    }


def _reports(years: Years) -> list[Document]:
    overall = [("measure", f"markbook:{subject}:own-year:overall") for subject in ("reading", "writing", "maths")]
    summer = str(years.second.replace(month=7, day=10))
    school, trust = ("school", SCHOOLS[0].school), ("trust", TRUST)

    def path(report: str, *parameters: tuple[str, str]) -> str:
        return f"/reports/{report}?" + urlencode(parameters, safe=":,@")

    saved = {
        "Where Ashgrove stands": path("overview", school, *overall, ("by", "year-group"), ("by", "characteristic:sen")),
        "The trust, school by school": path("overview", trust, *overall, ("by", "school")),
        "Ashgrove at the end of last summer": path("overview", school, *overall, ("as_at", summer)),
    }
    return [
        {"name": name, "path": address, "shared": True, "home": place == 0}
        for place, (name, address) in enumerate(saved.items())
    ]
