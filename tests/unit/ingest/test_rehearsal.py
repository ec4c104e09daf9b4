"""A dry run judges a later chunk as if the earlier ones had been told."""

from __future__ import annotations

from services.ingest.decisions import outcome_of
from services.ingest.knowledge import Knowledge
from services.ingest.rehearsal import Rehearsal
from tests.unit.ingest.telling import Office, maths, school_with_maths

ROW = {"school": "oak", "pupil": "A1", "subject": "maths", "objective": "m1", "assessed_on": "2026-02-01"}


def test_a_row_is_compared_with_the_latest_migrated_one_of_an_earlier_chunk() -> None:
    office, rehearsal = school_with_maths(), Rehearsal("assessments")
    told = [("achieved", "2026-02-03"), ("not_yet", "2026-02-04"), ("exceeding", "2026-02-02")]
    for state, day in told:
        rehearsal.keep(office.row("assessments", **ROW, state=state, recorded_at=f"{day}T00:00:00Z").facts)
    again = {state: office.row("assessments", **ROW, state=state).facts for state in ("not_yet", "achieved")}
    assert not again["not_yet"]
    (achieved,) = again["achieved"]
    knowledge = Knowledge(schools={})
    rehearsal.join(knowledge, [achieved.key, "another key"])
    assert list(knowledge.told) == [achieved.key]
    assert outcome_of(knowledge.told[achieved.key], achieved.content, None).superseded is not None
    rehearsal.close()


def test_schools_and_curricula_of_an_earlier_chunk_are_known() -> None:
    office, schools, curriculum = Office(), Rehearsal("schools"), Rehearsal("curriculum")
    schools.keep(office.row("schools", school="oak", name="Oak", trust="T1").facts)
    curriculum.keep(office.version(maths(school="oak")).facts)
    knowledge = Knowledge(schools={})
    schools.join(knowledge, ())
    curriculum.join(knowledge, ())
    assert knowledge.school("oak").registered
    assert knowledge.curriculum("oak").framework_of == {"maths": "nc"}
