"""What the fault tests send, and what must come of it: three schools, marks that can be recomputed, round after round.

In each round every pupil gets a new mark for every objective. So after a round each pupil's sum is known exactly.
"""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import httpx

from tests.end_to_end.product import import_bytes, read_report

SCHOOLS = ("ash", "birch", "cedar")
PUPILS = 40
OBJECTIVES = 120
ROWS = len(SCHOOLS) * PUPILS * OBJECTIVES
MEASURE = "markbook:maths:Y3:overall"
BANDS = "20,40,60,80"
STARTS_ON = date(2025, 9, 1)


def mark(school: int, pupil: int, objective: int, number: int) -> int:
    """The mark of a round; differs from round to round."""
    return (school * 31 + pupil * 7 + objective * 13 + number * 29) % 101


def send_rosters(client: httpx.Client) -> None:
    """Schools, pupils and the framework."""
    import_bytes(client, "schools", _csv(["school", "name"], [[school, school.title()] for school in SCHOOLS]))
    pupils = [[school, f"P{number}", STARTS_ON] for school in SCHOOLS for number in range(PUPILS)]
    import_bytes(client, "pupils", _csv(["school", "pupil", "enrolled_on"], pupils))
    objectives = [["tests", "1", "maths", "Y3", f"o{number}"] for number in range(OBJECTIVES)]
    columns = ["framework", "version", "subject", "ability", "objective"]
    import_bytes(client, "curriculum", _csv(columns, objectives), states="marks:100")


def marks_file(number: int) -> bytes:
    """The file of round `number`: schools interleaved, every mark new."""
    rows = [
        [
            name,
            f"P{pupil}",
            "maths",
            f"o{objective}",
            mark(school, pupil, objective, number),
            STARTS_ON + timedelta(days=1 + number),
        ]
        for objective in range(OBJECTIVES)
        for school, name in enumerate(SCHOOLS)
        for pupil in range(PUPILS)
    ]
    return _csv(["school", "pupil", "subject", "objective", "state", "assessed_on"], rows)


def assert_marks_are(client: httpx.Client, number: int, position: str) -> None:
    """Every pupil's sum is that of round `number`, exactly, and of no other; the round before is still there too."""
    for school, name in enumerate(SCHOOLS):
        for round_number in (number, number - 1):
            if round_number < 0:
                continue
            parameters = [("school", name), ("measure", MEASURE), ("bands", BANDS), ("row", "whole"), ("limit", "500")]
            parameters += [("as_at", str(STARTS_ON + timedelta(days=1 + round_number)))]
            parameters += [("min_position", position), ("wait_seconds", "30")]
            report = read_report(client, "overview/members", parameters)
            assert report["provenance"]["stale"] is False
            sums = {pupil["reference"]: pupil["values"][0]["numerator"] for pupil in report["pupils"]}
            assert sums == {
                f"P{pupil}": str(sum(mark(school, pupil, objective, round_number) for objective in range(OBJECTIVES)))
                for pupil in range(PUPILS)
            }, (name, round_number)


def _csv(columns: list[str], rows: list[list[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()
