"""Tables of the reports: the numbers of the JSON, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from services.domain.bands import BAND_IDS, parse_bands
from services.domain.measures import parse_measure
from services.query import exports
from services.query.answers import (
    Listing,
    Matrix,
    MeasureOn,
    Members,
    Name,
    Note,
    NotMeeting,
    Overlay,
    Overview,
    Provenance,
    PupilMonths,
    PupilValues,
    ScoreTracking,
    SettingsUsed,
    Share,
    Unplotted,
    Value,
)
from services.query.reports import overview
from services.query.requests import By, Clocks, OverviewRequest, Population
from tests.unit.query.hand_made import day, reading_of
from tests.unit.query.oak import make_oak

MATHS = "markbook:maths:Y3:overall"
PROVENANCE = Provenance(date(2026, 3, 31), datetime(2026, 4, 1, tzinfo=UTC), "pos", False, {"timeline": 1})
EVIL = '=cmd|"/C calc"!A0'


def oak_overview() -> Overview:
    request = OverviewRequest(
        Population(schools=("oak",)),
        Clocks(day("2025-11-30")),
        (parse_measure(MATHS),),
        (parse_bands("21,36,51,66", whole_percent=True),),
        (By("characteristic", "sex"),),
    )
    return overview.answer(reading_of(make_oak().reading()), request)


def members(*names: str) -> Members:
    value = Value("value", percent=50, numerator="2.5", denominator="5", band="at")
    pupils = [
        PupilValues(pupil=f"pup_{n}", school="oak", year_group="3", values=[value, Value("no_data")])
        for n, _ in enumerate(names)
    ]
    shown = tuple(("oak", pupil.pupil) for pupil in pupils)
    listing = Listing(Members("overview/members", PROVENANCE, len(pupils), pupils, None), shown)
    return listing.named({key: Name(EVIL, name) for key, name in zip(shown, names, strict=True)})


def lines(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))


def test_the_overview_as_the_contract_says() -> None:
    answer = oak_overview()
    data = exports.write_csv(exports.overview_table(answer))
    assert data.startswith(b"row,measure,band,pupils,percent\r\nwhole,markbook:maths:Y3:overall,sig_below,")
    read = lines(data)
    assert data.count(b"\r\n") == data.count(b"\n") == len(read)
    for row in answer.rows:
        cell = row.cells[0]
        told = {line[2]: line[3:] for line in read if line[:2] == [row.row, MATHS]}
        assert list(told) == [*BAND_IDS, "no_data", "not_applicable"]
        for band in BAND_IDS:
            percent = getattr(cell.percents, band)
            assert told[band] == [str(getattr(cell.counts, band)), "" if percent is None else str(percent)]
        assert told["no_data"] == [str(cell.no_data), str(cell.no_data_percent)]
        assert told["not_applicable"] == [str(cell.not_applicable), ""]
        combined = {line[2]: line[3:] for line in read if line[:2] == [row.row, "combined"]}
        assert combined["working_at_or_above"][0] == str(row.combined.working_at_or_above)
        assert combined["incomplete"] == [str(row.combined.incomplete), ""]


def test_members_have_a_line_for_each_measure() -> None:
    read = lines(exports.write_csv(exports.members_table(members("Amy"), ["a", "b"])))
    assert read[0][:6] == ["pupil", "reference", "name", "school", "year_group", "measure"]
    assert [line[5:9] for line in read[1:]] == [["a", "value", "50", "2.5"], ["b", "no_data", "", ""]]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_is_a_formula_to_a_spreadsheet_is_guarded(start: str) -> None:
    read = lines(exports.write_csv(exports.members_table(members(f"{start}1+1"), ["a", "b"])))
    assert read[1][1:3] == [f"'{EVIL}", f"'{start}1+1"]


@pytest.mark.parametrize("cell", [-5, 0, "-2.5", "2.5", "", None, "a=b", date(2026, 1, 1)])
def test_numbers_and_plain_texts_are_untouched(cell: Any) -> None:
    assert exports.guard_formula(cell) == cell


def test_without_names_their_columns_are_empty() -> None:
    pupil = PupilValues(pupil="pup_1", school="oak", year_group=None, values=[Value("not_applicable")])
    answer = Members("overview/members", PROVENANCE, 1, [pupil], None)
    assert lines(exports.write_csv(exports.members_table(answer, ["a"])))[1][:5] == ["pup_1", "", "", "oak", ""]


def test_score_tracking_has_a_variance_beside_each_month() -> None:
    pupil = PupilMonths(
        pupil="pup_1",
        school="oak",
        year_group="3",
        start=Value("no_data"),
        values=[Value("value", percent=10), None],
        variances=[None, -4],
        average_variance="-4.0",
    )
    months = [date(2025, 9, 30), date(2025, 10, 31)]
    answer = ScoreTracking("score-tracking", PROVENANCE, MATHS, "now", months, 1, [pupil], None)
    read = lines(exports.write_csv(exports.score_tracking_table(answer)))
    assert read[0][5:] == [
        *("start", "2025-09-30", "2025-09-30 variance", "2025-10-31", "2025-10-31 variance", "average_variance")
    ]
    assert read[1][5:] == ["no_data", "10", "", "", "-4", "-4.0"]


def test_a_matrix_is_25_lines_and_who_could_not_be_plotted() -> None:
    counts = [[row * 5 + column for column in range(5)] for row in range(5)]
    side = MeasureOn(MATHS, date(2026, 3, 31), [35, 50, 70, 85])
    share = Share(0, None)
    overlay, missed = Overlay(share, share, share), NotMeeting(share, share)
    answer = Matrix("matrix", PROVENANCE, side, side, counts, [Unplotted(None, "at", 1)], overlay, missed)
    read = lines(exports.write_csv(exports.matrix_table(answer)))
    assert read[0] == ["first", "second", "pupils"]
    assert (read[1], read[2], read[25]) == (
        ["sig_below", "sig_below", "0"],
        ["sig_below", "below", "1"],
        ["sig_above", "sig_above", "24"],
    )
    assert read[26:] == [["none", "at", "1"]]


def test_a_workbook_holds_texts_as_texts_and_tells_where_it_is_from() -> None:
    table = exports.members_table(members("=1+1"), ["a", "b"])
    data = exports.write_workbook(table, PROVENANCE, "http://x/v1/reports/overview?school=oak")
    assert data == exports.write_workbook(table, PROVENANCE, "http://x/v1/reports/overview?school=oak")
    with zipfile.ZipFile(io.BytesIO(data)) as workbook:
        texts = workbook.read("xl/sharedStrings.xml").decode()
        sheets = [workbook.read(f"xl/worksheets/sheet{number}.xml").decode() for number in (1, 2)]
    assert "<f>" not in "".join(sheets)
    assert "=1+1" in texts
    assert "'=1+1" not in texts
    assert "<v>50</v>" in sheets[0]
    for told in ("As", "2026-03-31", "2026-04-01T00:00:00+00:00", "http://x/v1/reports/overview?school=oak"):
        assert told.lower() in texts.lower()


def test_tables_and_answers_have_the_same_number_of_cells() -> None:
    table = exports.members_table(members("Amy", "Ben"), ["a", "b"])
    assert {len(line) for line in table.lines} == {len(table.header)}
    assert len(msgspec.structs.fields(Value)) + 6 == len(table.header)


def test_a_target_has_columns_only_where_one_is_asked_for() -> None:
    def pupil(**aim: Any) -> PupilMonths:
        told: dict[str, Any] = {"start": None, "values": [], "variances": [], "average_variance": None, **aim}
        return PupilMonths(pupil="pup_1", school="oak", year_group="3", **told)

    pupils = [pupil(target=60, met=True), pupil(target=0, met=False), pupil(target=None, met=None)]
    answer = ScoreTracking("score-tracking", PROVENANCE, MATHS, "now", [], 3, pupils, None)
    table = exports.score_tracking_table(answer)
    assert table.header[-2:] == ("target", "met")
    assert [line[-2:] for line in table.lines] == [(60, "yes"), (0, "no"), (None, None)]
    plain = exports.score_tracking_table(msgspec.structs.replace(answer, pupils=[pupil()]))
    assert plain.header[-1] == "average_variance" and len(plain.lines[0]) == len(plain.header)


def test_the_about_sheet_tells_the_settings_and_why_a_report_is_empty() -> None:
    used = SettingsUsed("set_1", 3, "Autumn", MATHS, [21, "-", 51, 66], "outside_validity", date(2026, 1, 1), "4")
    told = msgspec.structs.replace(PROVENANCE, settings=[used], notes=[Note("unknown_group", "Nobody.", "group", "x")])
    with zipfile.ZipFile(io.BytesIO(exports.write_workbook(exports.Table(("a",), ()), told, "http://x"))) as workbook:
        shared = workbook.read("xl/sharedStrings.xml").decode()
    for text in ("settings set_1@3", "Autumn", "21,-,51,66", "year group 4", "outside_validity", "note unknown_group"):
        assert f">{text}<" in shared, text
