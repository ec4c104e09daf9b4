"""Contract section 4 on populations: filters, rows and their order, members, several schools, trusts, both clocks.

Each pupil of the two schools has a percent told directly, so that every count can be worked out from the table `PUPILS`
by hand. Larch is in England, Rowan in Scotland, whose year starts in August.
"""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from tests.end_to_end.product import Product, read_report
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

AS_AT = "2025-11-30"
MEASURE = "markbook:maths:any:overall"
BANDS = ("bands", "21,36,51,66")
BAND_IDS = ("sig_below", "below", "at", "above", "sig_above")
ODD = "50%: set A"
ODD_ROW = "50%25%3A set A"

# school, pupil, year group, percent (None = no data), sex, need, groups
PUPILS = [
    ("larch", "a1", "2", "10", "F", "yes", ["Red", ODD]),
    ("larch", "a2", "2", "30", "M", "yes", ["Red"]),
    ("larch", "a3", "10", "40", "F", "no", ["Blue"]),
    ("larch", "a4", "10", None, "M", None, []),
    ("larch", "a5", None, "60", None, "no", [ODD, "Blue", "Red"]),
    ("rowan", "b1", "2", "90", "F", "yes", ["Red"]),
    ("rowan", "b2", "P3", "35.5", "M", "other", ["Green"]),
    ("rowan", "b3", "P3", "35.4", None, None, []),
]


@pytest.fixture(scope="module", autouse=True)
def _told(client: httpx.Client) -> None:
    events = [
        registered("larch", trust="canopy", joined_on="2024-01-01"),
        registered("rowan", nation="scotland", trust="canopy", joined_on="2025-11-01"),
        registered("empty"),
        percent_framework("larch"),
        percent_framework("rowan"),
    ]
    for school, pupil, year_group, percent, sex, need, groups in PUPILS:
        events.append(enrolled(school, pupil, year_group, **({"sex": sex} if sex else {})))
        starts = {"school": school, "pupil": pupil, "starts_on": "2024-09-01"}
        if need:
            events.append(told("CharacteristicSet", name="need: 10%", value=need, **starts))
        for group in groups:
            events.append(told("GroupJoined", school, pupil=pupil, group=group, joined_on="2025-09-01"))
        if percent:
            events.append(told_percent(school, pupil, "maths", percent))
    wait_until_shown(client, tell(client, *events), ["larch", "rowan", "empty"])


def _asked(*more, schools=("larch", "rowan")):
    return [*(("school", school) for school in schools), ("measure", MEASURE), BANDS, ("as_at", AS_AT), *more]


def _overview(client, *more, **named):
    return read_report(client, "overview", _asked(*more, **named))


def _pupils(client, *more, **named):
    """The references of a population."""
    return set(by_reference(all_members(client, "overview/members", _asked(*more, **named))))


def test_rows_come_in_the_order_of_by_then_in_natural_order_with_not_known_last(client) -> None:
    breakdowns = ("characteristic:need%3A 10%25", "group", "school", "year-group", "characteristic:sex")
    report = _overview(client, *(("by", by) for by in breakdowns))
    assert [(row["row"], row["pupils"]) for row in report["rows"]] == [
        ("whole", 8),
        ("characteristic:need%3A 10%25:no", 2),
        ("characteristic:need%3A 10%25:other", 1),
        ("characteristic:need%3A 10%25:yes", 3),
        ("characteristic:need%3A 10%25:Not known", 2),
        (f"group:{ODD_ROW}", 2),
        ("group:Blue", 2),
        ("group:Green", 1),
        ("group:Red", 4),
        ("school:larch", 5),
        ("school:rowan", 3),
        ("year-group:2", 3),
        ("year-group:10", 2),
        ("year-group:P3", 2),
        ("year-group:Not known", 1),
        ("characteristic:sex:F", 3),
        ("characteristic:sex:M", 3),
        ("characteristic:sex:Not known", 2),
    ]
    assert report["measures"] == [{"id": MEASURE, "bands": [21, 36, 51, 66]}]


