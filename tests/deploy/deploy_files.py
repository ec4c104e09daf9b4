"""Where the files of deploy/ are, and how the tests read them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"

_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==(\S+)", re.IGNORECASE)


def documents(path: Path) -> list[dict[str, Any]]:
    """The YAML documents of a file."""
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document is not None]


def document(path: Path) -> dict[str, Any]:
    """The one YAML document of a file."""
    (only,) = documents(path)
    return only


def manifests() -> dict[tuple[str, str], dict[str, Any]]:
    """Every object of deploy/kubernetes, optional ones included, by kind and name."""
    found = [each for path in sorted(KUBERNETES.rglob("*.yaml")) for each in documents(path)]
    named = {(each["kind"], each["metadata"]["name"]): each for each in found}
    assert len(named) == len(found), "two manifests of one kind and name"
    return named


def pins(lock: Path) -> dict[str, frozenset[str]]:
    """A lock file by package: its blocks (version, marker, hashes), more than one where markers part them."""
    blocks = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip())
    found: dict[str, set[str]] = {}
    for block in blocks:
        pinned = _PIN.match(block)
        assert pinned is not None, f"{lock.name}: no pin in {block[:60]!r}"
        found.setdefault(pinned.group(1).lower(), set()).add(block)
    return {name: frozenset(said) for name, said in found.items()}


def alert_rules() -> list[dict[str, Any]]:
    """The rules of deploy/prometheus/alerts.yaml."""
    return [rule for group in document(DEPLOY / "prometheus" / "alerts.yaml")["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """The Grafana dashboard."""
    read: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboards" / "markledger.json").read_text("utf-8"))
    return read
