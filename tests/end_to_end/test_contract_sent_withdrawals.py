"""Contract 3.2 on withdrawals, and 2 and 3.2 on who is whom: sentence by sentence, over HTTP."""

from __future__ import annotations

import asyncio

import asyncpg
import httpx
import pytest

from tests.end_to_end.contract_sent import (
    assess,
    open_school,
    pupils_of,
    reverse,
    rows_of,
    score,
    send_rows,
    tally,
    tell,
)
from tests.end_to_end.product import Product
from tests.end_to_end.small_school import BANDS, MEASURE, assessed

pytestmark = pytest.mark.end_to_end

DAY = "2025-10-01"


def withdrawal(school: str, withdraws: str, **more: str) -> dict[str, str]:
    """The event."""
    return {"type": "FactWithdrawn", "school": school, "withdraws": withdraws, **more}


def test_a_withdrawn_event_was_never_there(client: httpx.Client) -> None:
    open_school(client, "gone")
    first = tell(client, assessed("gone", "A1", "m1", "not_yet", DAY))
    second = tell(client, {**assessed("gone", "A1", "m1", "achieved", DAY), "sequence": 1})
    assert score(client, "gone") == "1/4"
    tell(client, withdrawal("gone", second["results"][0]["event_id"]))
    assert score(client, "gone") == "0/4"
    tell(client, withdrawal("gone", first["results"][0]["event_id"], reason="typed twice"))
    assert score(client, "gone") is None


def test_a_withdrawal_of_an_unknown_id_waits_for_it(client: httpx.Client) -> None:
    open_school(client, "waits")
    assert tell(client, withdrawal("waits", "later-1"))["accepted"] == 1
    assert tell(client, {**assessed("waits", "A1", "m1", "achieved", DAY), "event_id": "later-1"})["accepted"] == 1
    assert score(client, "waits") is None


def test_a_withdrawn_withdrawal_lets_the_fact_stand_again(client: httpx.Client) -> None:
    open_school(client, "twofold")
    tell(client, {**assessed("twofold", "A1", "m1", "achieved", DAY), "event_id": "fact"})
    tell(client, {**withdrawal("twofold", "fact"), "event_id": "w1"})
    assert score(client, "twofold") is None
    tell(client, {**withdrawal("twofold", "w1"), "event_id": "w2"})
    assert score(client, "twofold") == "1/4"
    tell(client, {**withdrawal("twofold", "w2"), "event_id": "w3"})
    assert score(client, "twofold") is None


def test_a_withdrawal_counts_from_when_it_is_known(client: httpx.Client) -> None:
    open_school(client, "known", pupils="")
    at = {"recorded_at": "2025-08-01T08:00:00Z"}
    enrolled = {"type": "PupilEnrolled", "school": "known", "pupil": "A1", "enrolled_on": "2025-09-01", **at}
    school = {"type": "SchoolRegistered", "school": "known", "name": "Known", **at}
    objectives = [{"objective": f"m{number}", "ability": "Y3"} for number in (1, 2, 3, 4)]
    framework = {
        "type": "CurriculumPublished",
        "school": "known",
        "framework": "primary",
        "version": "0",
        "effective_on": "2000-01-01",
        "subjects": [{"subject": "maths", "objectives": objectives}],
        **at,
    }
    fact = {
        **assessed("known", "A1", "m1", "achieved", DAY),
        "event_id": "fact",
        "recorded_at": "2025-10-02T10:00:00Z",
    }
    gone = {**withdrawal("known", "fact"), "recorded_at": "2025-11-02T10:00:00Z"}
    tell(client, school, enrolled, framework, fact, gone)
    assert score(client, "known") is None
    assert score(client, "known", as_known_at="2025-11-02T09:59:59Z") == "1/4"
    assert score(client, "known", as_known_at="2025-11-02T10:00:00Z") is None


def test_a_withdrawal_undoes_what_the_fact_of_a_row_superseded(client: httpx.Client, product: Product) -> None:
    open_school(client, "rowfact")
    assess(client, "rowfact", f"A1,m1,achieved,{DAY}")
    wrong = assess(client, "rowfact", f"A1,m1,not_yet,{DAY}")
    assert score(client, "rowfact") == "0/4"
    row = asyncio.run(_fact_of(product, wrong["import_id"]))
    tell(client, {**withdrawal("rowfact", row), "event_id": "w1"})
    assert score(client, "rowfact") == "1/4"
    assert tally(assess(client, "rowfact", f"A1,m1,achieved,{DAY}")) == {"duplicate": 1}
    tell(client, withdrawal("rowfact", "w1"))
    assert score(client, "rowfact") == "0/4"
    assert reverse(client, wrong)["withdrawn"] == 1, (
        "a withdrawal that was withdrawn does not keep it from being reversed"
    )
    assert score(client, "rowfact") == "1/4"