def test_bands_count_the_displayed_percent(client) -> None:
    row = _overview(client, schools=("rowan",))["rows"][0]["cells"][0]
    assert row["counts"] == {"sig_below": 0, "below": 1, "at": 1, "above": 0, "sig_above": 1}  # 35.4 -> 35, 35.5 -> 36


def test_a_row_over_several_schools_is_the_sum_of_its_schools(client) -> None:
    both, larch, rowan = (
        _overview(client, ("by", "group"), ("by", "characteristic:sex"), schools=schools)
        for schools in (("larch", "rowan"), ("larch",), ("rowan",))
    )
    parts = [{row["row"]: row for row in report["rows"]} for report in (larch, rowan)]
    for row in both["rows"]:
        there = [part[row["row"]] for part in parts if row["row"] in part]
        assert row["pupils"] == sum(part["pupils"] for part in there)
        for band in BAND_IDS:
            total = sum(part["cells"][0]["counts"][band] for part in there)
            assert row["cells"][0]["counts"][band] == total, row["row"]
    assert {"group:Red", "whole"} <= parts[0].keys() & parts[1].keys()


def test_filters_are_or_inside_a_name_and_and_between_names(client) -> None:
    need = "need%3A 10%25"
    assert _pupils(client, ("filter", "sex:F")) == {"a1", "a3", "b1"}
    assert _pupils(client, ("filter", "sex:F"), ("filter", "sex:M")) == {"a1", "a3", "b1", "a2", "a4", "b2"}
    assert _pupils(client, ("filter", "sex:F"), ("filter", f"{need}:yes")) == {"a1", "b1"}
    both = [("filter", f"{need}:yes"), ("filter", f"{need}:other"), ("filter", "sex:M")]
    assert _pupils(client, *both) == {"a2", "b2"}
    assert _pupils(client, ("filter", "sex:Not known")) == {"a5", "b3"}
    assert _pupils(client, ("filter", f"{need}:Not known"), ("filter", "sex:M")) == {"a4"}
    assert _pupils(client, ("group", "Red")) == {"a1", "a2", "a5", "b1"}
    assert _pupils(client, ("group", "Blue"), ("group", "Green")) == {"a3", "a5", "b2"}
    assert _pupils(client, ("group", ODD)) == {"a1", "a5"}
    assert _pupils(client, ("year_group", "2"), ("year_group", "P3")) == {"a1", "a2", "b1", "b2", "b3"}
    assert _pupils(client, ("year_group", "Not known")) == {"a5"}
    assert _pupils(client, ("year_group", "2"), ("group", "Red"), ("filter", "sex:F")) == {"a1", "b1"}


