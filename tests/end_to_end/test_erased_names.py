"""Canaries: fifty pupils with unmistakable names. Before their erasure none lies open; after it none is left.

Searched are every row of every table, the log among them, every file of the data directory, what the processes said,
and every form of the reports; in clear, as hex digits, as base64 and as UTF-16.
"""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from schemas.detail import decompressed
from services.runtime.postgres import EmbeddedPostgres
from tests.end_to_end.product import Product, import_bytes, read_report
from tests.end_to_end.telling import percent_framework, registered, tell, told_percent

CANARIES = 50
SCHOOL = "aviary"
STEMS = (b"Canary", b"CANARY", b"canary", b"H8012777", b"2011-11-11")
"""What every name, reference, UPN and date of birth of a canary holds."""

OPEN = b"kanarienvogel"
"""The source of the file, which lies open: what finds it would find a name."""

MEASURE = [("school", SCHOOL), ("measure", "markbook:maths:Y3:overall"), ("as_at", "2025-11-30")]
MEMBERS = [*MEASURE, ("bands", "35,50,70,85"), ("limit", "500")]


def forms_of(stem: bytes) -> Iterator[bytes]:
    """The ways in which it may lie somewhere."""
    yield stem
    yield stem.hex().encode()
    yield stem.hex().upper().encode()
    yield stem.decode().encode("utf-16-le")
    for shift in range(3):
        encoded = b64encode(b"\0" * shift + stem)
        yield encoded[(0, 2, 3)[shift] : len(encoded) - 4]


NEEDLES = sorted({form for stem in STEMS for form in forms_of(stem)})


def found_in(hay: bytes) -> list[bytes]:
    return [needle for needle in NEEDLES if needle in hay]


def opened(value: object) -> bytes:
    return decompressed(value) if isinstance(value, bytes) else str(value).encode()


async def dump(url: str) -> dict[str, bytes]:
    """Every row of every table of every schema of ours, as the text and the bytes that it is, unpacked where packed."""
    connection = await asyncpg.connect(url)
    tables = await connection.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    dumped = {}
    for table in tables:
        rows = await connection.fetch(f"SELECT * FROM {table['name']}")
        values = [value for row in rows for value in row]
        dumped[table["name"]] = b"\n".join(map(opened, values))
    await connection.close()
    return dumped


def files_of(directory: Path) -> dict[str, bytes]:
    """Every file of the product: pages and write-ahead log of the database, logs, and whatever else there is."""
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def answers(client: httpx.Client) -> dict[str, bytes]:
    """The reports with pupils in every form, a workbook unpacked."""
    said = {}
    for path in (
        *(f"/v1/reports/overview/members{end}" for end in ("", ".csv", ".xlsx")),
        *(f"/v1/reports/score-tracking{end}" for end in ("", ".csv", ".xlsx")),
        *("/reports/overview/members", "/reports/score-tracking"),
    ):
        parameters = MEMBERS if "members" in path else [*MEASURE, ("limit", "500")]
        accept = {"accept": "text/html"} if path.startswith("/reports") else {}
        answer = client.get(path, params=parameters, headers=accept)
        assert answer.status_code == 200, (path, answer.text)
        said[path] = answer.content
        if path.endswith("xlsx"):
            with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
                said[path] = b"".join(book.read(name) for name in book.namelist())
    return said


def everything(product: Product, url: str) -> dict[str, bytes]:
    """All that is left behind somewhere, but for what is answered."""
    return asyncio.run(dump(url)) | files_of(product.data_dir.parent)


@pytest.fixture
def aviary(product: Product, client: httpx.Client) -> str:
    """The canaries, some with marks; the address of the database."""
    tell(client, registered(SCHOOL), percent_framework(SCHOOL, ["maths"]))
    lines = ["school,pupil,enrolled_on,year_group,given_name,family_name,date_of_birth,upn"] + [
        f"{SCHOOL},CANARYREF{n:02},2025-09-01,3,Canary{n:02},Canaryson{n:02},2011-11-11,H8012777{n:05}"
        for n in range(CANARIES)
    ]
    counts = import_bytes(client, "pupils", "\n".join(lines).encode(), source=OPEN.decode())
    assert counts["accepted"] == CANARIES, client.get(counts["errors"]).text
    marks = [told_percent(SCHOOL, f"CANARYREF{n:02}", "maths", "70") for n in range(10)]
    position = tell(client, *marks)
    read_report(client, "overview", [*MEMBERS[:4], ("min_position", position), ("wait_seconds", "30")])
    return EmbeddedPostgres(product.data_dir).url


def test_canaries_lie_open_nowhere_and_are_gone_after_their_erasure(
    product: Product, client: httpx.Client, aviary: str
) -> None:
    told = answers(client)
    for path, said in told.items():
        assert {b"Canary"} <= set(found_in(said)), path
        assert b"CANARYREF07" in said and b"Canaryson49" in said, path
    kept = everything(product, aviary)
    assert {place: found_in(hay) for place, hay in kept.items() if found_in(hay)} == {}
    assert {"log.record", "ingest.import", "timeline_v1.detail"} < {place for place, hay in kept.items() if OPEN in hay}
    assert any("pg_wal" in place for place, hay in kept.items() if OPEN in hay)
    before = read_report(client, "overview", MEMBERS[:4])
    pupils = {each["reference"]: each["pupil"] for each in json.loads(told["/v1/reports/overview/members"])["pupils"]}
    assert len(pupils) == CANARIES
    for number, (reference, pupil) in enumerate(sorted(pupils.items())):
        if number:
            answer = client.post("/v1/erasures", json={"school": SCHOOL, "pupil": (pupil, reference)[number % 2]})
            assert (answer.status_code, answer.json()["pupils"], answer.json()["records"]) == (201, [pupil], 1)
    refused = product.run_command("erase", "--school", SCHOOL, "CANARYREF00", input="aviari\n")
    assert (refused.returncode, "nothing was erased" in refused.stderr) == (1, True)
    asked = product.run_command("erase", "--school", SCHOOL, "CANARYREF00", input=f"{SCHOOL}\n")
    assert asked.returncode == 0 and pupils["CANARYREF00"] in asked.stdout and "era_" in asked.stdout, asked.stderr
    again = product.run_command("erase", "--school", SCHOOL, pupils["CANARYREF00"], "--yes", "--json")
    assert json.loads(again.stdout)["erasure_id"] in asked.stdout

    left = {**answers(client), **everything(product, aviary), "command": (asked.stdout + again.stdout).encode()}
    assert {place: found_in(hay) for place, hay in left.items() if found_in(hay)} == {}
    assert left["/v1/reports/overview/members.csv"].count(b"Erased pupil") == CANARIES
    assert all(b"Erased pupil" in left[path] for path in told)
    assert read_report(client, "overview", MEMBERS[:4])["rows"] == before["rows"], "counts stay"
    tables = asyncio.run(dump(aviary))
    assert not [
        p for p in pupils.values() if p.encode() in tables["keystore.pupil_key"] + tables["access.sealed_identity"]
    ]
