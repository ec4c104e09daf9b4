"""Files over HTTP into the log and the registry: counts, errors, dry run, reversal, what survives a rebuild."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from schemas.events import CurriculumPublished, FactWithdrawn, ObjectiveAssessed, PupilEnrolled
from services.access.identities import Identity, names_of
from services.access.keystore import open_keystore
from services.ingest.pupils import PupilIds
from services.runtime.positions import decode_position
from tests.integration.ingest_service import (
    ASSESSMENTS,
    CURRICULUM,
    PUPILS,
    SCHOOLS,
    Service,
    assessments,
    served,
    set_up,
)
from tests.servers.backend import Backend

pytestmark = pytest.mark.parametrize("backend", ["embedded"], indirect=True)


@pytest.fixture
async def service(backend: Backend) -> AsyncIterator[Service]:
    async with served(backend) as service:
        await set_up(service)
        yield service


async def test_a_file_is_accepted_once_and_then_is_a_duplicate(service: Service) -> None:
    assert await service.counts("assessments", ASSESSMENTS) == (3, 0, 0, 0)
    before = await service.facts()
    assert await service.counts("assessments", ASSESSMENTS) == (0, 0, 3, 0)
    assert await service.facts() == before
    for kind, content in (("schools", SCHOOLS), ("pupils", PUPILS), ("curriculum", CURRICULUM)):
        assert (await service.counts(kind, content))[2] == content.count("\n") - 1


async def test_a_correction_and_back_again_are_three_facts(service: Service) -> None:
    for state, expected in (("achieved", (1, 0, 0, 0)), ("not_yet", (1, 1, 0, 0)), ("achieved", (1, 1, 0, 0))):
        assert await service.counts("assessments", assessments([f"m1,{state},2026-02-01"])) == expected
    told = [fact for fact in await service.facts() if isinstance(fact, ObjectiveAssessed)]
    assert [(fact.revision, fact.state) for fact in told] == [(1, "achieved"), (2, "not_yet"), (3, "achieved")]


async def test_a_reversed_import_reveals_what_it_superseded(service: Service) -> None:
    await service.counts("assessments", assessments(["m1,achieved,2026-02-01"]))
    correction = await service.send("assessments", assessments(["m1,not_yet,2026-02-01", "m2,not_yet,2026-02-01"]))
    address = f"/v1/imports/{correction.json()['import_id']}/reverse"
    answer = await service.http.post(address)
    assert (answer.status_code, answer.json()["withdrawn"]) == (200, 2)
    assert decode_position(answer.json()["position"]).offsets
    withdrawn = [fact for fact in await service.facts() if isinstance(fact, FactWithdrawn)]
    assert len(withdrawn) == 2 and all(fact.withdraws_key for fact in withdrawn)
    assert (await service.http.post(address)).json()["withdrawn"] == 0
    assert await service.counts("assessments", assessments(["m1,achieved,2026-02-01"])) == (0, 0, 1, 0)
    assert await service.counts("assessments", assessments(["m2,not_yet,2026-02-01"])) == (1, 0, 0, 0)


async def test_a_reversed_enrolment_makes_its_pupils_unknown(service: Service) -> None:
    answer = await service.send("pupils", "school,pupil,enrolled_on\noak,N1,2025-09-01\noak,A1,2024-09-01\n")
    assert await service.counts("year-groups", "school,pupil,year_group,starts_on\noak,N1,3,2025-09-01\n") == (
        1,
        0,
        0,
        0,
    )
    await service.http.post(f"/v1/imports/{answer.json()['import_id']}/reverse")
    rows = "school,pupil,year_group,starts_on\noak,N1,4,2025-09-02\noak,A1,4,2025-09-02\n"
    told = await service.send("year-groups", rows)
    assert [error[3] for error in await service.errors(told)] == ["unknown_pupil"]


async def test_a_reversed_curriculum_counts_its_rows_once(service: Service) -> None:
    answer = await service.send("curriculum", CURRICULUM.replace("nc,", "art-nc,").replace("maths", "art"))
    assert answer.json()["accepted"] == 2
    assert len([fact for fact in await service.facts() if isinstance(fact, CurriculumPublished)]) == 6
    reversed_ = await service.http.post(f"/v1/imports/{answer.json()['import_id']}/reverse")
    assert reversed_.json()["withdrawn"] == 2
    told = await service.send("assessments", ASSESSMENTS.replace("maths", "art"))
    assert {error[3] for error in await service.errors(told)} == {"unknown_subject"}


async def test_wrong_rows_are_rejected_alone_and_told_of(service: Service) -> None:
    rows = [
        "m1,achieved,2026-02-01",
        "m1,=1+1,2026-02-02",
        "m9,achieved,2026-02-01",
        "m1,not_yet,2026-02-01",
        "m1,achieved,2026-02-02",
    ]
    answer = await service.send("assessments", assessments(rows))
    assert answer.status_code == 201
    errors = await service.errors(answer)
    assert [(error[0], error[1], error[3]) for error in errors] == [
        ("2", "state", "invalid_identifier"),
        ("3", "objective", "unknown_objective"),
        ("4", "", "repeated_key"),
        ("5", "", "repeated_key"),
    ]
    assert errors[0][2] == "'=1+1", "a spreadsheet takes it for text"
    assert "Row 1 " in errors[2][4] and "Row 2 " in errors[3][4]


async def test_all_rejected_is_still_an_import(service: Service) -> None:
    assert await service.counts("assessments", assessments(["m9,achieved,2026-02-01"])) == (0, 0, 0, 1)


async def test_a_dry_run_says_the_same_and_changes_nothing(service: Service) -> None:
    rows = assessments(
        ["m1,achieved,2026-02-01,2026-02-05T00:00:00Z", "m1,achieved,2026-02-01,", "m9,achieved,2026-02-01,"],
        ",recorded_at",
    )
    before = await service.facts()
    answer = await service.send("assessments", rows, dry_run="true")
    body = answer.json()
    assert body["position"] is None and body["dry_run"]
    dry = (body["accepted"], body["superseded"], body["duplicate"], body["rejected"])
    errors = await service.errors(answer)
    assert await service.facts() == before
    wet = await service.send("assessments", rows)
    assert await service.errors(wet) == errors
    assert (
        dry == (1, 0, 1, 1) == tuple(wet.json()[name] for name in ("accepted", "superseded", "duplicate", "rejected"))
    )


async def test_a_dry_run_of_schools_and_curricula_knows_its_own_rows(service: Service) -> None:
    rows = "school,name,joined_on,trust,recorded_at\nyew,Yew,2020-01-01,T1,\nyew,Yew,2021-01-01,T2,\n"
    body = (await service.send("schools", rows, dry_run="true")).json()
    assert (body["accepted"], body["rejected"]) == (2, 0)
    assert await service.counts("schools", "school,name\nyew,Yew\n") == (1, 0, 0, 0)


async def test_an_import_shows_where_it_is_and_who_sent_it(service: Service) -> None:
    key = await service.key(schools=["oak"])
    answer = await service.send("assessments", ASSESSMENTS, key=key, import_id="imp_mine1", source="mis")
    assert answer.headers["location"] == "/v1/imports/imp_mine1"
    assert answer.json()["source"] == "mis"
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (2, 1)
    (error,) = await service.errors(answer)
    assert error[3] == "forbidden_school"
    seen = await service.http.get("/v1/imports/imp_mine1")
    assert seen.json() == answer.json()
    stranger = {"Authorization": f"Bearer {await service.key(schools=['oak'])}"}
    assert (await service.http.get("/v1/imports/imp_mine1", headers=stranger)).status_code == 404
    assert (await service.http.get("/v1/imports", headers=stranger)).json() == {"imports": [], "next": None}
    listed = (await service.http.get("/v1/imports", params={"limit": "2"})).json()
    assert len(listed["imports"]) == 2 and listed["next"] == listed["imports"][1]["import_id"]
    rest = (await service.http.get("/v1/imports", params={"cursor": listed["next"]})).json()
    assert len(rest["imports"]) == 2 and rest["next"] is None
    again = await service.send("assessments", ASSESSMENTS, key=key, import_id="imp_mine1", source="mis")
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "import_id_taken")


async def test_the_position_covers_schools_that_were_only_told_duplicates(service: Service) -> None:
    first = decode_position((await service.send("assessments", ASSESSMENTS)).json()["position"])
    again = decode_position((await service.send("assessments", ASSESSMENTS)).json()["position"])
    assert again.fingerprint == first.fingerprint and again.offsets.keys() == first.offsets.keys()


async def test_a_refused_file_leaves_nothing_behind(service: Service) -> None:
    before = await service.facts()
    refused = [
        await service.send("assessment", ASSESSMENTS),
        await service.send("assessments", ASSESSMENTS.replace("pupil", "pupil_ref"), import_id="imp_refused"),
        await service.send("assessments", ASSESSMENTS.encode("utf-16")),
        await service.send("assessments", ASSESSMENTS, media_type="image/png"),
        await service.send("assessments", ASSESSMENTS, sauce="x"),
    ]
    assert [answer.status_code for answer in refused] == [422, 422, 422, 415, 422]
    assert "assessments" in refused[0].json()["detail"] and "'pupil'" in refused[1].json()["detail"]
    assert await service.facts() == before
    assert (await service.http.get("/v1/imports/imp_refused")).status_code == 404


async def test_a_file_that_breaks_off_keeps_the_rows_before(service: Service) -> None:
    broken = ASSESSMENTS + 'oak,A1,maths,m2,"achieved,2026-02-01\n'
    answer = await service.send("assessments", broken, import_id="imp_broken")
    body = answer.json()
    assert (answer.status_code, body["status"], body["accepted"], body["line"]) == (422, "incomplete", 3, 5)
    assert body == (await service.http.get("/v1/imports/imp_broken")).json()
    mended = await service.send("assessments", ASSESSMENTS, import_id="imp_broken")
    assert (mended.status_code, mended.json()["status"], mended.json()["duplicate"]) == (201, "completed", 3)
    reversed_ = await service.http.post("/v1/imports/imp_broken/reverse")
    assert reversed_.json()["withdrawn"] == 3


async def test_names_are_kept_apart_and_the_last_told_stand(service: Service, backend: Backend) -> None:
    secret = backend.settings.pupil_key
    assert secret is not None
    pupil = PupilIds(secret.get_secret_value().encode()).pupil("oak", "A1")
    keystore = open_keystore(backend.settings, service.pool)

    async def known_names(*pupils: str) -> dict[str, Identity]:
        return await names_of(service.pool, keystore, "oak", pupils)

    known = await known_names(pupil, "pup_unknown")
    assert {each: (found.reference, found.name) for each, found in known.items()} == {pupil: ("A1", "Ann Ash")}
    await service.counts("pupils", PUPILS.replace("Ann", "Anne"))
    assert (await known_names(pupil))[pupil].name == "Anne Ash"
    old = "school,pupil,enrolled_on,given_name,recorded_at\noak,A1,2025-09-01,Anna,2025-09-02T00:00:00Z\n"
    assert await service.counts("pupils", old) == (1, 0, 0, 0)
    assert (await known_names(pupil))[pupil].name == "Anne Ash"
    await service.pool.execute("TRUNCATE access.sealed_identity")
    assert (await service.counts("pupils", PUPILS.replace("Ann", "Anne")))[2] == 3
    assert (await known_names(pupil))[pupil].name == "Anne Ash", "a retry restores it"
    for fact in await service.facts():
        if isinstance(fact, PupilEnrolled):
            assert "Ann" not in repr(fact) and "'A1'" not in repr(fact)
