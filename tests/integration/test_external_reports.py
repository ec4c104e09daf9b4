"""External data, judgements and early years through the API: worked examples 4.7 to 4.9 of `domain.md`, by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from schemas.events import JudgementRecorded, ResultRecorded, SchoolRegistered, State
from services.domain.eyfs import GOALS
from tests.builders import Book, subject
from tests.integration.told_schools import Api, api_over
from tests.servers.embedded import EmbeddedServer
from tests.unit.query.told import enrol

YEAR = "2025/26"
RWM = (("102", "EXS", "99"), ("110", "GDS", "110"), ("B", "PK6", "B"), ("A", "EXS", "100"), ("L", "L", "L"),
       ("100", "EXS", "100"))  # fmt: skip
PROFILES = {
    "A": "2" * 17,
    "B": "2" * 12 + "1" * 5,
    "C": "2" * 9 + "1" + "2" * 7,
    "D": "1" * 17,
    "E": "A" * 17,
}


@pytest.fixture(scope="module")
def api(embedded_postgres: EmbeddedServer) -> Iterator[Api]:
    embedded_postgres.start()
    with api_over(embedded_postgres.url, "external_reports", [tell_ks2(), tell_checks(), tell_early_years()]) as api:
        yield api


def school_of(name: str) -> Book:
    book = Book(name)
    book.tell(SchoolRegistered, "2024-09-01", name=name.title())
    return book


def sit(book: Book, pupil: str, test: str, score: str, on: str, **fields: str) -> None:
    said = {"test": test, "score": score, "sat_on": on, **fields}
    book.tell(ResultRecorded, on, pupil=pupil, **said)


def tell_ks2() -> Book:
    book = school_of("oak")
    for number, told in enumerate(RWM, 1):
        pupil = f"p{number}"
        enrol(book, pupil, "6", sex="F" if number % 2 else "M")
        for name, kind, score in zip(("reading", "writing", "maths"), ("scaled", "ta", "scaled"), told, strict=True):
            sit(book, pupil, "ks2", score, "2026-05-12", subject=name, score_type=kind)
    enrol(book, "y5", "5", sex="F")
    for value, on in (("silver", "2025-10-01"), ("gold", "2025-12-01"), ("silver", "2026-03-01")):
        fields = {"subject": "maths", "scale": "bronze-silver-gold", "value": value, "judged_on": on, "actor": "key_1"}
        book.tell(JudgementRecorded, on, pupil="p1", **fields)
    return book


def tell_checks() -> Book:
    book = school_of("elm")
    for number, mark in enumerate(("40", "32", "31", "A", "D", "L"), 1):
        enrol(book, f"f{number}", "1")
        sit(book, f"f{number}", "phonics", mark, "2026-06-09", subject="phonics", score_type="raw")
    for number, (first, again) in enumerate((("20", "33"), ("36", "")), 1):
        enrol(book, f"s{number}", "2")
        sit(book, f"s{number}", "phonics", first, "2025-06-10", subject="phonics", score_type="raw")
        if again:
            sit(book, f"s{number}", "phonics", again, "2026-06-09", subject="phonics", score_type="raw")
    for number, mark in enumerate(("25", "25", "20", ""), 1):
        enrol(book, f"m{number}", "4")
        if mark:
            sit(book, f"m{number}", "mtc", mark, "2026-06-10", subject="maths", score_type="raw")
    return book


def tell_early_years() -> Book:
    book = school_of("ash")
    for pupil, values in PROFILES.items():
        enrol(book, pupil, "R", sex="F" if pupil in "AC" else "M")
        for goal, value in zip(GOALS, values, strict=True):
            sit(book, pupil, "eyfsp", value, "2026-06-20", subject="eyfsp", component=goal, score_type="ta")
    enrol(book, "y1", "1")
    states = (State("emerging", "0.3"), State("secure", "1"))
    areas = subject("literacy", {"l1": "30-50", "l2": "30-50", "l3": "40-60"})
    book.publish("2024-09-01", areas, framework="eyfs-markbook", states=states)
    book.assess("A", "l1", "secure", "2026-06-01", subject="literacy")
    return book


def measures(answer: dict[str, Any], row: str = "whole") -> dict[str, dict[str, Any]]:
    """The measures of a row by id."""
    return {each["id"]: each for found in answer["rows"] if found["row"] == row for each in found["measures"]}


# --- 4.8 and 4.9 -------------------------------------------------------------------------------------------------


def test_4_8_reading_writing_and_maths_combined(api: Api) -> None:
    answer = api.ask("external", school="oak", test="ks2", year=YEAR, as_at="2026-07-01")
    assert (answer["test"], answer["year"], answer["rows"][0]["pupils"]) == ("ks2", YEAR, 7)
    found = measures(answer)
    expected, higher = found["combined:ks2-rwm:expected"], found["combined:ks2-rwm:higher"]
    assert (expected["of"], expected["met"], expected["percent"], expected["excluded"]) == (5, 2, 40, {"L": 1})
    assert (higher["of"], higher["met"], higher["percent"]) == (5, 1, 20)
    reading = found["test:ks2:reading:-:scaled"]
    assert (reading["mean"], reading["scores"]) == ("104.0", 3)
    assert (reading["of"], reading["met"], reading["percent"]) == (5, 3, 60)
    assert (reading["coded"], reading["excluded"]) == ({"A": 1, "B": 1}, {"L": 1})
    assert (reading["no_data"], reading["not_applicable"]) == (0, 1)  # the pupil of year 5
    assert reading["distribution"] == {"100": 1, "102": 1, "110": 1}
    assert answer["expected"]["test:ks2:writing:-:ta"] == "EXS"
    writing = found["test:ks2:writing:-:ta"]
    assert (writing["of"], writing["met"], writing["mean"]) == (5, 4, None)


def test_4_8_the_same_pupils_behind_the_numbers(api: Api) -> None:
    told = {"school": "oak", "test": "ks2", "year": YEAR, "as_at": "2026-07-01"}
    ids = [each["id"] for each in api.ask("external", **told)["rows"][0]["measures"]]
    place = ids.index("combined:ks2-rwm:expected")
    found = {
        part: [pupil["pupil"] for pupil in api.ask("external/members", **told, cell=f"{place}:{part}")["pupils"]]
        for part in ("met", "not_met", "excluded", "not_applicable")
    }
    assert found == {
        "met": ["p2", "p6"],
        "not_met": ["p1", "p3", "p4"],
        "excluded": ["p5"],
        "not_applicable": ["y5"],
    }
    reading = ids.index("test:ks2:reading:-:scaled")
    coded = api.ask("external/members", **told, cell=f"{reading}:coded:B")
    assert [pupil["values"][reading]["code"] for pupil in coded["pupils"]] == ["B"]
    assert coded["pupils"][0]["values"][reading]["status"] == "coded"


def test_4_8_phonics_marks_and_codes(api: Api) -> None:
    found = measures(api.ask("external", school="elm", test="phonics", year=YEAR, as_at="2026-07-01"))
    year_1 = found["combined:phonics:year-1"]
    assert (year_1["met"], year_1["of"], year_1["percent"]) == (2, 5, 40)
    assert year_1["excluded"] == {"L": 1}
    year_2 = found["combined:phonics:end-of-year-2"]
    assert (year_2["met"], year_2["of"], year_2["percent"]) == (2, 2, 100)
    raw = found["test:phonics:phonics:-:raw"]  # year 1 and who took it again
    assert (raw["met"], raw["of"], raw["coded"], raw["excluded"]) == (3, 6, {"A": 1, "D": 1}, {"L": 1})


def test_4_8_multiplication_tables_mean_over_takers_full_marks_over_all(api: Api) -> None:
    found = measures(api.ask("external", school="elm", test="mtc", year=YEAR, as_at="2026-07-01"))
    raw = found["test:mtc:maths:-:raw"]
    assert (raw["mean"], raw["scores"], raw["met"], raw["of"], raw["percent"]) == ("23.3", 3, 2, 4, 50)
    assert (raw["distribution"], raw["no_data"]) == ({"20": 1, "25": 2}, 1)


def test_4_9_beside_the_national_figure_in_pupils(api: Api) -> None:
    told = {"school": "oak", "test": "ks2", "year": YEAR, "as_at": "2026-07-01"}
    found = measures(api.ask("external", **told, compare="national"))["combined:ks2-rwm:expected"]["national"]
    assert (found["value"], found["year"], found["status"]) == ("62", "2024/25", "final")
    assert found["pupils_above"] == -1  # 2 of 5 beside 3.1
    assert measures(api.ask("external", **told))["combined:ks2-rwm:expected"]["national"] is None


def test_a_year_that_is_over_is_of_those_on_roll_when_it_was_assessed(api: Api) -> None:
    answer = api.ask("external", school="oak", test="ks2", year=YEAR, as_at="2026-11-20")
    assert answer["on"] == "2026-06-30"
    assert measures(answer)["combined:ks2-rwm:expected"]["met"] == 2
    later = api.ask("external", school="oak", test="ks2", year="2026/27", as_at="2026-11-20")
    told = measures(later)["combined:ks2-rwm:expected"]
    assert (told["of"], told["met"], told["percent"], told["no_data"]) == (0, 0, None, 0)
    assert [note["code"] for note in later["provenance"]["notes"]] == ["no_results"]


def test_rows_of_a_characteristic_add_up(api: Api) -> None:
    answer = api.ask("external", school="oak", test="ks2", year=YEAR, as_at="2026-07-01", by="characteristic:sex")
    met = {row["row"]: row["measures"][0]["of"] for row in answer["rows"]}
    assert met["whole"] == met["characteristic:sex:F"] + met["characteristic:sex:M"]


def test_a_code_in_an_overview_counts_and_is_told_apart(api: Api) -> None:
    answer = api.ask(
        "overview", school="oak", measure="test:ks2:reading:-:scaled", bands="80,100,110,-", as_at="2026-07-01"
    )
    (cell,) = answer["rows"][0]["cells"]
    assert (cell["coded"], cell["excluded"]) == ({"A": 1, "B": 1}, {"L": 1})
    assert cell["counts"] == {"sig_below": 1, "below": 0, "at": 2, "above": 1, "sig_above": 0}  # B is the lowest
    assert (cell["of"], cell["no_data"], cell["not_applicable"]) == (6, 1, 0)


def test_bands_may_be_values_of_a_scale(api: Api) -> None:
    told = {"school": "oak", "measure": "test:ks2:writing:-:ta", "as_at": "2026-07-01"}
    (cell,) = api.ask("overview", **told, bands="WTS,EXS,GDS,-")["rows"][0]["cells"]
    assert cell["counts"] == {"sig_below": 1, "below": 0, "at": 3, "above": 1, "sig_above": 0}
    assert api.fault("overview", **told, bands="WTS,EXS,BEST,-") == (422, "unknown_scale_value")


def test_unknown_tests_and_years_are_refused(api: Api) -> None:
    assert api.fault("external", school="oak", test="nosuch") == (422, "unknown_test")
    assert api.get("external", school="oak", test="ks2", year="2025").status_code == 422
    assert api.get("external", school="oak").status_code == 422


# --- Judgements --------------------------------------------------------------------------------------------------


def test_judgements_beside_columns_with_their_history(api: Api) -> None:
    answer = api.ask(
        "judgements",
        ("column", "test:ks2:reading:-:scaled"),
        ("column", "test:ks2:writing:-:ta"),
        school="oak",
        judgement="maths:bronze-silver-gold",
        as_at="2026-07-01",
    )
    assert answer["columns"] == ["test:ks2:reading:-:scaled", "test:ks2:writing:-:ta"]
    assert [each["value"] for each in answer["scale"]["values"]] == ["bronze", "silver", "gold"]
    first, second = answer["pupils"][:2]
    assert [value["score"] for value in first["values"]] == ["102", "EXS"]
    judged = first["judgement"]
    assert (judged["value"], judged["judged_on"], judged["earlier"]) == ("silver", "2026-03-01", 2)
    assert (judged["actor"], bool(judged["event_id"])) == ("key_1", True)
    assert [each["value"] for each in judged["history"]] == ["gold", "silver"]
    assert second["judgement"] is None
    before = api.ask("judgements", school="oak", judgement="maths:bronze-silver-gold", as_at="2025-12-31")
    assert before["pupils"][0]["judgement"]["value"] == "gold"
    known = api.ask(
        "judgements", school="oak", judgement="maths:bronze-silver-gold", as_at="2026-07-01",
        as_known_at="2025-11-01T00:00:00Z",
    )  # fmt: skip
    assert known["pupils"][0]["judgement"]["value"] == "silver"


def test_a_fourth_column_is_refused(api: Api) -> None:
    columns = [("column", "test:ks2:reading:-:scaled")] * 4
    assert api.get("judgements", *columns, school="oak").status_code == 422
    assert api.get("judgements", school="oak").status_code == 422


# --- 4.7 ---------------------------------------------------------------------------------------------------------


def test_4_7_the_good_level_of_development(api: Api) -> None:
    answer = api.ask("gld", school="ash", year=YEAR, as_at="2026-07-01", by="characteristic:sex")
    (whole,) = (row for row in answer["rows"] if row["row"] == "whole")
    assert whole == {
        "row": "whole",
        "pupils": 5,
        "of": 4,
        "gld": 2,
        "percent": 50,
        "mean_total": "28.25",
        "mean_expected": "11.25",
        "incomplete": 0,
        "exempt": 1,
    }
    found = {pupil["pupil"]: (pupil["total"], pupil["gld"]) for pupil in answer["pupils"]}
    assert found == {"A": (34, "yes"), "B": (29, "yes"), "C": (33, "no"), "D": (17, "no"), "E": (None, "exempt")}
    assert answer["pupils"][2]["goals"]["E10"] == "1"
    assert (answer["framework"], answer["goals"][9]["name"]) == ("eyfsp", "Writing")
    by_sex = {row["row"]: row["gld"] for row in answer["rows"]}
    assert (by_sex["characteristic:sex:F"], by_sex["characteristic:sex:M"]) == (1, 1)
    members = api.ask("gld/members", school="ash", year=YEAR, as_at="2026-07-01", cell="exempt")
    assert [pupil["pupil"] for pupil in members["pupils"]] == ["E"]


def test_4_9_the_good_level_of_development_beside_the_country(api: Api) -> None:
    (row,) = api.ask("gld", school="ash", year=YEAR, as_at="2026-07-01", compare="national")["rows"]
    told = row["national"]
    assert (told["value"], told["year"], told["pupils_above"]) == ("68.3", "2024/25", 0)  # 2 of 4 beside 2.7


def test_the_profile_of_another_year_is_not_this_years(api: Api) -> None:
    answer = api.ask("gld", school="ash", year="2024/25", as_at="2025-07-01")
    assert (answer["rows"][0]["gld"], answer["rows"][0]["incomplete"]) == (0, 5)


def test_an_area_of_a_group_by_pupil_and_by_characteristic(api: Api) -> None:
    told = {"school": "ash", "area": "literacy", "as_at": "2026-07-01"}
    answer = api.ask("eyfs-group", **told)
    assert answer["abilities"] == ["E08", "E09", "E10"]
    found = {pupil["pupil"]: [value["value"] for value in pupil["values"]] for pupil in answer["pupils"]}
    assert (found["A"], found["C"], found["D"]) == (["2", "2", "2"], ["2", "2", "1"], ["1", "1", "1"])
    assert answer["means"][2] == {"percent": 50, "pupils": 4}
    rows = api.ask("eyfs-group", **told, by="characteristic:sex")
    whole = rows["rows"][0]["cells"][2]
    assert (whole["counts"]["sig_below"], whole["counts"]["at"], whole["excluded"]) == (2, 2, {"A": 1})
    assert [measure["id"] for measure in rows["measures"]] == ["eyfs:E08", "eyfs:E09", "eyfs:E10"]
    assert api.fault("eyfs-group", school="ash", area="latin") == (422, "unknown_area")


def test_an_early_years_markbook_by_age_range(api: Api) -> None:
    answer = api.ask("eyfs-group", school="ash", subject="literacy", as_at="2026-07-01")
    assert (answer["abilities"], answer["framework"]) == (["30-50", "40-60"], "eyfs-markbook")
    found = {pupil["pupil"]: [value["percent"] for value in pupil["values"]] for pupil in answer["pupils"]}
    assert found["A"] == [50, None]
    wrong = api.fault("eyfs-group", school="ash", subject="literacy", framework="other", as_at="2026-07-01")
    assert wrong == (422, "unknown_framework")


def test_all_areas_of_a_pupil(api: Api) -> None:
    answer = api.ask("eyfs-pupil", school="ash", pupil="C", year=YEAR, as_at="2026-07-01")
    areas = {area["area"]: area for area in answer["areas"] if area["prime"] is not None}
    assert (answer["total"], answer["gld"], answer["pupil"]["pupil"]) == (33, "no", "C")
    assert [value["value"] for value in areas["literacy"]["values"]][:3] == ["2", "2", "1"]
    assert (areas["communication"]["prime"], len(answer["areas"])) == (True, 8)
    assert [value["id"] for value in answer["areas"][-1]["values"]] == ["30-50", "40-60"]
    assert api.fault("eyfs-pupil", school="ash", pupil="nobody") == (404, "unknown_pupil")


def test_the_profile_is_a_measure_of_an_overview(api: Api) -> None:
    answer = api.ask("overview", school="ash", measure="eyfs:gld", bands="-,yes,-,-", as_at="2026-07-01")
    (cell,) = answer["rows"][0]["cells"]
    assert (cell["counts"]["sig_below"], cell["counts"]["at"], cell["excluded"]) == (2, 2, {"A": 1})


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize(
    ("report", "asked"),
    [
        ("external", {"school": "oak", "test": "ks2", "compare": "national"}),
        ("external/members", {"school": "oak", "test": "ks2"}),
        ("judgements", {"school": "oak", "judgement": "maths:bronze-silver-gold"}),
        ("gld", {"school": "ash"}),
        ("eyfs-group", {"school": "ash", "area": "literacy"}),
        ("eyfs-pupil", {"school": "ash", "pupil": "C"}),
    ],
)
def test_every_report_is_a_table_too(api: Api, report: str, asked: dict[str, str], form: str) -> None:
    answer = api.get(f"{report}.{form}", **asked, as_at="2026-07-01")
    assert answer.status_code == 200, answer.text
    assert answer.content