@pytest.mark.parametrize(
    "narrowed", [("group", "Mauve"), ("year_group", "99"), ("filter", "shoe:42"), ("filter", "sex:X")]
)
def test_an_unknown_group_year_group_characteristic_or_value_gives_an_empty_population(client, narrowed):
    report = _overview(client, narrowed, ("by", "group"), ("by", "year-group"))
    assert [(row["row"], row["pupils"]) for row in report["rows"]] == [("whole", 0)]
    assert report["rows"][0]["cells"][0]["percents"] == dict.fromkeys(BAND_IDS)
    assert report["rows"][0]["cells"][0]["no_data_percent"] is None
    assert _pupils(client, narrowed) == set()
    page = client.get("/reports/overview", params=_asked(narrowed), headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "no pupil" in page.text.lower(), "the page says that the population is empty"


def test_a_school_without_pupils_has_an_empty_whole(client) -> None:
    rows = _overview(client, ("by", "school"), schools=("empty",))["rows"]
    assert [(row["row"], row["pupils"]) for row in rows] == [("whole", 0)]
    beside = _overview(client, ("by", "school"), schools=("empty", "rowan"))["rows"]
    assert [(row["row"], row["pupils"]) for row in beside] == [("whole", 3), ("school:rowan", 3)]


def _cells(row):
    cell = row["cells"][0]
    counts = {f"0:{band}": pupils for band, pupils in cell["counts"].items()}
    counts |= {"0:no_data": cell["no_data"], "0:not_applicable": cell["not_applicable"]}
    return counts | {f"combined:{part}": row["combined"][part] for part in row["combined"] if part != "percents"}


@pytest.mark.parametrize("denominator", ["row", "with_data"])
def test_members_of_every_cell_are_as_many_as_the_count(client, denominator) -> None:
    breakdowns = [("by", by) for by in ("school", "year-group", "group", "characteristic:sex")]
    breakdowns += [("by", "characteristic:need%3A 10%25"), ("denominator", denominator)]
    for row in _overview(client, *breakdowns)["rows"]:
        whole = all_members(client, "overview/members", _asked(*breakdowns, ("row", row["row"])), limit=2)
        assert whole["total"] == len(whole["pupils"]) == row["pupils"]
        assert len({(pupil["school"], pupil["pupil"]) for pupil in whole["pupils"]}) == row["pupils"]
        for cell, pupils in _cells(row).items():
            asked = _asked(*breakdowns, ("row", row["row"]), ("cell", cell))
            members = all_members(client, "overview/members", asked, limit=1)
            assert members["total"] == len(members["pupils"]) == pupils, (row["row"], cell)
            assert {pupil["pupil"] for pupil in members["pupils"]} <= {pupil["pupil"] for pupil in whole["pupils"]}


def test_several_cells_are_or(client) -> None:
    asked = _asked(("row", f"group:{ODD_ROW}"), ("cell", "0:sig_below"), ("cell", "0:above"), ("cell", "0:at"))
    assert set(by_reference(all_members(client, "overview/members", asked))) == {"a1", "a5"}
    assert all_members(client, "overview/members", _asked(("cell", "0:no_data"), ("cell", "0:below")))["total"] == 3


def test_pages_of_members_follow_each_other(client) -> None:
    for limit, pages in ((1, 8), (3, 3), (8, 1), (500, 1)):
        listing = all_members(client, "overview/members", _asked(), limit=limit)
        assert (listing["total"], len(by_reference(listing)), listing["pages"]) == (8, 8, pages)
    first = read_report(client, "overview/members", _asked())
    assert first["next"] is None
    assert len(first["pupils"]) == 8


def test_a_value_has_all_its_keys_with_exact_numbers_as_decimal_strings(client) -> None:
    pupils = by_reference(all_members(client, "overview/members", _asked()))
    assert pupils["b2"]["values"] == [
        {
            "status": "value",
            "percent": 36,
            "numerator": "35.5",
            "denominator": "100",
            "score": None,
            "value": None,
            "band": "at",
            "on": None,
        }
    ]
    nothing = dict.fromkeys(("percent", "numerator", "denominator", "score", "value", "band", "on"))
    assert pupils["a4"]["values"] == [{"status": "no_data", **nothing}]
    assert pupils["a5"]["year_group"] is None
    history = ("measure", "markbook:history:any:overall")
    other = by_reference(all_members(client, "overview/members", _asked(history)))
    assert other["a1"]["values"][1] == {"status": "not_applicable", **nothing}


def test_weights_and_marks_of_three_decimals_stay_exact(client) -> None:
    objectives = [
        {"objective": "u", "ability": "Y3", "weight": "0.125"},
        {"objective": "v", "ability": "Y3", "weight": "2.375"},
        {"objective": "w", "ability": "Y4", "weight": "0.001"},
    ]
    states = [{"state": "third", "weight": "0.333"}, {"state": "most", "weight": "0.667"}]
    events = [
        registered("yew"),
        enrolled("yew", "y1"),
        published("yew", {"maths": objectives}, states),
        published("yew", {"art": objectives}, {"marks": "7"}, framework="arts"),
        assessed("yew", "y1", "maths", "u", "third", "2025-10-01"),
        assessed("yew", "y1", "maths", "v", "most", "2025-10-01"),
        assessed("yew", "y1", "maths", "w", "most", "2025-10-02"),
        assessed("yew", "y1", "art", "v", "6.125", "2025-10-01"),
        assessed("yew", "y1", "art", "w", "0.001", "2025-10-01"),
    ]
    wait_until_shown(client, tell(client, *events), ["yew"])

    def exact(measure):
        asked = [("school", "yew"), ("measure", measure), BANDS, ("as_at", AS_AT)]
        value = by_reference(read_report(client, "overview/members", asked))["y1"]["values"][0]
        return value["numerator"], value["denominator"], value["percent"]

    # 0.125 × 0.333 + 2.375 × 0.667 = 0.041625 + 1.584125
    assert exact("markbook:maths:Y3:overall") == ("1.62575", "2.5", 65)
    assert exact("markbook:maths:any:overall") == ("1.626417", "2.501", 65)
    # marks: Σ weight × marks = 2.375 × 6.125; Σ weight × 7 = 17.5
    assert exact("markbook:art:Y3:overall") == ("14.546875", "17.5", 83)
    assert exact("markbook:art:any:assessed") == ("14.546876", "16.632", 87)


def test_names_and_references_are_there_only_for_a_key_that_may_see_names(client, product: Product) -> None:
    body = {"name": "counts only", "schools": ["larch"], "can": ["read", "small_numbers"]}
    key = client.post("/v1/keys", json=body).json()["key"]
    with product.client(key) as reader:
        pupils = read_report(reader, "overview/members", _asked(schools=("larch",)))["pupils"]
        assert len(pupils) == 5
        assert all(set(pupil) == {"pupil", "school", "year_group", "values"} for pupil in pupils)
        tracking = read_report(reader, "score-tracking", [("school", "larch"), ("measure", MEASURE)])
        assert not any({"name", "reference"} & set(pupil) for pupil in tracking["pupils"])
        text = reader.get("/v1/reports/overview/members.csv", params=_asked(schools=("larch",))).text
        assert "a1" not in text
        page = reader.get("/reports/overview/members", params=_asked(schools=("larch",)))
        assert page.status_code == 200 and ">a1<" not in page.text
    named = read_report(client, "overview/members", _asked(schools=("larch",)))["pupils"]
    assert all({"name", "reference", "pupil", "school", "year_group", "values"} == set(pupil) for pupil in named)


# --- Trusts, and both clocks -------------------------------------------------------------------------------------


def _trust(client, as_at, *more, trust="canopy"):
    asked = [("trust", trust), ("measure", MEASURE), BANDS, ("as_at", as_at), ("by", "school"), *more]
    return [(row["row"], row["pupils"]) for row in read_report(client, "overview", asked)["rows"]]


def test_a_trust_is_its_members_at_the_date_of_the_roster(client) -> None:
    assert _trust(client, "2025-10-31") == [("whole", 5), ("school:larch", 5)]
    assert _trust(client, "2025-11-01") == [("whole", 8), ("school:larch", 5), ("school:rowan", 3)]
    assert _trust(client, "2023-12-31") == [("whole", 0)]


def test_a_trust_whose_membership_changes_is_answered_as_known_at(client) -> None:
    leaving = told("SchoolLeftTrust", "larch", "2025-12-24T10:00:00Z", trust="canopy", left_on="2025-12-20")
    joining = told("SchoolJoinedTrust", "larch", "2025-12-24T10:00:00Z", trust="hedge", joined_on="2025-12-21")
    wait_until_shown(client, tell(client, leaving, joining), ["larch"])
    assert _trust(client, "2025-12-20")[0] == ("whole", 8)
    assert _trust(client, "2025-12-21")[0] == ("whole", 3)
    assert _trust(client, "2025-12-21", ("as_known_at", "2025-12-24T09:59:59Z"))[0] == ("whole", 8)
    assert _trust(client, "2025-12-21", ("as_known_at", "2025-12-24T10:00:00Z"))[0] == ("whole", 3)
    assert _trust(client, "2025-12-21", trust="hedge") == [("whole", 5), ("school:larch", 5)]
    assert _trust(client, "2025-12-20", trust="hedge") == [("whole", 0)]  # one without members is empty
    assert _trust(client, "2025-12-21", ("as_known_at", "2025-12-24T09:59:59Z"), trust="hedge") == [("whole", 0)]
    missing = client.get("/v1/reports/overview", params=[("trust", "no-such"), ("measure", MEASURE), BANDS])
    assert missing.status_code == 404


def test_the_academic_year_is_the_schools(client) -> None:
    events = []
    for school, fields in (("north", {"nation": "scotland"}), ("south", {})):
        events += [registered(school, **fields), percent_framework(school), enrolled(school, "p")]
        events += [told_percent(school, "p", "maths", "40", "2025-08-10"), enrolled(school, "q")]
        events += [told_percent(school, "q", "maths", "60", "2025-07-31")]
    wait_until_shown(client, tell(client, *events), ["north", "south"])

    def assessed_on(school, as_at):
        asked = [("school", school), ("measure", "markbook:maths:any:assessed"), BANDS, ("as_at", as_at)]
        pupils = by_reference(read_report(client, "overview/members", asked))
        return [pupils[name]["values"][0]["percent"] for name in ("p", "q")]

    assert assessed_on("north", "2025-07-31") == [None, 60]
    assert assessed_on("north", "2025-08-15") == [40, None]
    assert assessed_on("north", "2025-09-15") == [40, None]
    assert assessed_on("south", "2025-08-15") == [40, 60]
    assert assessed_on("south", "2025-08-31") == [40, 60]
    assert assessed_on("south", "2025-09-01") == [None, None]
    tracked = [("measure", "markbook:maths:any:overall"), ("as_at", "2025-11-30")]
    north = read_report(client, "score-tracking", [("school", "north"), *tracked])
    assert (north["months"][0], north["months"][-1], len(north["months"])) == ("2025-08-31", "2026-07-31", 12)
    south = read_report(client, "score-tracking", [("school", "south"), *tracked])
    assert (south["months"][0], south["months"][-1]) == ("2025-09-30", "2026-08-31")
    both = [("school", "north"), ("school", "south"), *tracked]
    refused = client.get("/v1/reports/score-tracking", params=both)
    assert refused.status_code == 422 and "months" in refused.text
    named = read_report(client, "score-tracking", [*both, ("months", "2025-08..2025-09")])
    starts = {pupil["school"]: pupil["start"]["status"] for pupil in named["pupils"] if pupil["reference"] == "q"}
    # the year of August 2025: north's begins on 1 August 2025, south's on 1 September 2024
    assert starts == {"north": "value", "south": "no_data"}


def test_what_is_known_at_is_inclusive_to_the_second(client) -> None:
    events = [
        registered("clock", "2025-09-01T08:00:00Z"),
        percent_framework("clock") | {"recorded_at": "2025-09-01T08:00:00Z"},
        enrolled("clock", "c1", recorded_at="2025-09-01T08:00:00Z"),
        assessed("clock", "c1", "maths", "mark", "40", "2025-10-01", "2025-10-01T15:00:00Z"),
        assessed("clock", "c1", "maths", "mark", "60", "2025-10-01", "2025-10-05T15:00:00Z"),
        assessed("clock", "c1", "maths", "mark", "90", "2025-09-20", "2025-10-06T15:00:00Z"),
    ]
    wait_until_shown(client, tell(client, *events), ["clock"])

    def percent(as_at, known):
        asked = [("school", "clock"), ("measure", MEASURE), BANDS, ("as_at", as_at), ("as_known_at", known)]
        pupils = read_report(client, "overview/members", asked)["pupils"]
        return [pupil["values"][0]["percent"] for pupil in pupils]

    assert percent("2025-10-31", "2025-10-01T14:59:59Z") == [None]
    assert percent("2025-10-31", "2025-10-01T15:00:00Z") == [40]
    assert percent("2025-10-31", "2025-10-01T16:00:00+01:00") == [40]
    assert percent("2025-10-31", "2025-10-01T15:59:59+01:00") == [None]
    assert percent("2025-10-31", "2025-10-05T14:59:59Z") == [40]
    assert percent("2025-10-31", "2025-10-05T15:00:00Z") == [60]
    assert percent("2025-09-30", "2025-10-05T15:00:00Z") == [None]
    assert percent("2025-09-30", "2025-10-06T15:00:00Z") == [90]
    assert percent("2025-10-31", "2025-10-06T15:00:00Z") == [60]  # an older day told later overwrites nothing newer
    # knowledge before the date asked for: what was known in September of October is the roster alone
    assert percent("2025-12-31", "2025-09-15T00:00:00Z") == [None]
    assert percent("2025-12-31", "2025-10-02T00:00:00Z") == [40]
    # a school not known yet gives an empty report
    assert percent("2025-10-31", "2025-09-01T07:59:59Z") == []
    asked = [("school", "clock"), ("measure", MEASURE), BANDS, ("as_at", "2025-10-31"), ("by", "school")]
    unknown = read_report(client, "overview", [*asked, ("as_known_at", "2025-09-01T07:59:59Z")])
    assert [(row["row"], row["pupils"]) for row in unknown["rows"]] == [("whole", 0)]
    raw = client.get(
        "/v1/reports/overview/members?school=clock&measure=markbook:maths:any:overall&bands=21,36,51,66"
        "&as_at=2025-10-31&as_known_at=2025-10-01T16:00:00%2B01:00"
    )
    assert raw.json()["provenance"]["as_known_at"] == "2025-10-01T15:00:00Z"


def test_an_instant_in_the_future_or_malformed_is_refused(client) -> None:
    for known in ("2099-01-01T00:00:00Z", "2025-10-01", "2025-10-01T10:00:00", "yesterday"):
        answer = client.get("/v1/reports/overview", params=_asked(("as_known_at", known)))
        assert answer.status_code == 422, known
        assert answer.json()["errors"][0]["parameter"] == "as_known_at"


def test_the_roster_is_that_of_the_day_and_of_the_knowledge(client) -> None:
    early = "2025-09-01T08:00:00Z"
    events = [
        registered("moves", early),
        percent_framework("moves") | {"recorded_at": early},
        enrolled("moves", "m1", recorded_at=early, enrolled_on="2025-09-01"),
        enrolled("moves", "m2", recorded_at=early, enrolled_on="2025-09-01"),
        told("PupilLeft", "moves", "2025-11-20T09:00:00Z", pupil="m2", left_on="2025-11-10"),
        told("GroupJoined", "moves", early, pupil="m1", group="Red", joined_on="2025-09-01", left_on="2025-10-31"),
        told("GroupJoined", "moves", early, pupil="m1", group="Blue", joined_on="2025-11-01"),
        told("CharacteristicSet", "moves", early, pupil="m1", name="fsm", value="yes", starts_on="2025-10-15"),
        told("CharacteristicEnded", "moves", early, pupil="m1", name="fsm", ends_on="2025-11-15"),
    ]
    wait_until_shown(client, tell(client, *events), ["moves"])

    def rows(as_at, *more):
        asked = [("school", "moves"), ("measure", MEASURE), BANDS, ("as_at", as_at), ("by", "group")]
        report = read_report(client, "overview", [*asked, ("by", "characteristic:fsm"), *more])
        return [(row["row"], row["pupils"]) for row in report["rows"]]

    def not_known(pupils):
        return ("characteristic:fsm:Not known", pupils)

    fsm = ("characteristic:fsm:yes", 1)
    assert rows("2025-08-31") == [("whole", 0)]
    assert rows("2025-09-01") == [("whole", 2), ("group:Red", 1), not_known(2)]
    assert rows("2025-10-31") == [("whole", 2), ("group:Red", 1), fsm, not_known(1)]
    assert rows("2025-11-01") == [("whole", 2), ("group:Blue", 1), fsm, not_known(1)]
    assert rows("2025-11-10")[0] == ("whole", 2)  # the last day is inclusive
    assert rows("2025-11-11")[0] == ("whole", 1)
    assert rows("2025-11-11", ("as_known_at", "2025-11-20T08:59:59Z"))[0] == ("whole", 2)
    assert rows("2025-11-16") == [("whole", 1), ("group:Blue", 1), not_known(1)]

    def tracked(members):
        asked = [("school", "moves"), ("measure", MEASURE), ("as_at", "2025-12-31")]
        return by_reference(read_report(client, "score-tracking", [*asked, ("members", members)]))

    assert set(tracked("now")) == {"m1"}
    then = tracked("then")
    assert set(then) == {"m1", "m2"}
    statuses = [value and value["status"] for value in then["m2"]["values"]]
    assert statuses == ["no_data", "no_data"] + [None] * 10  # on roll at the ends of September and October only
    assert then["m2"]["start"]["status"] == "no_data"  # valued in any case


def test_a_pupil_at_two_schools_counts_at_each_with_the_facts_sent_for_it(client) -> None:
    events = []
    for school, percent in (("east", "40"), ("west", "90")):
        events += [registered(school), percent_framework(school), enrolled(school, "upn:A123456789012")]
        events += [told_percent(school, "upn:A123456789012", "maths", percent)]
    wait_until_shown(client, tell(client, *events), ["east", "west"])
    asked = [("school", "east"), ("school", "west"), ("measure", MEASURE), BANDS, ("as_at", AS_AT)]
    pupils = read_report(client, "overview/members", asked)["pupils"]
    assert [(pupil["school"], pupil["values"][0]["percent"]) for pupil in pupils] == [("east", 40), ("west", 90)]
    assert len({pupil["pupil"] for pupil in pupils}) == 1
    assert read_report(client, "overview", asked)["rows"][0]["pupils"] == 2


def test_merged_pupils_are_one_with_the_reference_of_the_latest_enrolment(client) -> None:
    events = [
        registered("merge"),
        percent_framework("merge"),
        enrolled("merge", "old", enrolled_on="2024-09-01", left_on="2025-07-31"),
        enrolled("merge", "new", enrolled_on="2025-09-01"),
        told_percent("merge", "old", "maths", "40", "2025-05-01"),
        told_percent("merge", "new", "reading", "60", "2025-10-01"),
        told("PupilsMerged", "merge", "2025-11-05T10:00:00Z", pupil="old", other="new"),
    ]
    wait_until_shown(client, tell(client, *events), ["merge"])
    first_known = _only(client, "2025-06-30", ("as_known_at", "2025-11-05T09:59:59Z"))
    merged = _only(client, AS_AT)
    assert merged["pupil"] == first_known["pupil"]
    assert (first_known["reference"], merged["reference"]) == ("old", "new")
    assert [value["percent"] for value in merged["values"]] == [40, 60]
    apart = _only(client, AS_AT, ("as_known_at", "2025-11-05T09:59:59Z"))
    assert [value["percent"] for value in apart["values"]] == [None, 60]
    split = told("PupilsSplit", "merge", "2025-11-20T10:00:00Z", pupil="old", other="new")
    wait_until_shown(client, tell(client, split), ["merge"])
    assert [value["percent"] for value in _only(client, AS_AT)["values"]] == [None, 60]


def _only(client, as_at, *more):
    measures = [("measure", f"markbook:{subject}:any:overall") for subject in ("maths", "reading")]
    asked = [("school", "merge"), *measures, BANDS, ("as_at", as_at), *more]
    (pupil,) = read_report(client, "overview/members", asked)["pupils"]
    return pupil


def test_own_year_is_each_pupils_year_group_and_the_curriculum_of_the_day(client) -> None:
    def objectives(*tags):
        return [{"objective": f"o{tag}", "ability": f"Y{tag}", "year_group": tag} for tag in tags]

    states = [{"state": "no", "weight": "0"}, {"state": "yes", "weight": "1"}]
    events = [
        registered("mixed"),
        published("mixed", {"maths": objectives("3", "4")}, states),
        published("mixed", {"maths": objectives("4", "5")}, states, version="2", effective_on="2025-11-01"),
        *(enrolled("mixed", f"y{group}", group) for group in ("3", "4", "5")),
        enrolled("mixed", "none"),
        assessed("mixed", "y3", "maths", "o3", "yes", "2025-10-01"),
        assessed("mixed", "y4", "maths", "o4", "no", "2025-10-01"),
        assessed("mixed", "y4", "maths", "o3", "yes", "2025-10-01"),
        told("YearGroupSet", "mixed", pupil="y3", year_group="4", starts_on="2025-12-01"),
    ]
    wait_until_shown(client, tell(client, *events), ["mixed"])

    def values(as_at, measure="markbook:maths:own-year:overall"):
        asked = [("school", "mixed"), ("measure", measure), BANDS, ("as_at", as_at)]
        pupils = by_reference(read_report(client, "overview/members", asked))
        found = [pupils[name]["values"][0] for name in ("y3", "y4", "y5", "none")]
        return [value["percent"] if value["status"] == "value" else value["status"] for value in found]

    assert values("2025-10-31") == [100, 0, "not_applicable", "not_applicable"]
    assert values("2025-11-01") == ["not_applicable", 0, "no_data", "not_applicable"]
    assert values("2025-12-01") == ["no_data", 0, "no_data", "not_applicable"]
    assert values("2025-10-31", "markbook:maths:any:overall") == [50, 50, "no_data", "no_data"]
    # where this version lacks the objective, that counts as not assessed
    assert values("2025-11-01", "markbook:maths:any:overall") == ["no_data", 0, "no_data", "no_data"]
    assert values("2025-11-01", "markbook:maths:Y3:overall") == ["not_applicable"] * 4
    asked = [("school", "mixed"), ("measure", "markbook:maths:own-year:overall"), BANDS, ("as_at", "2025-10-31")]
    cell = read_report(client, "overview", asked)["rows"][0]["cells"][0]
    assert (cell["of"], cell["not_applicable"], cell["percents"]["sig_above"]) == (2, 2, 50)


def test_percent_encoded_filters_travel_in_a_raw_address(client) -> None:
    name = quote("need%3A 10%25:yes", safe="")
    raw = client.get(
        f"/v1/reports/overview?school=larch&measure={MEASURE}&bands=21,36,51,66&as_at={AS_AT}&filter={name}"
    )
    assert raw.status_code == 200
    assert raw.json()["rows"][0]["pupils"] == 2
    for broken in ("sex", ":F", "sex:", "se%x:F"):
        answer = client.get("/v1/reports/overview", params=_asked(("filter", broken)))
        assert answer.status_code == 422, broken
        assert answer.json()["errors"][0]["parameter"] == "filter"


def test_tests_and_judgements_that_a_school_does_not_have_are_not_applicable(client) -> None:
    for measure in ("test:ks2:reading:-:scaled", "judgement:reading:percent"):
        asked = [("school", "larch"), ("measure", measure), ("bands", "90,100,110,115.5"), ("as_at", AS_AT)]
        cell = read_report(client, "overview", asked)["rows"][0]["cells"][0]
        assert (cell["not_applicable"], cell["of"]) == (5, 0), measure
