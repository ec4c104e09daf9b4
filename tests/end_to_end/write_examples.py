"""Writes the examples of the OpenAPI document: what a running product answers of the class Oak (`domain.md` 4.2).

`python -m tests.end_to_end.write_examples` writes `services/query/examples.json` anew; `test_openapi_examples` holds it
to the Structs of the answers.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.end_to_end.product import Product, read_report
from tests.end_to_end.telling import Event, by_reference, tell, told, wait_until_shown
from tests.end_to_end.test_contract_answered_oak import NOV, _oak

EXAMPLES = Path("services/query/examples.json")
OWN_YEAR, Y3 = "markbook:maths:own-year:overall", "markbook:maths:Y3:overall"
BANDS = ("bands", "21,36,51,66")
READING = "test:ks2:reading:-:scaled"
THEN = f"{NOV}T15:00:00Z"
SHORT = 3
"""Of long lists so many entries are shown."""


def write() -> None:
    """Ask a new product for each report, and keep question and answer."""
    with Product(Path(tempfile.mkdtemp()) / "data") as product, product.client() as client:
        events = [*_oak(), *_further()]
        wait_until_shown(client, tell(client, *events), ["oak"])
        pupil = by_reference(read_report(client, "overview/members", [*_oak_of(OWN_YEAR), BANDS]))["Amy"]["pupil"]
        examples = {name: _example(client, name, asked) for name, asked in _questions(pupil).items()}
    EXAMPLES.write_text(json.dumps(examples, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _further() -> list[Event]:
    """Results of tests, judgements and a profile beside the markbook."""
    scores = {"Amy": "102", "Ben": "110", "Cai": "B", "Dee": "A"}
    results = [
        told(
            "ResultRecorded",
            "oak",
            THEN,
            pupil=p,
            test="ks2",
            subject="reading",
            score_type="scaled",
            score=s,
            sat_on=NOV,
        )
        for p, s in scores.items()
    ]
    profile = [
        told("ResultRecorded", "oak", THEN, pupil=p, test="eyfsp", subject="eyfsp", component=f"E{n:02}",
             score_type="ta", score="1" if p == "Ben" and n == 10 else "2", sat_on=NOV)
        for p in ("Amy", "Ben")
        for n in range(1, 18)
    ]  # fmt: skip
    judged = [
        told(
            "JudgementRecorded",
            "oak",
            THEN,
            pupil="Amy",
            subject="maths",
            scale="progress-3",
            value="expected",
            judged_on=NOV,
        )
    ]
    sexes = [
        told("CharacteristicSet", "oak", pupil=p, name="sex", value=v, starts_on="2024-09-01")
        for p, v in (("Amy", "F"), ("Ben", "M"), ("Cai", "M"), ("Dee", "F"))
    ]
    return [*results, *profile, *judged, *sexes]


def _oak_of(*measures: str) -> list[tuple[str, str]]:
    return [("school", "oak"), *(("measure", measure) for measure in measures), ("as_at", NOV)]


def _questions(pupil: str) -> dict[str, list[tuple[str, str]]]:
    oak, overview = [("school", "oak"), ("as_at", NOV)], [*_oak_of(OWN_YEAR), BANDS]
    rows = [*overview, ("by", "year-group"), ("then", "characteristic:sex")]
    progress = [*_oak_of(Y3), BANDS, ("start", "2025-10-31")]
    sides = [*oak, ("first", f"{Y3}@2025-10-31"), ("second", Y3), ("type", "ability")]
    matrix = [*sides, ("first_bands", BANDS[1]), ("second_bands", BANDS[1])]
    tracking = [*_oak_of(Y3), ("months", "2025-10..2025-11"), ("target", "10"), ("limit", "2")]
    curriculum = [*oak, ("subject", "maths"), ("ability", "Y3")]
    abilities = [*oak, ("subject", "maths"), ("ability", "Y3"), ("ability", "Y4"), BANDS, ("limit", "2")]
    external = [*oak, ("test", "ks2"), ("year", "2025/26")]
    judgements = [*oak, ("column", READING), ("judgement", "maths:progress-3"), ("limit", "2")]
    gld = [*oak, ("year", "2025/26")]
    return {
        "overview": rows,
        "overview/members": [*rows, ("row", "characteristic:sex:F"), ("in", "year-group:3"), ("cell", "0:at")],
        "progress": progress,
        "progress/members": [*progress, ("cell", "0:below:at")],
        "score-tracking": tracking,
        "score-tracking/members": [*tracking, ("sort", "value")],
        "matrix": matrix,
        "matrix/members": [*matrix, ("cell", "sig_below:at")],
        "curriculum": curriculum,
        "curriculum/members": [*curriculum, ("cell", "0:A"), ("row", "objective:m1"), ("limit", "2")],
        "multi-ability": abilities,
        "multi-ability/members": abilities,
        "explain": [*oak, ("pupil", pupil), ("measure", OWN_YEAR)],
        "framework": [*oak, ("subject", "maths")],
        "recording": [*oak, ("minimum", "40")],
        "external": external,
        "external/members": [*external, ("row", "whole"), ("limit", "2")],
        "judgements": judgements,
        "judgements/members": judgements,
        "eyfs-group": [*oak, ("area", "literacy"), ("limit", "2")],
        "eyfs-pupil": [*oak, ("pupil", pupil)],
        "gld": [*gld, ("limit", "2")],
        "gld/members": [*gld, ("limit", "2")],
        "changes": [("report", "overview"), *overview, ("known_from", "2025-12-01T00:00:00Z")],
    }


def _example(client: httpx.Client, report: str, asked: list[tuple[str, str]]) -> dict[str, Any]:
    answer = client.get(f"/v1/reports/{report}", params=asked)
    assert answer.status_code == 200, (report, answer.text[:600])
    return {"query": urlencode(asked, safe=":,@/"), "answer": _shortened(answer.json())}


def _shortened(value: Any) -> Any:
    """The same with long lists of objects cut short."""
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        many = bool(value) and isinstance(value[0], dict)
        return [_shortened(each) for each in (value[:SHORT] if many else value)]
    return value


if __name__ == "__main__":
    write()
