"""Contract section 5 on the class Oak of `domain.md` 4.2 to 4.6: settings, progress, nested rows, kinds of matrix."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.end_to_end.product import read_report
from tests.end_to_end.telling import all_members, by_reference, tell, told, wait_until_shown
from tests.end_to_end.test_contract_answered_oak import KNOWN_FEB, MATRIX_PUPILS, NOV, _matrix, _oak

pytestmark = pytest.mark.end_to_end

OWN_YEAR, Y3 = "markbook:maths:own-year:overall", "markbook:maths:Y3:overall"
LOW, HIGH = "21,36,51,66", "35,50,70,85"
BAND_NAMES = ("sig_below", "below", "at", "above", "sig_above")
ASKED = [("school", "oak"), ("measure", OWN_YEAR), ("as_at", NOV), ("as_known_at", KNOWN_FEB)]
NOW_KNOWN = ASKED[:-1]
"""Settings that a test saves are known from now on, not in February."""


@pytest.fixture(scope="module", autouse=True)
def _told(client: httpx.Client) -> None:
    sexes = {"Amy": "F", "Ben": "M", "Cai": "M", "Dee": "F"}
    more = [
        told("CharacteristicSet", "oak", pupil=pupil, name="sex", value=value, starts_on="2024-09-01")
        for pupil, value in sexes.items()
    ]
    for events in ([*_oak(), *more], _matrix()):
        wait_until_shown(client, tell(client, *events), [events[0]["school"]])


def save(client: httpx.Client, name: str, *entries: tuple[str, str], **fields: Any) -> str:
    """Save settings of Oak; entries are (year group, bands)."""
    body: dict[str, Any] = {"name": name, "school": "oak", "kind": "bands", **fields}
    if entries:
        body["entries"] = [
            {"measure": "markbook:*:own-year:overall", "bands": bands, **({"year_group": year} if year else {})}
            for year, bands in entries
        ]
    answer = client.post("/v1/settings", json=body)
    assert answer.status_code == 201, answer.text
    assert set(answer.json()) == {"settings", "version"}
    return str(answer.json()["settings"])


def refused(client: httpx.Client, report: str, *parameters: tuple[str, str]) -> list[tuple[str, str]]:
    answer = client.get(f"/v1/reports/{report}", params=list(parameters))
    assert answer.status_code == 422, answer.text[:500]
    body = answer.json()
    assert all(client.get(f"/problems/{error['code']}").status_code == 200 for error in body["errors"])
    return [(error["parameter"], error["code"]) for error in body["errors"]]


def counts(row: dict[str, Any], cell: int = 0) -> list[int]:
    return [row["cells"][cell]["counts"][band] for band in BAND_NAMES]


def test_4_3_settings_band_each_year_group_by_its_own_entry_and_are_in_the_provenance(client) -> None:
    assert refused(client, "overview", *NOW_KNOWN) == [("bands", "no_settings")]
    settings = save(client, "Autumn", ("", LOW), ("4", HIGH), valid_from="2025-09-01", valid_to="2025-12-31")
    for more in ([], [("settings", settings)], [("settings", f"{settings}@1")]):
        report = read_report(client, "overview", [*NOW_KNOWN, *more])
        assert counts(report["rows"][0]) == [1, 0, 3, 0, 0], more  # Dee's 63 is At for year 4
        told_settings = report["provenance"]["settings"]
        assert [
            {name: each[name] for name in ("id", "version", "name", "measure", "warning")} for each in told_settings
        ] == [{"id": settings, "version": 1, "name": "Autumn", "measure": OWN_YEAR, "warning": None}] * 2
        assert [each["bands"] for each in told_settings] == [[21, 36, 51, 66], [35, 50, 70, 85]]
    members = all_members(client, "overview/members", [*NOW_KNOWN, ("cell", "0:at")])
    assert {name: pupil["values"][0]["band"] for name, pupil in by_reference(members).items()} == {
        "Amy": "at",
        "Ben": "at",
        "Dee": "at",
    }
    late = [("school", "oak"), ("measure", OWN_YEAR), ("as_at", "2026-01-01")]
    assert refused(client, "overview", *late) == [("bands", "no_settings")]
    warned = read_report(client, "overview", [*late, ("settings", settings)])["provenance"]["settings"]
    assert {each["warning"] for each in warned} == {"outside_validity"}
    assert refused(client, "overview", *ASKED, ("settings", settings)) == [("settings", "unknown_settings")]
    changed = {"name": "Autumn", "entries": [{"measure": OWN_YEAR, "bands": "21,-,51,66"}]}
    answer = client.put(f"/v1/settings/{settings}", json=changed, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json()) == (200, {"settings": settings, "version": 2})
    unused = read_report(client, "overview", [*NOW_KNOWN, ("settings", settings)])
    assert (unused["measures"][0]["bands"], counts(unused["rows"][0])) == ([21, "-", 51, 66], [1, 2, 0, 1, 0])
    assert counts(read_report(client, "overview", [*NOW_KNOWN, ("settings", f"{settings}@1")])["rows"][0])[2] == 3
    for each in (f"{settings}@9", "set_nothing"):
        assert refused(client, "overview", *NOW_KNOWN, ("settings", each)) == [("settings", "unknown_settings")]


def test_4_3_cut_offs_with_an_empty_band_are_refused_and_an_unused_one_is_not(client) -> None:
    assert refused(client, "overview", *ASKED, ("bands", "21,36,36,66")) == [("bands", "out_of_order")]
    report = read_report(client, "overview", [*ASKED, ("bands", "21,36,-,66")])
    assert counts(report["rows"][0]) == [1, 0, 3, 0, 0]


def test_rows_inside_rows_and_the_members_of_one(client) -> None:
    asked = [*ASKED, ("bands", LOW), ("by", "year-group"), ("then", "characteristic:sex")]
    rows = read_report(client, "overview", asked)["rows"]
    assert [(row.get("in"), row["row"], row["pupils"]) for row in rows] == [
        (None, "whole", 5),
        (None, "year-group:3", 4),
        ("year-group:3", "characteristic:sex:F", 1),
        ("year-group:3", "characteristic:sex:M", 2),
        ("year-group:3", "characteristic:sex:Not known", 1),
        (None, "year-group:4", 1),
        ("year-group:4", "characteristic:sex:F", 1),
    ]
    one = [("row", "characteristic:sex:M"), ("in", "year-group:3"), ("sort", "value")]
    assert list(by_reference(all_members(client, "overview/members", [*asked, *one], limit=1))) == ["Cai", "Ben"]
    assert refused(client, "overview", *ASKED, ("bands", LOW), ("then", "school")) == [("then", "nothing_to_split")]


def _progress(*more: tuple[str, str]) -> list[tuple[str, str]]:
    return [("school", "oak"), ("measure", Y3), ("start", "2025-10-31"), ("as_at", NOV), ("bands", LOW), *more]


def test_4_5_progress_of_the_class_oak(client) -> None:
    report = read_report(client, "progress", _progress(("as_known_at", KNOWN_FEB)))
    row = report["rows"][0]
    cell = row["cells"][0]
    # Amy 20 > 50: SB > At (+2) Above. Ben 30 > 50: B > At (+1) Above. Dee 100 > 100: SA > SA At. Cai has no start.
    assert counts(row) == [0, 0, 1, 2, 0]
    assert cell["table"] == [[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0] * 5, [0] * 5, [0, 0, 0, 0, 1]]
    assert (cell["of"], cell["no_data"], cell["no_start"], cell["no_end"]) == (5, 2, 2, 1)
    assert row["combined"]["working_at_or_above"] == 3
    for asked, names in (("0:above", {"Amy", "Ben"}), ("0:below:at", {"Ben"}), ("0:no_start", {"Cai", "Eli"})):
        members = all_members(
            client, "progress/members", _progress(("as_known_at", KNOWN_FEB), ("cell", asked)), limit=1
        )
        assert set(by_reference(members)) == names
    assert [value["percent"] for value in by_reference(members)["Cai"]["values"]] == [None, 10]
    odd = read_report(client, "progress", _progress(("rule", "54321,54321,54321,54321,54321")))
    assert (odd["rule"], bool(odd["warning"])) == ("54321,54321,54321,54321,54321", True)
    rule = save(client, "Ours", kind="progress", rule="33333,33333,33333,33333,33333")
    ours = read_report(client, "progress", _progress(("rule", rule)))
    assert counts(ours["rows"][0]) == [0, 0, 3, 0, 0]
    assert [(each["id"], each["measure"]) for each in ours["provenance"]["settings"]] == [(rule, None)]
    assert refused(client, "progress", *_progress(("rule", "set_nothing"))) == [("rule", "unknown_settings")]
    assert refused(client, "overview", *NOW_KNOWN, ("settings", rule)) == [("settings", "settings_of_other_kind")]
    for form in ("csv", "xlsx"):
        for name in ("progress", "progress/members", "score-tracking/members"):
            asked = _progress() if name.startswith("progress") else [("school", "oak"), ("measure", Y3)]
            assert client.get(f"/v1/reports/{name}.{form}", params=asked).status_code == 200, (name, form)


def _sides(first: str, second: str, **more: str) -> list[tuple[str, str]]:
    bands = [("first_bands", LOW), ("second_bands", LOW), ("as_at", NOV)]
    return [("school", "fir"), ("first", first), ("second", second), *bands, *more.items()]


def test_4_5_the_matrix_counts_those_not_meeting_expectations(client) -> None:
    reading, maths = (f"markbook:{subject}:Y3:overall" for subject in ("reading", "maths"))
    report = read_report(client, "matrix", _sides(reading, maths))
    assert len(MATRIX_PUPILS) == 11
    assert report["not_meeting"] == {"first": {"pupils": 3, "percent": 30}, "second": {"pupils": 3, "percent": 30}}
    members = all_members(client, "matrix/members", [*_sides(reading, maths), ("sort", "value")], limit=3)
    percents = [pupil["values"][0]["percent"] for pupil in members["pupils"]]
    assert percents == [10, 30, 30, 40, 40, 40, 40, 60, 60, 90, None]


def test_4_5_refusals_of_the_group_matrix_and_of_the_ability_matrix(client) -> None:
    reading, maths = (f"markbook:{subject}:Y3:overall" for subject in ("reading", "maths"))
    two_dates = [f"{reading}@2025-10-31", f"{reading}@{NOV}"]
    assert read_report(client, "matrix", _sides(*two_dates, type="ability"))["first"]["on"] == "2025-10-31"
    for first, second, code in (
        (two_dates[0], maths, "two_sources"),
        (two_dates[0], "markbook:reading:Y4:overall", "two_abilities"),
        (reading, reading, "one_date"),
    ):
        assert refused(client, "matrix", *_sides(first, second, type="ability")) == [("second", code)]
    untagged = [("measure", "markbook:maths:Y3:overall")] * 4
    assert ("measure", "too_many_measures") in refused(client, "overview", *ASKED, ("bands", LOW), *untagged)


def test_4_6_a_target_in_score_tracking(client) -> None:
    asked = [
        ("school", "oak"),
        ("measure", Y3),
        ("as_at", "2026-02-28"),
        ("months", "2025-10,2026-02"),
        ("target", "10"),
    ]
    pupils = by_reference(read_report(client, "score-tracking", asked))
    assert {name: (pupil["target"], pupil["met"]) for name, pupil in pupils.items()} == {
        "Amy": (None, None),
        "Ben": (None, None),
        "Cai": (None, None),
        "Eli": (None, None),
        "Dee": (110, False),
    }
    ordered = all_members(client, "score-tracking/members", [*asked, ("sort", "value")], limit=2)
    assert list(by_reference(ordered)) == ["Cai", "Ben", "Amy", "Dee", "Eli"]


def test_names_put_members_in_order_for_a_key_that_may_see_them(client, product) -> None:
    asked = [*ASKED, ("bands", LOW), ("sort", "name")]
    assert set(by_reference(all_members(client, "overview/members", asked, limit=2))) == {
        "Amy",
        "Ben",
        "Cai",
        "Dee",
        "Eli",
    }
    made = client.post("/v1/keys", json={"name": "counts", "schools": ["oak"], "can": ["read", "small_numbers"]}).json()
    headers = {"authorization": f"Bearer {made['key']}"}
    answer = client.get("/v1/reports/overview/members", params=asked, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/right_missing")


def test_an_empty_report_says_why(client) -> None:
    for narrowed, code in ((("group", "Nobody"), "unknown_group"), (("year_group", "11"), "unknown_year_group")):
        report = read_report(client, "overview", [*ASKED, ("bands", LOW), narrowed])
        assert [note["code"] for note in report["provenance"]["notes"]] == [code]
        assert (report["rows"][0]["pupils"], len(report["rows"])) == (0, 1)
    early = [("school", "oak"), ("measure", Y3), ("as_at", "1999-01-01"), ("bands", LOW)]
    assert [note["code"] for note in read_report(client, "overview", early)["provenance"]["notes"]] == [
        "nobody_on_roll"
    ]
