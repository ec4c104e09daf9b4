"""The alerts: each has its cases, its runbook and a severity; promtool runs the cases and checks every expression."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.deploy_files import DEPLOY, ROOT, alert_rules, dashboard, document, manifests
from tests.servers.process import ServerMissing, skip_or_fail

PROMETHEUS = DEPLOY / "prometheus"
ALERTS = [rule["alert"] for rule in alert_rules()]


@pytest.fixture
def promtool() -> str:
    """Prometheus' own checker, from Debian's package `prometheus`."""
    found = shutil.which("promtool")
    if found is None:
        skip_or_fail("promtool", ServerMissing("no promtool; apt-get install prometheus has it"))
        raise AssertionError
    return found


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_cases_hold(promtool: str) -> None:
    assert "SUCCESS" in _run(promtool, "test", "rules", PROMETHEUS / "alerts.test.yaml")


def test_the_cases_notice_an_alert_that_is_gone(promtool: str, tmp_path: Path) -> None:
    rules = document(PROMETHEUS / "alerts.yaml")
    for group in rules["groups"]:
        group["rules"] = []
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    cases = tmp_path / "alerts.test.yaml"
    cases.write_bytes((PROMETHEUS / "alerts.test.yaml").read_bytes())
    done = subprocess.run([promtool, "test", "rules", str(cases)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert set(re.findall(r"alertname: (\w+)", done.stdout + done.stderr)) == set(ALERTS)


def test_the_configuration_is_read(promtool: str) -> None:
    assert "SUCCESS" in _run(promtool, "check", "config", PROMETHEUS / "prometheus.yaml")


def test_every_expression_of_dashboard_and_autoscaler_is_read(promtool: str, tmp_path: Path) -> None:
    asked = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    asked += [trigger["metadata"]["query"] for trigger in manifests()["ScaledObject", "projector"]["spec"]["triggers"]]
    rules = [
        {"record": f"asked:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(asked)
    ]
    path = tmp_path / "asked.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}), encoding="utf-8")
    assert f"{len(asked)} rules found" in _run(promtool, "check", "rules", path)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(alert: str) -> None:
    cases = [
        bool(case["exp_alerts"])
        for test in document(PROMETHEUS / "alerts.test.yaml")["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == alert
    ]
    assert set(cases) == {True, False}


def test_an_alert_has_a_severity_and_a_runbook_that_there_is() -> None:
    guide = (ROOT / "docs" / "guides" / "operating.md").read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", guide, re.M)
    }
    for rule in alert_rules():
        assert rule["labels"]["severity"] in ("critical", "warning")
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/guides/operating.md"
        assert anchor in anchors, rule["alert"]
