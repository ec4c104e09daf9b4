"""compose.yaml: who runs with which command, which secrets, and how it is known to be healthy."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from services.console.main import app
from services.runtime.settings import Settings, read_settings
from tests.deploy.deploy_files import DEPLOY, document

COMPOSE = document(DEPLOY / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("ingest", "query", "intake", "projector-1", "projector-2")
VARIABLES = {f"MARKLEDGER_{name.upper()}" for name in Settings.model_fields}
SECRETS = {f"MARKLEDGER_{name.upper()}_FILE" for name in Settings.secrets}


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_there_is(name: str) -> None:
    command, *arguments = SERVICES[name]["command"]
    context = get_command(app).make_context("markledger", ["--help"], resilient_parsing=True)
    found = get_command(app).get_command(context, command)  # type: ignore[attr-defined]
    assert command == name.partition("-")[0]
    assert {argument for argument in arguments if argument.startswith("--")} <= {
        option for parameter in found.params for option in parameter.opts
    }


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_given_only_variables_that_are_read_and_secrets_only_as_files(name: str) -> None:
    environment = SERVICES[name]["environment"]
    given = {variable for variable in environment if variable.startswith("MARKLEDGER_")}
    assert given <= VARIABLES - {variable.removesuffix("_FILE") for variable in SECRETS} | SECRETS
    files = {value.removeprefix("/run/secrets/") for variable, value in environment.items() if variable in SECRETS}
    assert files == set(SERVICES[name]["secrets"])


@pytest.mark.parametrize("name", OURS)
def test_a_service_may_do_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "ports" not in service


def test_the_pupils_key_is_only_where_facts_come_in() -> None:
    assert [name for name in OURS if "pupil_key" in SERVICES[name]["secrets"]] == ["ingest", "intake"]
    assert [name for name in OURS if "identity_key" in SERVICES[name]["secrets"]] == ["ingest", "query", "intake"]


def test_all_that_others_wait_for_has_a_health_check() -> None:
    for name, service in SERVICES.items():
        for waited_for, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}, name
            assert "healthcheck" in SERVICES[waited_for], f"{name} waits for {waited_for}"


def test_only_proxy_and_dashboards_can_be_reached_and_only_from_this_machine() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports.keys() == {"proxy", "grafana"}
    assert all(":-127.0.0.1:" in port for given in ports.values() for port in given)


def test_what_must_last_is_in_named_volumes() -> None:
    for name, target in (("kafka", "/var/lib/kafka/data"), ("postgres", "/var/lib/postgresql")):
        sources = [volume.split(":")[0] for volume in SERVICES[name]["volumes"] if volume.split(":")[1] == target]
        assert len(sources) == 1
        assert sources[0] in COMPOSE["volumes"]


def test_every_file_that_is_mounted_is_there() -> None:
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", ()) if volume[0] == "."]
    assert len(mounted) >= 4
    assert [volume for volume in mounted if not (DEPLOY / volume.split(":")[0]).exists()] == []


def test_the_log_is_kept_for_ever_and_flushed_while_it_has_one_replica() -> None:
    environment = SERVICES["kafka"]["environment"]
    assert environment["KAFKA_LOG_RETENTION_MS"] == -1
    assert environment["KAFKA_LOG_FLUSH_INTERVAL_MESSAGES"] == 1
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_the_secrets_are_made_once_and_taken_by_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "make-secrets.sh"
    script.write_bytes((DEPLOY / "make-secrets.sh").read_bytes())
    made = tmp_path / "secrets"
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    first = {path.name: path.read_text("ascii") for path in made.iterdir()}
    subprocess.run(["sh", str(script)], check=True, capture_output=True)

    assert {path.name: path.read_text("ascii") for path in made.iterdir()} == first
    assert first.keys() == COMPOSE["secrets"].keys()
    assert len({first[name] for name in first}) == len(first)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert all(path.stat().st_mode & stat.S_IROTH for path in made.iterdir())
    for variable in [variable for variable in os.environ if variable.startswith("MARKLEDGER_")]:
        monkeypatch.delenv(variable)
    for variable, path in SERVICES["ingest"]["environment"].items():
        if variable in SECRETS:
            monkeypatch.setenv(variable, path.replace("/run/secrets", str(made)))
    settings = read_settings()
    assert settings.database_dsn == first["database_url"]
    assert first["postgres_password"] in first["database_url"]
    assert settings.pupil_key is not None
    assert settings.pupil_key.get_secret_value() == first["pupil_key"]
