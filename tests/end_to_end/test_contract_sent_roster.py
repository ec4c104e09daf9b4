"""Contract 2 and 3.1 on schools, trusts, pupils, groups and characteristics, and on days: sentence by sentence."""

from __future__ import annotations

from datetime import date, timedelta

import httpx
import pytest

from tests.end_to_end.contract_sent import (
    LATE,
    assess,
    errors_of,
    open_school,
    position_of,
    pupils_of,
    rows_of,
    score,
    send_rows,
    tally,
    tell,
)
from tests.end_to_end.product import read_report
from tests.end_to_end.small_school import BANDS, MEASURE, assessed

pytestmark = pytest.mark.end_to_end

TODAY = date.today()
PUPILS = "school,pupil,enrolled_on,year_group"
MIGRATED_PUPILS = PUPILS + ",recorded_at"


def day(distance: int) -> str:
    """A day by its distance from today."""
    return str(TODAY + timedelta(days=distance))


def year_group(client: httpx.Client, school: str, as_at: str, pupil: str = "A1") -> str | None:
    """The pupil's year group on a day."""
    found = pupils_of(client, school, as_at)[pupil]["year_group"]
    return None if found is None else str(found)


def trust_schools(client: httpx.Client, trust: str, as_at: str, *schools: str) -> list[str]:
    """The members of a trust on a day; empty also if no school ever joined it."""
    parameters = [("trust", trust), ("measure", MEASURE), ("bands", BANDS), ("as_at", as_at), ("by", "school")]
    for school in schools:
        pupils_of(client, school)
    answer = client.get("/v1/reports/overview", params=parameters)
    if answer.status_code == 404:
        return []
    assert answer.status_code == 200, answer.text
    return [row["row"].removeprefix("school:") for row in answer.json()["rows"] if row["row"] != "whole"]


# --- Pupils ------------------------------------------------------------------------------------------------------


def test_a_first_row_gives_the_year_group_from_enrolment_a_later_one_from_the_day_told(client: httpx.Client) -> None:
    open_school(client, "yg", pupils="")
    send_rows(client, "pupils", PUPILS, "yg,A1,2025-09-01,3")
    assert tally(send_rows(client, "pupils", PUPILS, "yg,A1,2025-09-01,4")) == {"accepted": 1, "superseded": 1}
    assert year_group(client, "yg", "2025-09-01") == "3"
    assert year_group(client, "yg", day(-2)) == "3"
    assert year_group(client, "yg", day(1)) == "4"
    assert tally(send_rows(client, "pupils", PUPILS, "yg,A1,2025-09-01,")) == {"accepted": 1, "superseded": 1}
    assert year_group(client, "yg", "2025-09-01") == "3" and year_group(client, "yg", day(1)) == "4"


def test_a_first_year_group_that_comes_later_begins_with_the_enrolment(client: httpx.Client) -> None:
    open_school(client, "yglate", pupils="")
    send_rows(client, "pupils", PUPILS, "yglate,A1,2025-09-01,")
    send_rows(client, "pupils", PUPILS, "yglate,A1,2025-09-01,3")
    assert year_group(client, "yglate", "2025-09-01") == "3"


def test_with_recorded_at_the_year_group_always_begins_with_the_enrolment(client: httpx.Client) -> None:
    open_school(client, "ygmove", pupils="")
    row = "ygmove,A1,2025-09-01"
    send_rows(client, "pupils", MIGRATED_PUPILS, f"{row},3,2025-09-01T08:00:00Z", f"{row},4,2025-10-01T08:00:00Z")
    assert year_group(client, "ygmove", "2025-09-01") == "4"
    assert rows_of(client, "ygmove", "year-group", LATE) == {"year-group:4": 1}


def test_a_row_without_recorded_at_after_a_migration_keeps_the_earlier_days(client: httpx.Client) -> None:
    open_school(client, "ygmix", pupils="")
    row = "ygmix,A1,2025-09-01"
    send_rows(client, "pupils", MIGRATED_PUPILS, f"{row},3,2025-09-01T08:00:00Z")
    send_rows(client, "pupils", PUPILS, f"{row},4")
    assert year_group(client, "ygmix", "2025-09-01") == "3"
    assert year_group(client, "ygmix", day(1)) == "4"


def test_a_year_group_never_advances_by_itself_and_year_groups_change_it(client: httpx.Client) -> None:
    open_school(client, "stays", pupils="A1")
    assert year_group(client, "stays", "2030-01-01") == "3"
    send_rows(client, "year-groups", "school,pupil,year_group,starts_on", "stays,A1,4,2026-09-01")
    assert year_group(client, "stays", "2026-08-31") == "3"
    assert year_group(client, "stays", "2026-09-01") == "4"