async def _fact_of(product: Product, import_id: str) -> str:
    """The id of the one fact of an import; no report tells it yet."""
    connection = await asyncpg.connect(
        host=str(product.data_dir / "postgres"), user="markledger", database="markledger"
    )
    try:
        return str(await connection.fetchval("SELECT event_id FROM ingest.told WHERE batch = $1", import_id))
    finally:
        await connection.close()


def test_the_position_of_a_reverse_told_again_covers_the_first(client: httpx.Client) -> None:
    open_school(client, "retry")
    told = assess(client, "retry", f"A1,m1,achieved,{DAY}")
    first, again = reverse(client, told), reverse(client, told)
    assert (first["withdrawn"], again["withdrawn"]) == (1, 0)
    parameters = {"school": "retry", "measure": MEASURE, "bands": BANDS, "as_at": "2025-12-31"}
    parameters |= {"min_position": again["position"], "wait_seconds": "30"}
    report = client.get("/v1/reports/overview", params=parameters).json()
    assert report["provenance"]["stale"] is False
    assert report["rows"][0]["cells"][0]["no_data"] == 2


def test_events_and_files_do_not_supersede_each_other(client: httpx.Client) -> None:
    open_school(client, "apart")
    tell(client, assessed("apart", "A1", "m1", "achieved", DAY))
    assert tally(assess(client, "apart", f"A1,m1,achieved,{DAY}")) == {"accepted": 1}
    again = tell(client, assessed("apart", "A1", "m1", "achieved", DAY))
    assert again["duplicate"] == 1


def test_a_withdrawn_enrolment_makes_the_pupil_unknown(client: httpx.Client) -> None:
    open_school(client, "unenrol")
    tell(client, {"type": "PupilEnrolled", "school": "unenrol", "pupil": "C3", "enrolled_on": DAY, "event_id": "c3"})
    tell(client, assessed("unenrol", "C3", "m1", "achieved", DAY))
    tell(client, withdrawal("unenrol", "c3"))
    told = tell(client, assessed("unenrol", "C3", "m2", "achieved", DAY), status=422)
    assert told["results"][0]["error"]["code"] == "unknown_pupil"
    assert set(pupils_of(client, "unenrol")) == {"A1", "B2"}


def test_equal_upn_merges_two_references_for_all_dates(client: httpx.Client) -> None:
    open_school(client, "upn", pupils="")
    header = "school,pupil,enrolled_on,left_on,year_group,upn,family_name"
    send_rows(
        client,
        "pupils",
        header,
        "upn,OLD,2024-09-01,2025-07-31,2,H801,Oak",
        "upn,NEW,2025-09-01,,3,,Oak",
    )
    assess(client, "upn", "OLD,m1,achieved,2025-02-01", "NEW,m2,achieved,2025-10-01")
    assert set(pupils_of(client, "upn")) == {"NEW"}, "equal names never merge"
    assert score(client, "upn", pupil="NEW") == "1/4"
    told = send_rows(client, "pupils", header, "upn,NEW,2025-09-01,,3,H801,Oak")
    assert tally(told) == {"accepted": 1, "superseded": 1}
    assert score(client, "upn", pupil="NEW") == "2/4", (
        "the merged pupil has all, by the reference of the latest enrolment"
    )
    before = pupils_of(client, "upn", "2025-03-01")
    assert len(before) == 1 and next(iter(before.values()))["year_group"] == "2"
    now = pupils_of(client, "upn")["NEW"]["pupil"]
    assert next(iter(before.values()))["pupil"] == now, "one id, the one first known"
    reverse(client, told)
    assert score(client, "upn", pupil="NEW") == "1/4", "only as long as a standing row of each says it"
    assert score(client, "upn", "2025-03-01", pupil="OLD") == "1/4"


def test_a_reference_with_a_prefix_and_an_equal_upn_are_one(client: httpx.Client) -> None:
    open_school(client, "prefix", pupils="")
    header = "school,pupil,enrolled_on,year_group,upn"
    send_rows(client, "pupils", header, "prefix,upn:H900,2025-09-01,3,", "prefix,N7,2025-09-01,3,H900")
    assert rows_of(client, "prefix", "year-group") == {"year-group:3": 1}


def test_a_merge_is_told_and_undone_by_a_split(client: httpx.Client) -> None:
    open_school(client, "merge")
    assess(client, "merge", f"A1,m1,achieved,{DAY}", f"B2,m2,achieved,{DAY}")
    pair = {"school": "merge", "pupil": "B2", "other": "A1"}
    tell(client, {"type": "PupilsMerged", **pair})
    assert len(pupils_of(client, "merge")) == 1
    assert next(iter(pupils_of(client, "merge").values()))["values"][0]["percent"] == 50
    tell(client, {"type": "PupilsSplit", "school": "merge", "pupil": "A1", "other": "B2"})
    assert score(client, "merge", pupil="A1") == "1/4" and score(client, "merge", pupil="B2") == "1/4"
    tell(client, {"type": "PupilsMerged", **pair, "sequence": 1})
    assert len(pupils_of(client, "merge")) == 1


