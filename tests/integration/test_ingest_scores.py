"""Results and judgements over HTTP into the log, and what the reports then say about them at both clocks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from schemas.events import FactWithdrawn, JudgementRecorded, ResultRecorded
from schemas.topics import EMBEDDED_PARTITIONS
from services.access.keys import ADMINISTRATOR
from services.domain.bands import parse_bands
from services.domain.measures import parse_measure
from services.projector.store import create_tables
from services.query.reader import Reader
from services.query.reports import members, overview
from services.query.requests import Clocks, MembersRequest, OverviewRequest, Population
from tests.builders import day, seconds
from tests.integration.ingest_service import ADMIN_KEY, Service, served, set_up
from tests.integration.test_reader import put_views
from tests.properties.memory_views import MemoryViews
from tests.servers.backend import Backend

pytestmark = pytest.mark.parametrize("backend", ["embedded"], indirect=True)

RESULT_COLUMNS = "school,pupil,test,subject,component,score_type,score,sat_on\n"
RESULTS = (
    RESULT_COLUMNS + "oak,A1,ks2,maths,,scaled,100,2026-02-12\n"
    "oak,A2,ks2,maths,,scaled,99,2026-02-12\n"
    "elm,A1,ks2,maths,,scaled,110.5,2026-02-12\n"
)
JUDGEMENTS = (
    "school,pupil,subject,scale,value,judged_on,name\n"
    "oak,A1,maths,effort,4,2026-02-12,class work\noak,A1,maths,effort,3,2026-02-12,homework\n"
    "oak,A2,maths,ta,EXS,2026-02-12,\n"
)
KS2 = "test:ks2:maths:-:scaled"


@pytest.fixture
async def service(backend: Backend) -> AsyncIterator[Service]:
    async with served(backend) as service:
        await set_up(service)
        yield service


class Answers:
    """What the views of oak say, folded from the log of the service as it is now."""

    def __init__(self, service: Service) -> None:
        self._pool = service.pool

    async def fold(self, service: Service) -> None:
        """Make the views of everything that the log holds."""
        views = MemoryViews("oak")
        views.fold([(offset, fact) for offset, fact in enumerate(await service.facts()) if fact.school == "oak"])
        await create_tables(self._pool, "timeline", 1)
        await put_views(self._pool, views)

    async def values(self, measure: str, known: str = "2026-03-31", on: str = "2026-03-31") -> list[str | None]:
        """Of A1 and A2 the score or the value, or the status where there is none."""
        asked = OverviewRequest(
            Population(schools=("oak",)),
            Clocks(day(on), seconds(known)),
            (parse_measure(measure),),
            (parse_bands("80,99.5,100,110", whole_percent=False),),
        )
        reading = await Reader(self._pool, EMBEDDED_PARTITIONS).read(ADMINISTRATOR, overview.question(asked))
        shown = [pupil.values[0] for pupil in members.answer(reading, MembersRequest(asked)).answer.pupils]
        return [value.score or value.value or value.status for value in shown]


async def results(service: Service) -> list[ResultRecorded]:
    return [fact for fact in await service.facts() if isinstance(fact, ResultRecorded)]


async def test_domain_4_11_a_file_twice_a_corrected_file_and_its_reversal(service: Service) -> None:
    """`domain.md` 4.11, one hour between the steps from 10:00."""
    service.pass_time(hours=1)
    assert await service.counts("results", RESULTS) == (3, 0, 0, 0)
    service.pass_time(hours=1)
    assert await service.counts("results", RESULTS) == (0, 0, 3, 0)
    assert len(await results(service)) == 3
    service.pass_time(hours=1)
    correction = await service.send("results", RESULTS.replace("maths,,scaled,99,", "maths,,scaled,101,"))
    assert [correction.json()[name] for name in ("accepted", "superseded", "duplicate", "rejected")] == [1, 1, 2, 0]
    service.pass_time(hours=1)
    reversal = await service.http.post(f"/v1/imports/{correction.json()['import_id']}/reverse")
    assert (reversal.status_code, reversal.json()["withdrawn"]) == (200, 1)
    assert await service.counts("results", RESULTS) == (0, 0, 3, 0)
    assert [fact.score for fact in await results(service) if fact.school == "oak"] == ["100", "99", "101"]

    answers = Answers(service)
    await answers.fold(service)
    assert await answers.values(KS2, known="2026-03-02T09:59:59") == ["not_applicable"] * 2
    assert await answers.values(KS2, known="2026-03-02T10:00:00") == ["100", "99"]
    assert await answers.values(KS2, known="2026-03-02T11:59:59") == ["100", "99"]
    assert await answers.values(KS2, known="2026-03-02T12:00:00") == ["100", "101"]
    assert await answers.values(KS2, known="2026-03-02T13:00:00") == ["100", "99"]
    assert await answers.values(KS2, on="2026-02-11") == ["no_data"] * 2


async def test_the_latest_sitting_counts_and_each_is_kept(service: Service) -> None:
    sittings = ["97,2025-11-03", "104.25,2026-01-20", "101,2025-12-01"]
    rows = "".join(f"oak,A1,ks2,maths,,scaled,{sitting}\n" for sitting in sittings)
    assert await service.counts("results", RESULT_COLUMNS + rows) == (3, 0, 0, 0)
    answers = Answers(service)
    await answers.fold(service)
    for on, score in (("2025-11-02", "no_data"), ("2025-11-03", "97"), ("2026-01-19", "101"), ("2026-01-20", "104.25")):
        assert (await answers.values(KS2, on=on))[0] == score


async def test_judgements_of_one_day_differ_by_name_and_scale(service: Service) -> None:
    assert await service.counts("judgements", JUDGEMENTS) == (3, 0, 0, 0)
    assert await service.counts("judgements", JUDGEMENTS) == (0, 0, 3, 0)
    assert await service.counts("judgements", JUDGEMENTS.replace("EXS", "GDS")) == (1, 1, 2, 0)
    told = [fact for fact in await service.facts() if isinstance(fact, JudgementRecorded)]
    assert [(fact.name, fact.value) for fact in told] == [
        ("class work", "4"),
        ("homework", "3"),
        ("", "EXS"),
        ("", "GDS"),
    ]
    answers = Answers(service)
    await answers.fold(service)
    assert await answers.values("judgement:maths:effort") == ["3", "no_data"]
    assert await answers.values("judgement:maths:ta") == ["no_data", "GDS"]


async def test_ndjson_says_what_csv_says(service: Service) -> None:
    assert await service.counts("results", RESULTS) == (3, 0, 0, 0)
    names = RESULT_COLUMNS.strip().split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in RESULTS.splitlines()[1:]]
    lines = "".join(json.dumps({**row, "score": float(row["score"])}) + "\n" for row in rows)
    assert await service.counts("results", lines, media_type="application/x-ndjson") == (0, 0, 3, 0)


async def test_wrong_rows_are_rejected_alone(service: Service) -> None:
    rows = [
        "oak,A1,ks2,maths,,scaled,EXS,2026-02-12,",
        "oak,A1,ks2,maths,,scaled,100,2026-02-12,",
        "oak,Z9,ks2,maths,,scaled,100,2026-02-12,",
        "nowhere,A1,ks2,maths,,scaled,100,2026-02-12,",
        "oak,A1,ks2,maths,,raw,100,2026-03-03,",
        "oak,A1,ks2,maths,,raw,100,2026-02-12,2026-02-11T12:00:00Z",
        "oak,A1,ks2,maths,,scaled,100,2026-02-13,",
    ]
    answer = await service.send("results", "\n".join([RESULT_COLUMNS.strip() + ",recorded_at", *rows, ""]))
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (1, 6)
    assert [(int(row), column, code) for row, column, _, code, _ in await service.errors(answer)] == [
        (1, "score", "unknown_score"),
        (2, "", "repeated_key"),
        (3, "pupil", "unknown_pupil"),
        (4, "school", "unknown_school"),
        (5, "sat_on", "in_the_future"),
        (6, "sat_on", "after_recorded_at"),
    ]


async def test_a_dry_run_changes_nothing(service: Service) -> None:
    before = await service.facts()
    for kind, content in (("results", RESULTS), ("judgements", JUDGEMENTS)):
        body = (await service.send(kind, content, dry_run="true")).json()
        assert (body["accepted"], body["rejected"], body["position"]) == (3, 0, None)
    assert await service.facts() == before


async def test_a_reversal_reveals_the_earlier_sitting(service: Service) -> None:
    header = RESULT_COLUMNS.strip() + ",recorded_at\n"
    first = "oak,A1,ks2,maths,,scaled,95,2025-11-03,2025-11-10T00:00:00Z\n"
    assert await service.counts("results", header + first) == (1, 0, 0, 0)
    again = await service.send(
        "results", header + first.replace("95,2025-11-03", "99,2026-02-03").replace("2025-11", "2026-02")
    )
    service.pass_time(hours=1)
    await service.http.post(f"/v1/imports/{again.json()['import_id']}/reverse")
    assert len([fact for fact in await service.facts() if isinstance(fact, FactWithdrawn)]) == 1
    answers = Answers(service)
    await answers.fold(service)
    assert (await answers.values(KS2, known="2026-03-02T09:59:59"))[0] == "99"
    assert (await answers.values(KS2, known="2026-03-02T10:00:00"))[0] == "95"


async def test_events_say_what_rows_say_and_are_withdrawn_by_their_id(service: Service) -> None:
    result = {
        "type": "ResultRecorded",
        "event_id": "sat-1",
        "school": "oak",
        "pupil": "A1",
        "test": "ks2",
        "subject": "maths",
        "score_type": "scaled",
        "score": "100",
        "sat_on": "2026-02-12",
    }
    judgement = {
        "type": "JudgementRecorded",
        "school": "oak",
        "pupil": "A2",
        "subject": "maths",
        "scale": "ta",
        "value": "EXS",
        "judged_on": "2026-02-12",
    }
    answer = await service.tell(result, judgement)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    answer = await service.tell(
        result,
        judgement,
        {**result, "score": "101"},
        {**judgement, "value": "doing very well"},
        {**result, "event_id": "sat-2", "score": "a"},
    )
    assert (answer.status_code, answer.json()["duplicate"], answer.json()["rejected"]) == (207, 2, 3)
    errors = [told["error"] for told in answer.json()["results"] if told["status"] == "rejected"]
    assert [(error["pointer"], error["code"]) for error in errors] == [
        ("/events/2/event_id", "event_id_conflict"),
        ("/events/3/value", "invalid_judgement"),
        ("/events/4/score", "unknown_score"),
    ]
    answers = Answers(service)
    await answers.fold(service)
    assert await answers.values(KS2) == ["100", "no_data"]
    assert await answers.values("judgement:maths:ta") == ["no_data", "EXS"]
    service.pass_time(hours=1)
    withdrawal = {"type": "FactWithdrawn", "school": "oak", "withdraws": "sat-1", "reason": "another pupil's paper"}
    assert (await service.tell(withdrawal)).status_code == 202
    assert [type(fact) for fact in await service.facts() if fact.school == "oak"][-1] is FactWithdrawn


async def test_a_code_is_a_score_as_soon_as_its_test_is_defined(service: Service) -> None:
    row = RESULT_COLUMNS + "oak,A1,spelling,english,,raw,ABS,2026-02-12\n"
    assert await service.counts("results", row) == (0, 0, 0, 1)
    test = {"name": "Spelling", "scores": {"raw": {"min": "0", "max": "20"}}, "codes": {"ABS": {"counts": True}}}
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    assert (await service.http.put("/v1/tests/spelling", json=test, headers=headers)).status_code == 201
    assert await service.counts("results", row) == (1, 0, 0, 0)


async def test_tests_and_scales_are_there_from_the_start(service: Service) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    listed = (await service.http.get("/v1/tests", headers=headers)).json()["tests"]
    assert [each["test"] for each in listed] == ["acel", "eyfsp", "eyfsp-2013", "ks1", "ks2", "mtc", "phonics"]
    ks2 = await service.http.get("/v1/tests/ks2", headers=headers)
    assert (ks2.status_code, ks2.headers["etag"]) == (200, '"1"')
    assert ks2.json()["codes"]["B"] == {"name": "Working below the test", "counts": True, "lowest": True}
    scales = (await service.http.get("/v1/scales", headers=headers)).json()["scales"]
    assert [each["scale"] for each in scales] == [
        "bronze-silver-gold", "percent", "progress-3", "progress-5", "standardised",
    ]  # fmt: skip
    changed = {"name": "KS2", "scores": {"scaled": {"min": "80", "max": "120"}}}
    answer = await service.http.put("/v1/tests/ks2", json=changed, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"test": "ks2", "version": 2})
    assert (await service.http.get("/v1/tests/ks2", headers=headers)).json()["name"] == "KS2"