def test_ends_are_the_last_day(client: httpx.Client) -> None:
    open_school(client, "ends", pupils="")
    send_rows(
        client, "pupils", "school,pupil,enrolled_on,left_on", "ends,A1,2025-09-01,2025-10-31", "ends,B2,2025-09-01,"
    )
    assert set(pupils_of(client, "ends", "2025-08-31")) == set()
    assert set(pupils_of(client, "ends", "2025-09-01")) == {"A1", "B2"}
    assert set(pupils_of(client, "ends", "2025-10-31")) == {"A1", "B2"}
    assert set(pupils_of(client, "ends", "2025-11-01")) == {"B2"}
    send_rows(client, "groups", "school,group,pupil,joined_on,left_on", "ends,3 Oak: 50%,B2,2025-09-01,2025-09-30")
    assert rows_of(client, "ends", "group", "2025-09-30") == {"group:3 Oak%3A 50%25": 1}
    assert rows_of(client, "ends", "group", "2025-10-01") == {}
    header = "school,pupil,name,value,starts_on,ends_on"
    send_rows(client, "characteristics", header, "ends,B2,sen,K,2025-09-01,2025-09-30")
    assert rows_of(client, "ends", "characteristic:sen", "2025-09-30") == {
        "characteristic:sen:K": 1,
        "characteristic:sen:Not known": 1,
    }
    assert rows_of(client, "ends", "characteristic:sen", "2025-10-01") == {"characteristic:sen:Not known": 2}


def test_events_that_end_close_the_latest_start_not_after_their_day(client: httpx.Client) -> None:
    open_school(client, "closes", pupils="A1")
    tell(
        client,
        {"type": "GroupJoined", "school": "closes", "group": "3A", "pupil": "A1", "joined_on": "2025-09-01"},
        {"type": "GroupLeft", "school": "closes", "group": "3A", "pupil": "A1", "left_on": "2025-10-10"},
        {
            "type": "CharacteristicSet",
            "school": "closes",
            "pupil": "A1",
            "name": "eal",
            "value": "yes",
            "starts_on": "2025-09-01",
        },
        {"type": "CharacteristicEnded", "school": "closes", "pupil": "A1", "name": "eal", "ends_on": "2025-10-10"},
        {"type": "PupilLeft", "school": "closes", "pupil": "A1", "left_on": "2025-11-10"},
    )
    assert rows_of(client, "closes", "group", "2025-10-10") == {"group:3A": 1}
    assert rows_of(client, "closes", "group", "2025-10-11") == {}
    assert rows_of(client, "closes", "characteristic:eal", "2025-10-11") == {"characteristic:eal:Not known": 1}
    assert set(pupils_of(client, "closes", "2025-11-10")) == {"A1"}
    assert set(pupils_of(client, "closes", "2025-11-11")) == set()


def test_sex_is_also_a_characteristic_from_enrolment(client: httpx.Client) -> None:
    open_school(client, "sexes", pupils="")
    send_rows(client, "pupils", "school,pupil,enrolled_on,sex", "sexes,A1,2025-09-01,F", "sexes,B2,2025-09-01,")
    assert rows_of(client, "sexes", "characteristic:sex", "2025-09-01") == {
        "characteristic:sex:F": 1,
        "characteristic:sex:Not known": 1,
    }


def test_of_the_values_of_one_characteristic_the_latest_start_governs(client: httpx.Client) -> None:
    open_school(client, "values", pupils="A1")
    header = "school,pupil,name,value,starts_on,ends_on"
    rows = "values,A1,sen,K,2025-09-01,", "values,A1,sen,E,2025-10-01,2025-10-31"
    send_rows(client, "characteristics", header, *rows)
    assert rows_of(client, "values", "characteristic:sen", "2025-09-30") == {"characteristic:sen:K": 1}
    assert rows_of(client, "values", "characteristic:sen", "2025-10-31") == {"characteristic:sen:E": 1}
    assert rows_of(client, "values", "characteristic:sen", "2025-11-01") == {"characteristic:sen:Not known": 1}


# --- Schools and trusts ------------------------------------------------------------------------------------------


def test_a_later_join_of_another_trust_ends_the_one_before(client: httpx.Client) -> None:
    open_school(client, "joins")
    header = "school,name,trust,joined_on,left_on"
    send_rows(client, "schools", header, "joins,Joins,blue,2020-09-01,", "joins,Joins,green,2025-09-01,2025-12-01")
    send_rows(client, "pupils", "school,pupil,enrolled_on", "joins,C3,2021-09-01")
    assert trust_schools(client, "blue", "2025-08-31", "joins") == ["joins"]
    assert trust_schools(client, "blue", "2025-09-01") == []
    assert trust_schools(client, "green", "2025-09-01") == ["joins"]
    assert trust_schools(client, "green", "2025-12-01") == ["joins"]
    assert trust_schools(client, "green", "2025-12-02") == []
    assert trust_schools(client, "blue", "2019-08-31") == []


def test_a_row_without_trust_says_nothing_about_membership(client: httpx.Client) -> None:
    open_school(client, "silent", trust="amber")
    send_rows(client, "schools", "school,name,joined_on", "silent,Silent,2025-10-01")
    assert trust_schools(client, "amber", "2025-11-01", "silent") == ["silent"]