def test_a_split_undoes_what_an_equal_upn_merged(client: httpx.Client) -> None:
    open_school(client, "splitupn", pupils="")
    header = "school,pupil,enrolled_on,year_group,upn"
    send_rows(client, "pupils", header, "splitupn,A1,2025-09-01,3,H1", "splitupn,B2,2025-09-01,3,H1")
    assert len(pupils_of(client, "splitupn")) == 1
    tell(client, {"type": "PupilsSplit", "school": "splitupn", "pupil": "A1", "other": "B2"})
    assert len(pupils_of(client, "splitupn")) == 2


def test_a_withdrawn_merge_is_no_merge(client: httpx.Client) -> None:
    open_school(client, "unmerge")
    tell(client, {"type": "PupilsMerged", "school": "unmerge", "pupil": "B2", "other": "A1", "event_id": "m"})
    assert len(pupils_of(client, "unmerge")) == 1
    tell(client, withdrawal("unmerge", "m"))
    assert len(pupils_of(client, "unmerge")) == 2


def test_a_bare_reference_belongs_to_its_school(client: httpx.Client) -> None:
    open_school(client, "left-school")
    open_school(client, "right-school")
    left, right = pupils_of(client, "left-school"), pupils_of(client, "right-school")
    assert left["A1"]["pupil"] != right["A1"]["pupil"]


def test_a_prefixed_reference_is_known_across_schools(client: httpx.Client) -> None:
    open_school(client, "north", pupils="upn:H77")
    open_school(client, "south", pupils="upn:H77")
    north, south = pupils_of(client, "north"), pupils_of(client, "south")
    assert north["upn:H77"]["pupil"] == south["upn:H77"]["pupil"]


def test_a_reverse_of_a_roster_lets_the_earlier_row_stand(client: httpx.Client) -> None:
    open_school(client, "roster", pupils="")
    header = "school,pupil,enrolled_on,left_on,year_group"
    first = send_rows(client, "pupils", header, "roster,A1,2025-09-01,,3")
    second = send_rows(client, "pupils", header, "roster,A1,2025-09-01,2025-10-31,3")
    assert set(pupils_of(client, "roster", "2025-10-31")) == {"A1"}
    assert set(pupils_of(client, "roster", "2025-11-01")) == set()
    reverse(client, second)
    assert set(pupils_of(client, "roster", "2025-11-01")) == {"A1"}
    reverse(client, first)
    assert set(pupils_of(client, "roster", "2025-11-01")) == set()


def test_the_name_that_a_reversed_row_gave_goes_and_the_earlier_one_stands_again(client: httpx.Client) -> None:
    open_school(client, "names", pupils="")
    header = "school,pupil,enrolled_on,year_group,given_name,family_name"
    good = "names,A1,2025-09-01,3,Amy,Oak"
    send_rows(client, "pupils", header, good)
    wrong = send_rows(client, "pupils", header, "names,A1,2025-09-01,3,Anna,")
    assert pupils_of(client, "names")["A1"]["name"] == "Anna Oak"
    reverse(client, wrong)
    assert pupils_of(client, "names")["A1"]["name"] == "Amy Oak"
    assert tally(send_rows(client, "pupils", header, good)) == {"duplicate": 1}
    assert pupils_of(client, "names")["A1"]["name"] == "Amy Oak"


def test_names_of_events_follow_their_withdrawals(client: httpx.Client) -> None:
    open_school(client, "eventname", pupils="A1")
    enrolled = {"type": "PupilEnrolled", "school": "eventname", "pupil": "A1", "enrolled_on": "2025-09-01"}
    tell(client, {**enrolled, "given_name": "Amy", "event_id": "amy"})
    tell(client, {**enrolled, "given_name": "Anna", "event_id": "anna"})
    tell(client, {**withdrawal("eventname", "anna"), "event_id": "w"})
    assert pupils_of(client, "eventname")["A1"]["name"] == "Amy"
    tell(client, withdrawal("eventname", "w"))
    assert pupils_of(client, "eventname")["A1"]["name"] == "Anna"
    assert tell(client, {**enrolled, "given_name": "Amy", "event_id": "amy"})["duplicate"] == 1
    assert pupils_of(client, "eventname")["A1"]["name"] == "Anna", "an event that comes again has no effect"
    tell(client, withdrawal("eventname", "later"))
    tell(client, {**enrolled, "given_name": "Zoe", "event_id": "later"})
    assert pupils_of(client, "eventname")["A1"]["name"] == "Anna"
