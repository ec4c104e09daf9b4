"""What each report counts, as suppression sees it: small numbers and what is made of them go, the rest stays."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from services.access.keys import Access
from services.access.problems import Problem
from services.domain.bands import parse_bands
from services.domain.measures import parse_measure
from services.query.answers import Provenance
from services.query.external_requests import ExternalRequest, GldMembersRequest, GldRequest, Year
from services.query.fact_requests import ColumnAsked, CurriculumRequest, RecordingRequest
from services.query.questions import Question, Reading
from services.query.reports import progress
from services.query.reports.curriculum import (
    ColumnShown,
    Curriculum,
    CurriculumCell,
    CurriculumRow,
    MeanShown,
    StateShown,
)
from services.query.reports.external import Beside, External, ExternalMeasure, ExternalRow
from services.query.reports.gld import GldReport, GldRow
from services.query.reports.recording import Coverage, Recording, RecordingRow
from services.query.requests import By, Clocks, OverviewRequest, Population, ProgressRequest
from services.query.suppression import Suppression
from tests.unit.query.hand_made import HandMadeSchool, day, reading_of

DAY = day("2026-06-30")
GOVERNOR = Access("key_1", "governor", False, frozenset({"ash"}), frozenset(), frozenset({"read"}))
WHOLE = Population(schools=("ash",))
NOW = Clocks(DAY)
NOWHERE = Provenance(DAY, None, None, False, {"timeline": 1})
SEX = By("characteristic", "sex")
FEMALE, MALE = "characteristic:sex:F", "characteristic:sex:M"


def make_ash() -> HandMadeSchool:
    school = HandMadeSchool("ash")
    for number in range(40):
        group = "4A" if number < 20 else "4B"
        school.enrol(f"p{number}", "4", groups=(group,), sex="F" if number < 22 else "M")
        if number < 30:
            school.mark(f"p{number}", "maths", 20 if number < 15 else 60)
    return school


READING = reading_of(make_ash().reading())


async def suppressed(report: str, request: Any, answer: Any, reading: Reading = READING) -> Any:
    async def ask(asked: Any) -> Any:
        return answer(asked) if callable(answer) else answer

    async def read(_: Question) -> Reading:
        return reading

    shown = await Suppression(ask, read, GOVERNOR, 5).answer(report, request)
    return msgspec.json.decode(msgspec.json.encode(shown))


async def test_progress_never_shows_its_table() -> None:
    bands = (parse_bands("21,36,51,66", whole_percent=True),)
    overview = OverviewRequest(WHOLE, NOW, (parse_measure("markbook:maths:any:overall"),), bands, (SEX,))
    request = ProgressRequest(overview, DAY, bands)
    shown = await suppressed("progress", request, lambda asked: progress.answer(READING, asked))
    whole, *rows = [row["cells"][0] for row in shown["rows"]]
    assert whole["table"] == [[None] * 5] * 5 and "/rows/0/cells/0/table/4/2" in shown["suppressed"]
    assert (whole["no_start"], whole["no_end"]) == (None, None)
    assert whole["counts"]["at"] == 30 and len(rows) == 2
    narrowed = msgspec.structs.replace(
        request, overview=msgspec.structs.replace(overview, population=msgspec.structs.replace(WHOLE, groups=("4A",)))
    )
    assert (await suppressed("progress", narrowed, lambda asked: progress.answer(READING, asked)))["rows"]


def measured(of: int, met: int, distribution: dict[str, int], **codes: dict[str, int]) -> ExternalMeasure:
    beside = Beside("75", "2024/25", "final", -4, "source", "all")
    return ExternalMeasure(
        id="test:ks2:maths:-:scaled",
        of=of,
        met=met,
        percent=50,
        mean="101.5",
        scores=sum(distribution.values()),
        distribution=distribution,
        coded=codes.get("coded", {}),
        excluded=codes.get("excluded", {}),
        no_data=0,
        not_applicable=0,
        national=beside,
    )


async def test_external_hides_scores_codes_and_what_is_made_of_them() -> None:
    whole = measured(40, 28, {"95": 11, "100": 20, "110": 8}, coded={"A": 1})
    female = measured(22, 17, {"95": 5, "100": 12, "110": 5})
    male = measured(18, 11, {"95": 6, "100": 8, "110": 3}, coded={"A": 1})
    rows = [
        ExternalRow(row, pupils, [each])
        for row, pupils, each in (("whole", 40, whole), (FEMALE, 22, female), (MALE, 18, male))
    ]
    answer = External("external", NOWHERE, "ks2", "KS2", "2025/26", DAY, {}, rows)
    request = ExternalRequest(WHOLE, NOW, "ks2", Year(2025, DAY), (SEX,))
    shown = await suppressed("external", request, answer)
    males, everybody = shown["rows"][2]["measures"][0], shown["rows"][0]["measures"][0]
    assert males["distribution"]["110"] is None and males["coded"]["A"] is None and males["mean"] is None
    assert shown["rows"][1]["measures"][0]["distribution"]["110"] is None, "it would give the boys' back"
    assert everybody["coded"]["A"] is None and everybody["of"] == 40
    assert None in (everybody["scores"], *everybody["distribution"].values()), "or else 40 - 39 is the one with a code"


async def test_the_profile_closes_its_pupils_and_hides_means_of_few() -> None:
    rows = [
        GldRow("whole", 40, 39, 28, 72, "30.1", "13.2", 0, 1),
        GldRow(FEMALE, 22, 22, 18, 82, "31.0", "14.0", 0, 0),
        GldRow(MALE, 18, 17, 10, 59, "29.0", "12.0", 0, 1),
    ]
    answer = GldReport("gld", NOWHERE, "eyfsp", "2025/26", [], rows, 40, [], None)
    shown = await suppressed("gld", GldMembersRequest(GldRequest(WHOLE, NOW, Year(2025, DAY), (SEX,))), answer)
    assert (shown["pupils"], shown["total"]) == ([], None)
    assert shown["rows"][2]["exempt"] is None and shown["rows"][2]["mean_total"] is None
    assert shown["rows"][0]["exempt"] is None
    below = [row["of"] is not None and row["gld"] is not None for row in shown["rows"]]
    assert not below[1], "22 less 18 are 4 girls below"


def make_cell(counts: dict[str, int], none: int) -> CurriculumCell:
    percents: dict[str, int | None] = dict.fromkeys(counts, 10)
    return CurriculumCell(counts, percents, none, MeanShown(40, "16", "40", sum(counts.values())))


async def test_the_curriculum_hides_states_and_means_in_each_column() -> None:
    rows = [
        CurriculumRow("objective:m1", "", "1", "", [make_cell({"not_yet": 3, "achieved": 27}, 10)]),
        CurriculumRow("objective:m2", "", "1", "", [make_cell({"not_yet": 13, "achieved": 17}, 10)]),
        CurriculumRow("strand:s", "", "2", "", [make_cell({"not_yet": 16, "achieved": 44}, 20)]),
    ]
    states = [StateShown("not_yet", "", "0"), StateShown("achieved", "", "1")]
    answer = Curriculum("curriculum", NOWHERE, "maths", "any", states, [ColumnShown("@", 40)], rows, 0)
    request = CurriculumRequest(WHOLE, NOW, "maths", "any", (ColumnAsked("@", DAY),))
    shown = await suppressed("curriculum", request, answer)
    first, second, strand = [row["cells"][0] for row in shown["rows"]]
    assert (
        first["counts"]["not_yet"] is None and list(first["counts"].values()).count(None) + (first["none"] is None) == 2
    )
    assert set(first["mean"].values()) == {None}
    assert second["counts"] == {"not_yet": 13, "achieved": 17} and second["mean"]["pupils"] == 30
    assert strand["counts"] == {"not_yet": 16, "achieved": 44}


async def test_recording_hides_few_and_all_but_few_and_is_not_narrowed() -> None:
    rows = [
        RecordingRow(row, "ash", "maths", pupils, assessed, 50, date(2026, 6, 1), Coverage(3, 10, 30), None)
        for row, pupils, assessed in (("whole", 40, 30), ("group:4A", 20, 18), ("group:4B", 20, 12))
    ]
    answer = Recording("recording", NOWHERE, None, DAY, None, rows)
    shown = await suppressed("recording", RecordingRequest(WHOLE, NOW), answer)
    by_row = {row["row"]: row for row in shown["rows"]}
    assert by_row["group:4A"]["assessed"] is None and by_row["group:4A"]["assessed_percent"] is None
    assert by_row["whole"]["assessed"] == 30 and by_row["group:4A"]["covered"]["objectives"] == 3
    with pytest.raises(Problem) as refused:
        await suppressed("recording", RecordingRequest(Population(schools=("ash",), groups=("4A",)), NOW), answer)
    assert refused.value.code == "pupils_closed"