def test_a_joined_on_left_out_means_always(client: httpx.Client) -> None:
    open_school(client, "always")
    send_rows(client, "schools", "school,name,trust", "always,Always,pearl")
    assert trust_schools(client, "pearl", "2025-09-01", "always") == ["always"]
    tell(client, {"type": "SchoolLeftTrust", "school": "always", "trust": "pearl", "left_on": "2025-10-31"})
    assert trust_schools(client, "pearl", "2025-10-31", "always") == ["always"]
    assert trust_schools(client, "pearl", "2025-11-01", "always") == []
    join = {"type": "SchoolJoinedTrust", "school": "always", "trust": "onyx", "joined_on": "2025-11-15"}
    tell(client, join)
    assert trust_schools(client, "onyx", "2025-11-15", "always") == ["always"]


def test_details_are_those_of_the_row_told_last_that_gives_them(client: httpx.Client) -> None:
    open_school(client, "details", pupils="A1")
    assess(client, "details", "A1,m1,achieved,2025-08-15")
    assessed_measure = ("measure", "markbook:maths:Y3:assessed")

    def value() -> str:
        parameters = [("school", "details"), assessed_measure, ("bands", BANDS), ("as_at", "2025-09-15")]
        parameters += [("min_position", position_of(client, "details")), ("wait_seconds", "30")]
        return str(read_report(client, "overview/members", parameters)["pupils"][0]["values"][0]["status"])

    assert value() == "no_data", "the academic year began on 1 September"
    send_rows(client, "schools", "school,name,nation", "details,Details,scotland")
    assert value() == "value", "in Scotland it begins in August"
    send_rows(client, "schools", "school,name,joined_on,year_starts", "details,Details,2000-01-01,9")
    assert value() == "no_data"
    send_rows(client, "schools", "school,name,joined_on", "details,New name,2001-01-01")
    assert value() == "no_data", "a row that does not give it says nothing of it"


# --- Days --------------------------------------------------------------------------------------------------------


def test_a_day_sent_as_an_instant_is_the_schools_local_date(client: httpx.Client) -> None:
    open_school(client, "kiribati", pupils="A1", time_zone="Pacific/Kiritimati")
    assess(client, "kiribati", "A1,m1,achieved,2025-10-01T12:00:00Z")
    assert score(client, "kiribati", "2025-10-01") is None
    assert score(client, "kiribati", "2025-10-02") == "1/4"
    assert tally(assess(client, "kiribati", "A1,m1,achieved,2025-10-02")) == {"duplicate": 1}
    counts = assess(client, "kiribati", "A1,m1,not_yet,2025-10-02T00:30:00+14:00", "A1,m1,achieved,2025-10-02")
    assert tally(counts) == {"accepted": 1, "superseded": 1, "rejected": 1}, "the key is that of the local date"
    told = tell(client, assessed("kiribati", "A1", "m2", "achieved", "2025-10-02T23:30:00-05:00"))
    assert told["accepted"] == 1
    assert score(client, "kiribati", "2025-10-02") == "0/4"
    assert score(client, "kiribati", "2025-10-03") == "1/4"


def test_an_instant_without_a_zone_is_no_day(client: httpx.Client) -> None:
    open_school(client, "zoneless")
    counts = assess(client, "zoneless", "A1,m1,achieved,2025-10-01T12:00:00")
    assert tally(counts) == {"rejected": 1}
    assert errors_of(client, counts)[0][:2] == (1, "assessed_on")


def test_roster_days_may_lie_ahead_and_marks_may_not(client: httpx.Client) -> None:
    open_school(client, "ahead")
    counts = send_rows(client, "pupils", PUPILS, f"ahead,F1,{day(300)},3", f"ahead,F2,{day(3660)},3")
    assert tally(counts) == {"accepted": 1, "rejected": 1}
    assert errors_of(client, counts)[0][3] == "date_out_of_range"
    assert set(pupils_of(client, "ahead", day(301))) == {"A1", "B2", "F1"}
    counts = assess(client, "ahead", f"A1,m1,achieved,{day(0)}", f"A1,m2,achieved,{day(2)}")
    assert tally(counts) == {"accepted": 1, "rejected": 1}
    early = send_rows(
        client,
        "pupils",
        "school,pupil,enrolled_on,date_of_birth",
        "ahead,G1,1989-12-31,",
        "ahead,G2,2025-09-01,1899-12-31",
    )
    assert [error[3] for error in errors_of(client, early)] == ["date_out_of_range"] * 2


def test_a_mark_may_not_lie_after_the_local_day_of_its_recorded_at(client: httpx.Client) -> None:
    open_school(client, "mark")
    event = assessed("mark", "A1", "m1", "achieved", "2025-07-02")
    assert tell(client, {**event, "recorded_at": "2025-07-01T23:30:00Z"})["accepted"] == 1
    late = tell(client, {**event, "recorded_at": "2025-07-01T22:30:00Z"}, status=422)
    assert late["results"][0]["error"]["pointer"] == "/events/0/assessed_on"


def test_an_assessment_may_lie_outside_the_enrolment(client: httpx.Client) -> None:
    open_school(client, "outside")
    assert tally(assess(client, "outside", "A1,m1,achieved,2024-01-01")) == {"accepted": 1}
    assert score(client, "outside") == "1/4"
