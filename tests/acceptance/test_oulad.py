"""OULAD over HTTP into a running product; every cell of its reports equals DuckDB's over the original files.

A case is the back end, with or without `recorded_at`, and the order of the rows. The small set runs with `make test`;
MARKLEDGER_TEST_ACCEPTANCE=all (`make test-acceptance`) runs every combination. Figures are printed.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.oulad_files import (
    DATA,
    PUPILS,
    ROWS_ASSESSED,
    ROWS_OF_EXAMS,
    ROWS_WITHOUT_SCORE,
    make_files,
    require_shared,
    send_all,
)
from tests.acceptance.oulad_oracle import Oracle
from tests.acceptance.oulad_questions import MEASURES, Questioner
from tests.end_to_end.product import Product, wait_for_position

pytestmark = [pytest.mark.acceptance, pytest.mark.end_to_end]

ORDERS = ("file", "reversed", "shuffled", "twice")
EVERYTHING = list(itertools.product(("embedded", "kafka"), ("plain", "recorded"), ORDERS))
SMALL_SET = [
    ("embedded", "plain", "file"),
    ("embedded", "recorded", "file"),
    ("embedded", "recorded", "reversed"),
    ("embedded", "plain", "shuffled"),
    ("embedded", "recorded", "twice"),
    ("kafka", "plain", "file"),
    ("kafka", "recorded", "file"),
]
CHOSEN = EVERYTHING if os.environ.get("MARKLEDGER_TEST_ACCEPTANCE") == "all" else SMALL_SET
CASES = [
    pytest.param(
        case,
        id="-".join(case),
        marks=[pytest.mark.kafka, pytest.mark.postgres_server] if case[0] == "kafka" else [],
    )
    for case in CHOSEN
]


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    """DuckDB over the original files."""
    require_shared()
    return Oracle(DATA)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The import files, without and with `recorded_at`."""
    require_shared()
    directory = tmp_path_factory.mktemp("oulad")
    return {
        "plain": make_files(directory / "plain", recorded_at=False),
        "recorded": make_files(directory / "recorded", recorded_at=True),
    }


@pytest.fixture
def product(request: pytest.FixtureRequest, case: tuple[str, str, str], tmp_path: Path) -> Iterator[Product]:
    """A running product on the case's back end: its embedded default, or Kafka and a PostgreSQL server."""
    require_shared()
    # The rows for SQL follow beside in one case of each back end; the others are about the reports.
    environment = {} if case[1:] == ("recorded", "file") else {"MARKLEDGER_REPORTING": "off"}
    if case[0] == "kafka":
        environment["MARKLEDGER_KAFKA_BOOTSTRAP"] = request.getfixturevalue("fresh_kafka").bootstrap
        environment["MARKLEDGER_DATABASE_URL"] = request.getfixturevalue("server_database_url")
    with Product(tmp_path / "data", environment) as running:
        yield running


@pytest.mark.parametrize("case", CASES)
def test_reports_equal_duckdb_over_the_original_files(
    case: tuple[str, str, str], product: Product, oracle: Oracle, files: dict[str, Path]
) -> None:
    _, recorded, order = case
    with product.client() as client:
        started = time.monotonic()
        sending = send_all(client, files[recorded], "file" if order == "twice" else order)
        assert sending.counts["pupils"]["accepted"] == PUPILS
        assert sending.counts["assessments"]["rows"] == ROWS_ASSESSED
        assert sending.counts["assessments"]["rejected"] == ROWS_WITHOUT_SCORE
        assert sending.counts["assessments"]["accepted"] == ROWS_ASSESSED - ROWS_WITHOUT_SCORE
        assert sending.counts["results"]["accepted"] == ROWS_OF_EXAMS
        assert all(answer["superseded"] == answer["duplicate"] == 0 for answer in sending.counts.values())
        if order == "twice":
            again = send_all(client, files[recorded])
            for kind, answer in again.counts.items():
                assert answer["accepted"] == answer["superseded"] == 0, kind
                assert answer["duplicate"] == sending.counts[kind]["accepted"], kind
        imported = time.monotonic()
        position = sending.counts["results"]["position"]
        wait_for_position(client, position, oracle.schools, MEASURES[0].id)
        visible = time.monotonic()
        questioner = Questioner(client, oracle, recorded_at=recorded == "recorded")
        questioner.ask_everything()
        questioner.ask_before_everything()
    print(
        f"\nOULAD {'-'.join(case)}: {sending.rows:,} rows in {sum(sending.seconds.values()):.1f} s"
        f" ({sending.rate():,.0f} rows/s; assessments {sending.rate('assessments'):,.0f} rows/s),"
        f" all visible {visible - imported:.1f} s after; {questioner.cells:,} cells equal,"
        f" {time.monotonic() - started:.0f} s in all"
    )
