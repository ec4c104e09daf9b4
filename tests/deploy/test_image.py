"""The image: what it installs, what it is built from, and as whom it runs."""

from __future__ import annotations

import tomllib
from importlib import metadata

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.deploy_files import DEPLOY, ROOT, pins

DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def _needed_here(requirements: list[str]) -> set[str]:
    """The packages that `requirements` bring on this machine, with what they need in turn."""
    found: set[str] = set()
    waiting = [Requirement(requirement) for requirement in requirements]
    while waiting:
        wanted = waiting.pop()
        extras = wanted.extras or {""}
        if wanted.marker is not None and not any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        found.add(canonicalize_name(wanted.name))
        for line in metadata.requires(wanted.name) or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                needed.marker = None
                if canonicalize_name(needed.name) not in found or needed.extras:
                    waiting.append(needed)
    return found


def test_the_runtime_lock_is_a_part_of_the_developers_lock() -> None:
    runtime, everything = pins(ROOT / "requirements-runtime.lock"), pins(ROOT / "requirements.lock")
    assert {name: everything.get(name) for name in runtime} == runtime


def test_the_runtime_lock_holds_all_that_the_product_needs_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    here = set()
    for name, blocks in pins(ROOT / "requirements-runtime.lock").items():
        markers = [block.splitlines()[0].rstrip(" \\").partition(";")[2].strip() for block in blocks]
        if any(not marker or Marker(marker).evaluate() for marker in markers):
            here.add(canonicalize_name(name))
    assert here == _needed_here(project["dependencies"])


def test_every_pin_of_the_runtime_lock_has_a_hash() -> None:
    blocks = [(name, block) for name, said in pins(ROOT / "requirements-runtime.lock").items() for block in said]
    assert [name for name, block in blocks if "--hash=sha256:" not in block] == []


def test_everything_is_installed_by_hash() -> None:
    installs = [part for part in DOCKERFILE.replace("\\\n", " ").split("&&") if "pip install" in part]
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes" in install or "--no-deps /wheels/markledger-" in install


def test_setuptools_is_the_only_pin_that_the_build_takes_from_the_developers_lock() -> None:
    assert "sed -n '/^setuptools==/,/[^\\\\]$/p' requirements.lock > build.lock" in DOCKERFILE
    assert "setuptools" in pins(ROOT / "requirements.lock")


def test_the_last_stage_runs_as_an_ordinary_user() -> None:
    stage = DOCKERFILE.rpartition("\nFROM ")[2]
    users = [line.split()[1] for line in stage.splitlines() if line.startswith("USER ")]
    assert users == ["10001:10001"]


def test_only_what_the_build_copies_is_sent_to_it() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copies = [
        line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ") and "--from" not in line
    ]
    assert {source for sources in copies for source in sources} == allowed
    assert all((ROOT / name).exists() for name in allowed)
