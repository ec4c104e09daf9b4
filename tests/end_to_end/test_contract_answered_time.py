"""Contract sections 2 and 4 on time: local days, year groups and characteristics that change, versions, months."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.end_to_end.product import import_bytes, read_report
from tests.end_to_end.telling import (
    all_members,
    assessed,
    by_reference,
    enrolled,
    percent_framework,
    published,
    registered,
    tell,
    told,
    told_percent,
    wait_until_shown,
)

pytestmark = pytest.mark.end_to_end

BANDS = ("bands", "21,36,51,66")
MEASURE = "markbook:maths:any:overall"
YES_NO = [{"state": "no", "weight": "0"}, {"state": "yes", "weight": "1"}]


def _tell(client: httpx.Client, school: str, *events: dict[str, Any]) -> None:
    wait_until_shown(client, tell(client, *events), [school])


def _values(client, school, measure, as_at, *more):
    """By reference: the displayed percent, or the status where there is none."""
    asked = [("school", school), ("measure", measure), BANDS, ("as_at", as_at), *more]
    pupils = by_reference(all_members(client, "overview/members", asked))
    values = {name: pupil["values"][0] for name, pupil in pupils.items()}
    return {name: value["status"] if value["percent"] is None else value["percent"] for name, value in values.items()}


def _rows(client, school, as_at, *by, known=None):
    asked = [("school", school), ("measure", MEASURE), BANDS, ("as_at", as_at), *(("by", name) for name in by)]
    asked += [("as_known_at", known)] if known else []
    return [(row["row"], row["pupils"]) for row in read_report(client, "overview", asked)["rows"]]


def test_an_instant_is_the_schools_local_day_also_where_the_clock_changes(client) -> None:
    events = [registered("zone"), percent_framework("zone")]
    events += [registered("far", time_zone="Pacific/Auckland"), percent_framework("far")]
    instants = ("2025-09-30T23:30:00Z", "2025-10-31T23:30:00Z", "2026-03-31T23:10:00Z")
    for school in ("zone", "far"):
        for number, instant in enumerate(instants):
            events.append(enrolled(school, f"p{number}"))
            events.append(assessed(school, f"p{number}", "maths", "mark", "40", instant, "2026-05-01T00:00:00Z"))
    _tell(client, "zone", *events)
    wait_until_shown(client, tell(client, events[0]), ["far"])
    asked = [("measure", MEASURE), ("as_at", "2026-07-31"), ("months", "2025-09..2026-04")]

    def first_months(school):
        pupils = by_reference(read_report(client, "score-tracking", [("school", school), *asked]))
        return [
            next(number for number, value in enumerate(pupils[f"p{pupil}"]["values"]) if value["status"] == "value")
            for pupil in range(3)
        ]

    assert first_months("zone") == [1, 1, 7]  # 1 October 00:30 BST; 31 October GMT; 1 April 00:10 BST
    assert first_months("far") == [1, 2, 7]  # a day ahead: 1 October, 1 November, 1 April


def test_the_latest_start_governs_and_after_its_end_nothing_is_known(client) -> None:
    spans = [("A", "2025-09-01", None), ("B", "2025-10-01", "2025-11-15"), ("C", "2025-12-01", None)]
    events = [registered("chars"), percent_framework("chars"), enrolled("chars", "c1", "3")]
    for value, starts_on, ends_on in spans:
        end = {"ends_on": ends_on} if ends_on else {}
        events.append(
            told("CharacteristicSet", "chars", pupil="c1", name="need", value=value, starts_on=starts_on, **end)
        )
    events.append(told("YearGroupSet", "chars", pupil="c1", year_group="4", starts_on="2025-09-01"))
    events.append(
        told("YearGroupSet", "chars", "2025-12-20T10:00:00Z", pupil="c1", year_group="5", starts_on="2025-10-15")
    )
    _tell(client, "chars", *events)

    def row(as_at, by, known=None):
        found = _rows(client, "chars", as_at, by, known=known)
        assert len(found) == 2
        return found[1][0].rpartition(":")[2]

    need = "characteristic:need"
    days = ("2025-08-31", "2025-09-01", "2025-10-01", "2025-11-15", "2025-11-16", "2025-11-30", "2025-12-01")
    expected = ["Not known", "A", "B", "B", "Not known", "Not known", "C"]
    assert [row(day, need) for day in days] == expected
    assert [row(day, "year-group") for day in ("2025-08-31", "2025-09-01", "2025-10-14", "2025-10-15")] == [
        "3",
        "4",
        "4",
        "5",
    ]
    assert row("2025-10-15", "year-group", "2025-12-20T09:59:59Z") == "4"


def test_a_pupil_is_counted_once_however_often_enrolled_or_joined(client) -> None:
    events = [
        registered("twice"),
        percent_framework("twice"),
        enrolled("twice", "t1", enrolled_on="2024-09-01", left_on="2025-07-31"),
        enrolled("twice", "t1", enrolled_on="2025-10-01"),
        told("GroupJoined", "twice", pupil="t1", group="Red", joined_on="2025-09-01", left_on="2025-11-30"),
        told("GroupJoined", "twice", pupil="t1", group="Red", joined_on="2025-11-01", left_on="2025-12-31"),
        told("GroupJoined", "twice", pupil="t1", group="Reading", kind="user", joined_on="2025-11-01"),
    ]
    _tell(client, "twice", *events)
    assert _rows(client, "twice", "2025-07-31", "group") == [("whole", 1)]
    assert _rows(client, "twice", "2025-09-15", "group") == [("whole", 0)]
    assert _rows(client, "twice", "2025-11-15", "group") == [("whole", 1), ("group:Reading", 1), ("group:Red", 1)]
    assert _rows(client, "twice", "2025-12-31", "group") == [("whole", 1), ("group:Reading", 1), ("group:Red", 1)]
    assert _rows(client, "twice", "2026-01-01", "group") == [("whole", 1), ("group:Reading", 1)]


def test_roster_and_curriculum_that_lie_ahead_are_answered_ahead(client) -> None:
    objective = {"objective": "o", "ability": "Y3", "year_group": "3"}
    events = [
        registered("ahead"),
        published("ahead", {"maths": [objective]}, YES_NO),
        published("ahead", {"maths": [{**objective, "weight": "0"}]}, YES_NO, version="2", effective_on="2031-09-01"),
        enrolled("ahead", "f1", "3"),
        enrolled("ahead", "f2", "3", enrolled_on="2030-09-01"),
        told("YearGroupSet", "ahead", pupil="f1", year_group="4", starts_on="2030-09-01"),
        assessed("ahead", "f1", "maths", "o", "yes", "2025-10-01"),
    ]
    _tell(client, "ahead", *events)
    own = "markbook:maths:own-year:overall"
    assert _values(client, "ahead", own, "2030-08-31") == {"f1": 100}
    assert _values(client, "ahead", own, "2030-09-01") == {"f1": "not_applicable", "f2": "no_data"}
    assert _values(client, "ahead", MEASURE, "2031-08-31") == {"f1": 100, "f2": "no_data"}
    # an objective of weight 0 is out of scope, and with it the ability
    assert _values(client, "ahead", MEASURE, "2031-09-01") == {"f1": "not_applicable", "f2": "not_applicable"}


def test_weights_tags_and_states_are_those_of_the_version_in_force_whatever_the_facts_date(client) -> None:
    def objectives(**weights):
        return [{"objective": name, "ability": "Y3", "weight": weight} for name, weight in weights.items()]

    half = [*YES_NO, {"state": "half", "weight": "0.5"}]
    later = [{"state": "no", "weight": "0"}, {"state": "yes", "weight": "0.8"}]
    events = [
        registered("vers"),
        enrolled("vers", "v1"),
        published("vers", {"maths": objectives(a="1", b="1")}, half),
        published("vers", {"maths": objectives(a="3", b="1", c="4")}, later, version="2", effective_on="2025-11-01"),
        published(
            "vers",
            {"maths": objectives(a="3", b="1")},
            later,
            version="2",
            effective_on="2025-11-01",
            recorded_at="2025-12-10T10:00:00Z",
        ),
        assessed("vers", "v1", "maths", "a", "yes", "2025-10-01"),
        assessed("vers", "v1", "maths", "b", "yes", "2025-10-01"),
        assessed("vers", "v1", "maths", "b", "half", "2025-10-20"),
    ]
    _tell(client, "vers", *events)
    before = ("as_known_at", "2025-12-10T09:59:59Z")

    def value(as_at, measure=MEASURE, *more):
        return _values(client, "vers", measure, as_at, *more)["v1"]

    assert value("2025-10-15") == 100
    assert value("2025-10-31") == 75
    # version 2 lacks `half`: b counts as not assessed, and the earlier `yes` does not show
    assert value("2025-11-01", MEASURE, before) == 30  # 3 × 0.8 of 8
    assert value("2025-11-01", "markbook:maths:any:assessed", before) == 80  # 3 × 0.8 of 3
    assert value("2025-11-01") == 60  # the second telling: 3 × 0.8 of 4
    assert value("2025-10-31", MEASURE, before) == 75


def test_the_largest_weights_and_marks_of_ten_thousand_objectives_stay_exact(client) -> None:
    _tell(client, "huge", registered("huge"), enrolled("huge", "h1"))
    lines = [b"framework,version,subject,ability,objective,weight,school"]
    lines += [b"huge,1,maths,Y3,o%d,999.999,huge" % number for number in range(10_000)]
    import_bytes(client, "curriculum", b"\n".join(lines), states="marks:1000")
    facts = [b"school,pupil,subject,objective,state,assessed_on"]
    facts += [b"huge,h1,maths,o%d,999.999,2025-10-01" % number for number in range(10_000)]
    position = import_bytes(client, "assessments", b"\n".join(facts))["position"]
    wait_until_shown(client, position, ["huge"])
    for percent in ("overall", "assessed"):
        asked = [("school", "huge"), ("measure", f"markbook:maths:Y3:{percent}"), BANDS, ("as_at", "2025-11-30")]
        value = read_report(client, "overview/members", asked)["pupils"][0]["values"][0]
        # 10,000 × 999.999 × 999.999 of 10,000 × 999.999 × 1000
        assert (value["numerator"], value["denominator"]) == ("9999980000.01", "9999990000")
        assert value["percent"] == 100


def test_score_tracking_of_own_year_follows_the_pupils_through_the_turn_of_the_year(client) -> None:
    objectives = [{"objective": f"o{year}", "ability": f"Y{year}", "year_group": year} for year in ("3", "4")]
    events = [
        registered("turn"),
        published("turn", {"maths": objectives}, YES_NO),
        enrolled("turn", "u1", "3"),
        told("YearGroupSet", "turn", pupil="u1", year_group="4", starts_on="2025-09-01"),
        assessed("turn", "u1", "maths", "o3", "yes", "2025-07-01"),
        assessed("turn", "u1", "maths", "o4", "yes", "2025-10-10"),
    ]
    _tell(client, "turn", *events)

    def track(measure, **more):
        asked = [("school", "turn"), ("measure", measure), ("as_at", "2025-11-10"), ("months", "2025-07..2025-12")]
        pupil = by_reference(read_report(client, "score-tracking", [*asked, *more.items()]))["u1"]
        shown = [None if value is None else value["percent"] for value in (pupil["start"], *pupil["values"])]
        return shown, pupil["variances"], pupil["average_variance"]

    own = track("markbook:maths:own-year:overall")
    assert own == ([None, 100, 100, None, 100, 100, None], [None, 0, None, None, 0, None], "0.0")
    any_ = track("markbook:maths:any:overall")
    assert any_ == ([None, 50, 50, 50, 100, 100, None], [None, 0, 0, 50, 0, None], "12.5")


def test_an_average_variance_has_one_decimal_rounded_half_away_from_zero(client) -> None:
    steps = {
        "down": ["50", "47", "47", "47", "48"],
        "flat": ["50", "49", "50", "49", "50"],
        "up": ["1", "2", "2", "2", "2"],
    }
    events = [registered("avg"), percent_framework("avg")]
    for pupil, percents in steps.items():
        events.append(enrolled("avg", pupil))
        days = ("2025-09-01", "2025-09-20", "2025-10-20", "2025-11-20", "2025-12-20")
        events += [
            told_percent("avg", pupil, "maths", percent, day) for percent, day in zip(percents, days, strict=True)
        ]
    _tell(client, "avg", *events)
    asked = [("school", "avg"), ("measure", MEASURE), ("as_at", "2025-12-31"), ("months", "2025-09..2025-12")]
    pupils = by_reference(read_report(client, "score-tracking", asked))
    assert pupils["down"]["variances"] == [-3, 0, 0, 1]
    # -2 ÷ 4 = -0.5; 0; 1 ÷ 4 = 0.25, half away from zero
    assert [pupils[name]["average_variance"] for name in ("down", "flat", "up")] == ["-0.5", "0.0", "0.3"]


def test_members_then_are_those_of_each_month_with_the_filters_of_its_day(client) -> None:
    events = [registered("then"), percent_framework("then")]
    for pupil, left_on in (("in", None), ("gone", "2025-10-15"), ("late", None)):
        more = {"left_on": left_on} if left_on else {}
        enrolled_on = "2025-11-05" if pupil == "late" else "2024-09-01"
        events.append(enrolled("then", pupil, "3", enrolled_on=enrolled_on, **more))
        events.append(told_percent("then", pupil, "maths", "40", "2025-09-10"))
    events.append(told("GroupJoined", "then", pupil="in", group="Red", joined_on="2025-10-01", left_on="2025-10-31"))
    _tell(client, "then", *events)

    def track(*more):
        asked = [("school", "then"), ("measure", MEASURE), ("as_at", "2025-11-10"), ("months", "2025-09..2025-12")]
        pupils = by_reference(read_report(client, "score-tracking", [*asked, *more]))
        return {name: [value and value["percent"] for value in pupil["values"]] for name, pupil in pupils.items()}

    then = ("members", "then")
    assert track() == {"in": [40, 40, 40, None], "late": [40, 40, 40, None]}
    assert track(then) == {"in": [40, 40, 40, None], "gone": [40, None, None, None], "late": [None, None, 40, None]}
    assert track(("group", "Red")) == {}
    assert track(then, ("group", "Red")) == {"in": [None, 40, None, None]}


def test_the_matrix_takes_roster_groups_and_filters_of_the_date_that_on_names(client) -> None:
    events = [
        registered("sides", trust="pair", joined_on="2025-10-15"),
        percent_framework("sides"),
        enrolled("sides", "stays"),
        enrolled("sides", "leaves", left_on="2025-10-31"),
        enrolled("sides", "comes", enrolled_on="2025-11-01"),
        told("GroupJoined", "sides", pupil="stays", group="Red", joined_on="2025-11-01"),
        *(told_percent("sides", pupil, "maths", "40", "2025-09-10") for pupil in ("stays", "leaves", "comes")),
        told_percent("sides", "stays", "maths", "90", "2025-11-15"),
    ]
    _tell(client, "sides", *events)

    def who(*more, school=("school", "sides")):
        asked = [school, ("first", f"{MEASURE}@2025-10-10"), ("second", MEASURE), ("as_at", "2025-11-30")]
        asked += [("first_bands", "21,36,51,66"), ("second_bands", "21,36,51,66"), *more]
        matrix = read_report(client, "matrix", asked)
        members = all_members(client, "matrix/members", asked)
        counted = sum(map(sum, matrix["counts"])) + sum(cell["pupils"] for cell in matrix["unplotted"])
        assert counted == members["total"]
        return {name: [value["percent"] for value in pupil["values"]] for name, pupil in by_reference(members).items()}

    assert who() == who(("on", "second")) == {"stays": [40, 90], "comes": [40, 40]}
    assert who(("on", "first")) == {"stays": [40, 90], "leaves": [40, 40]}
    assert who(("group", "Red")) == {"stays": [40, 90]}
    assert who(("group", "Red"), ("on", "first")) == {}
    assert set(who(school=("trust", "pair"))) == {"stays", "comes"}
    assert who(("on", "first"), school=("trust", "pair")) == {}


def test_the_calendar_of_a_school_is_as_known(client) -> None:
    events = [
        registered("moved"),
        percent_framework("moved"),
        enrolled("moved", "k1"),
        told_percent("moved", "k1", "maths", "40", "2025-08-10"),
        registered("moved", "2025-12-01T10:00:00Z", nation="scotland"),
    ]
    _tell(client, "moved", *events)
    measure = "markbook:maths:any:assessed"
    before = ("as_known_at", "2025-12-01T09:59:59Z")
    assert _values(client, "moved", measure, "2025-09-15", before) == {"k1": "no_data"}
    assert _values(client, "moved", measure, "2025-09-15") == {"k1": 40}
    asked = [("school", "moved"), ("measure", MEASURE), ("as_at", "2025-11-30")]
    assert read_report(client, "score-tracking", asked)["months"][0] == "2025-08-31"
    assert read_report(client, "score-tracking", [*asked, before])["months"][0] == "2025-09-30"


def test_a_withdrawn_registration_of_long_ago_leaves_what_other_rows_say(client) -> None:
    events = [
        registered("again", name="First", event_id="first-name"),
        registered("again", "2025-10-01T10:00:00Z", name="Second", trust="knot", event_id="second-name"),
        percent_framework("again"),
        enrolled("again", "w1"),
    ]
    _tell(client, "again", *events)
    _tell(client, "again", told("FactWithdrawn", "again", "2025-10-05T10:00:00Z", withdraws="second-name"))

    def members(known):
        asked = [("trust", "knot"), ("measure", MEASURE), BANDS, ("as_at", "2025-11-30"), ("as_known_at", known)]
        return read_report(client, "overview", asked)["rows"][0]["pupils"]

    assert [members(f"2025-10-0{day}T12:00:00Z") for day in (1, 4, 5)] == [1, 1, 0]
