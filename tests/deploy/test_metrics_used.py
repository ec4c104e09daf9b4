"""What dashboards, alerts and autoscalers ask of Prometheus is really there: declared in the code, and moved by it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

import services.ingest.intake.main
import services.ingest.main
import services.projector.main
import services.query.main  # noqa: F401 - the four register every metric of their rooms
from tests.deploy.deploy_files import DEPLOY, ROOT, alert_rules, dashboard, document, manifests

_METRIC = re.compile(r"\bmarkledger_[a-z0-9_]+\b")
_SAMPLES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
    "gauge": ("",),
}


def _asked() -> Iterator[tuple[str, str]]:
    """Every expression with the place that it stands in."""
    for rule in alert_rules():
        yield f"alert {rule['alert']}", rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']}", target["expr"]
    for trigger in manifests()["ScaledObject", "projector"]["spec"]["triggers"]:
        yield "autoscaler of the projector", trigger["metadata"]["query"]


SOURCES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "services").rglob("*.py"))]


def _moved(text: str) -> set[str]:
    """The samples of the metrics that some line of `text` counts or observes."""
    found = set()
    for module in [module for name, module in sys.modules.items() if name.startswith("services.")]:
        for constant, metric in vars(module).items():
            if not isinstance(metric, MetricWrapperBase):
                continue
            if re.search(rf"\b{constant}\.(labels|inc|observe|time|set)\b", text):
                (family,) = metric.describe()
                found |= {family.name + suffix for suffix in _SAMPLES[family.type]}
    return found


def _told_when_asked() -> set[str]:
    """The gauges that are made while somebody reads /metrics: their names stand in the modules that make them."""
    makers = [text for text in SOURCES if "GaugeMetricFamily(" in text]
    return {name for text in makers for name in re.findall(r'"(markledger_[a-z0-9_]+)"', text)}


AVAILABLE = _moved("\n".join(SOURCES)) | _told_when_asked()


@pytest.mark.parametrize(("place", "expression"), list(_asked()))
def test_every_metric_asked_for_is_there(place: str, expression: str) -> None:
    names = set(_METRIC.findall(expression))
    assert names, f"{place} asks for no metric of ours"
    assert names <= AVAILABLE, f"{place}: nobody tells {sorted(names - AVAILABLE)}"


def test_what_is_declared_but_never_counted_is_not_there() -> None:
    assert "markledger_http_requests" in {family.name for family in REGISTRY.collect()}
    assert _moved('REQUESTS = Counter("markledger_http_requests")') == set()
    assert _moved("REQUESTS.labels(route).inc()") == {"markledger_http_requests_total"}


def test_the_dashboard_can_be_shown() -> None:
    shown = dashboard()
    panels = shown["panels"]
    assert [panel["title"].split(":")[0] for panel in panels if panel["type"] == "row"] == [
        "Freshness",
        "Ingest",
        "Projections",
        "Reports",
    ]
    assert len({panel["id"] for panel in panels}) == len(panels)
    variables = {variable["name"] for variable in shown["templating"]["list"]}
    for panel in panels:
        if panel["type"] == "row":
            continue
        assert panel["description"] and panel["targets"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"].strip("${}") in variables


def test_no_panel_lies_on_another() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for cell in [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]:
            assert cell not in taken, f"{panel['title']} lies on {taken[cell]}"
            taken[cell] = panel["title"]


def test_prometheus_asks_the_services_that_compose_runs() -> None:
    running = document(DEPLOY / "compose.yaml")["services"]
    (job,) = document(DEPLOY / "prometheus" / "prometheus.yaml")["scrape_configs"]
    targets = {target for group in job["static_configs"] for target in group["targets"]}
    assert targets == {"ingest:8080", "query:8080", "intake:8080"}
    assert {target.split(":")[0] for target in targets} <= running.keys()
