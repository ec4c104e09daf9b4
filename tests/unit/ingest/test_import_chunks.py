"""How the rows of a file are counted, and what stands in errors.csv."""

from __future__ import annotations

from typing import Any

from services.ingest.columns import RowContext, RowFault
from services.ingest.curriculum_rows import GatheredVersion
from services.ingest.decisions import Decision, Rejection
from services.ingest.files import RawRow
from services.ingest.first_rows import FirstRows
from services.ingest.import_chunks import RowsChunk, VersionChunk
from services.ingest.import_records import Counts
from services.ingest.rows import ReadyRows, RowPreparer
from tests.unit.ingest.telling import NOW, PUPIL_KEY, Office, maths

ACCEPTED: Any = object()


async def prepared(kind: str, *rows: dict[str, str], zones: dict[str, str] | None = None) -> ReadyRows:
    async def time_zones(_: Any) -> dict[str, str]:
        return zones or {}

    with FirstRows() as first_rows:
        preparer = RowPreparer(kind, RowContext(NOW.date()), PUPIL_KEY, first_rows, time_zones)
        return await preparer.prepare([RawRow(number, number + 1, fields) for number, fields in enumerate(rows, 1)])


def enrolment(pupil: str = "A1", enrolled_on: str = "2025-09-01", **more: str) -> dict[str, str]:
    return {"school": "oak", "pupil": pupil, "enrolled_on": enrolled_on, **more}


async def test_a_key_that_comes_again_is_repeated_also_if_the_first_row_was_wrong() -> None:
    ready = await prepared(
        "pupils",
        enrolment(),
        enrolment(left_on="2025-02-31", pupil="B2"),
        enrolment(year_group="3"),
        enrolment(pupil="B2"),
        enrolment(recorded_at="2025-09-02T00:00:00Z"),
        enrolment(recorded_at="2025-09-02T01:00:00+01:00"),
    )
    assert ready.numbers == [1, 5]
    assert [(error.row, error.code) for error in ready.errors] == [
        (2, "invalid_date"),
        (3, "repeated_key"),
        (4, "repeated_key"),
        (6, "repeated_key"),
    ]
    assert ready.errors[1].message.startswith("Row 1 ") and ready.errors[2].message.startswith("Row 2 ")


async def test_a_day_sent_as_an_instant_has_the_key_of_the_local_day() -> None:
    rows = (enrolment(enrolled_on="2025-08-31T23:30:00Z"), enrolment(enrolled_on="2025-09-01"))
    ready = await prepared("pupils", *rows)
    assert [error.code for error in ready.errors] == ["repeated_key"]
    elsewhere = await prepared("pupils", *rows, zones={"oak": "America/New_York"})
    assert elsewhere.errors == []


async def test_an_end_before_the_start_is_found_in_local_days() -> None:
    row = enrolment(enrolled_on="2025-08-31T23:30:00Z", left_on="2025-08-31")
    assert [error.code for error in (await prepared("pupils", row)).errors] == ["ends_before_starts"]


async def test_rows_are_counted_by_what_became_of_them() -> None:
    ready = await prepared("pupils", enrolment(), enrolment("A2"), enrolment("A3"), enrolment("A4"), enrolment("A1"))
    chunk = RowsChunk("pupils", ready, Office().ids)
    counts, errors = chunk.count(
        [
            Decision(facts=(ACCEPTED,)),
            Decision(facts=(ACCEPTED,), superseded=True),
            Decision(event_id="e"),
            Decision(rejection=Rejection("pupil", "some_code", "why")),
        ]
    )
    assert counts == Counts(rows=5, accepted=2, superseded=1, duplicate=1, rejected=2)
    assert [(error.row, error.column, error.value) for error in errors] == [(4, "pupil", "A4"), (5, "", "")]


def test_a_version_counts_its_rows_however_many_schools_it_goes_to() -> None:
    chunk = VersionChunk(GatheredVersion((3, 4), maths()), PUPIL_KEY)
    assert chunk.schools is None
    facts = (ACCEPTED, ACCEPTED, ACCEPTED)
    assert chunk.count([Decision(facts=facts, superseded=True)]) == (Counts(2, 2, 2, 0, 0), [])
    assert chunk.count([Decision(event_id="e")]) == (Counts(2, 0, 0, 2, 0), [])
    counts, errors = chunk.count([Decision(rejection=Rejection("framework", "some_code", "why"))])
    assert counts == Counts(2, 0, 0, 0, 2)
    assert [(error.row, error.value) for error in errors] == [(3, "nc"), (4, "nc")]


def test_a_version_that_is_none_goes_nowhere() -> None:
    fault = RowFault("weight", "x", "not_a_number", "why")
    chunk = VersionChunk(GatheredVersion((1, 2), None, ((1, fault), (2, fault))), PUPIL_KEY)
    assert chunk.schools == frozenset()
    counts, errors = chunk.count([])
    assert (counts.rejected, [error.row for error in errors]) == (2, [1, 2])
