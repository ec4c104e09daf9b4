"""Log lines as a process writes them, and the table of metrics."""

import json
import os
import subprocess
import sys
from pathlib import Path

from prometheus_client import Counter, Histogram

from services.runtime import observability

PROGRAM = """
import logging, structlog, asyncpg
from services.runtime.observability import configure_logging
from services.runtime.settings import InvalidSettings
configure_logging("ingest")
log = structlog.get_logger()
structlog.contextvars.bind_contextvars(request_id="r1")
log.info("accepted", position="abc", count=3)
log.info("mistake", name="Smith", reference="upn:Smith")
try:
    try:
        int("Smith")
    except ValueError as cause:
        raise InvalidSettings("MARKLEDGER_URL: must begin with http://") from cause
except InvalidSettings:
    log.exception("failed")
try:
    raise asyncpg.UniqueViolationError("duplicate key")
except asyncpg.PostgresError as error:
    error.detail = "Key (reference)=(Smith)"
    log.error("database", exc_info=error)
for number in range(100):
    logging.getLogger("aiokafka.client").error("Unable connect to node %s", number)
logging.getLogger("uvicorn.access").warning("GET /pupils/Smith")
"""


def test_lines_are_json_with_ids_and_without_what_somebody_typed() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "Smith" not in done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        *("accepted", "mistake", "failed", "database", "Unable connect to node 0"),
    ]
    assert lines[0].items() >= {"service": "ingest", "request_id": "r1", "position": "abc", "level": "info"}.items()
    assert lines[1]["name"] == lines[1]["reference"] == "withheld"
    assert lines[2]["error"] == "InvalidSettings: MARKLEDGER_URL: must begin with http:// < ValueError"
    assert lines[3]["error"] == "UniqueViolationError: duplicate key"
    assert lines[4]["logger"] == "aiokafka.client"


def test_every_metric_tells_its_unit_and_bears_the_product_s_name() -> None:
    metrics = [value for value in vars(observability).values() if isinstance(value, Counter | Histogram)]
    assert len(metrics) >= 10
    for metric in metrics:
        family = next(iter(metric.collect()))
        assert family.name.startswith("markledger_")
        assert "Unit: " in family.documentation


def test_processes_of_one_set_share_their_metrics(tmp_path: Path) -> None:
    environment = {**os.environ, **observability.shared_metrics_environment(tmp_path)}
    count = "from services.runtime import observability as o; o.FACTS_FOLDED.labels('timeline').inc(2)"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", count], env=environment, check=True)
    show = (
        "from prometheus_client import generate_latest\n"
        "from services.runtime.observability import metrics_registry\n"
        "print(generate_latest(metrics_registry()).decode())"
    )
    shown = subprocess.run([sys.executable, "-c", show], env=environment, capture_output=True, text=True, check=True)
    assert 'markledger_facts_folded_total{projection="timeline"} 4.0' in shown.stdout
