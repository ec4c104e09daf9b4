"""The manifests: probes, budgets, limits and rights of each service, and that everything named is there."""

from __future__ import annotations

from typing import Any

import pytest

from services.runtime.settings import Settings
from tests.deploy.deploy_files import manifests

MANIFESTS = manifests()
SERVICES = ("ingest", "query", "intake", "projector")


def _pod(name: str) -> dict[str, Any]:
    pod: dict[str, Any] = MANIFESTS["Deployment", name]["spec"]["template"]["spec"]
    return pod


def _container(name: str) -> dict[str, Any]:
    (container,) = _pod(name)["containers"]
    read: dict[str, Any] = container
    return read


def test_there_is_a_deployment_of_every_service_and_all_are_one_image() -> None:
    assert {name for kind, name in MANIFESTS if kind == "Deployment"} == set(SERVICES)
    assert len({_container(name)["image"] for name in SERVICES}) == 1
    assert [_container(name)["args"][0] for name in SERVICES] == list(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_is_as_its_deployment_selects_and_its_budget_too(name: str) -> None:
    deployment = MANIFESTS["Deployment", name]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels
    budget = MANIFESTS["PodDisruptionBudget", name]["spec"]
    assert budget["selector"]["matchLabels"] == labels
    assert budget["maxUnavailable"] == 1


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_may_do_no_more_than_it_needs(name: str) -> None:
    pod, container = _pod(name), _container(name)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_says_what_it_needs(name: str) -> None:
    resources = _container(name)["resources"]
    assert resources["requests"].keys() == {"cpu", "memory"}
    assert "memory" in resources["limits"]


def test_the_probes() -> None:
    for name in ("ingest", "query", "intake"):
        assert _container(name)["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    for name in ("ingest", "intake"):
        assert _container(name)["readinessProbe"]["httpGet"]["path"] == "/readyz"
    # A partition that stands still must not take the reports of every school away.
    assert _container("query")["readinessProbe"]["httpGet"]["path"] == "/healthz"
    projector = _container("projector")
    assert projector["readinessProbe"]["exec"]["command"] == ["markledger", "projector", "status", "--json"]
    assert "livenessProbe" not in projector


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gets_its_secrets_as_files_that_are_mounted(name: str) -> None:
    pod, container = _pod(name), _container(name)
    variables = {each["name"]: each["value"] for each in container.get("env", ())}
    variables |= MANIFESTS["ConfigMap", "markledger"]["data"]
    (mount,) = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == "secrets"]
    (secret,) = [each["secret"] for each in pod["volumes"] if each["name"] == "secrets"]
    paths = {f"{mount}/{item['path']}" for item in secret["items"]}
    known = {f"MARKLEDGER_{field.upper()}_FILE" for field in Settings.secrets}
    assert {value for variable, value in variables.items() if variable.endswith("_FILE")} == paths
    assert {variable for variable in variables if variable.endswith("_FILE")} <= known
    assert variables.keys() - known == {"MARKLEDGER_KAFKA_BOOTSTRAP"}
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}


def test_what_is_named_is_there() -> None:
    for (kind, name), manifest in MANIFESTS.items():
        if kind in ("HorizontalPodAutoscaler", "ScaledObject"):
            target = manifest["spec"]["scaleTargetRef"]
            assert (target["kind"], target["name"]) in MANIFESTS, name
        if kind == "Service":
            pods = MANIFESTS["Deployment", name]["spec"]["template"]["metadata"]["labels"]
            assert manifest["spec"]["selector"] == pods
        if kind not in ("Namespace",):
            assert manifest["metadata"]["namespace"] == "markledger"


def test_one_autoscaler_for_each_deployment_and_the_projectors_by_lag() -> None:
    scaled = [
        manifest["spec"]["scaleTargetRef"]["name"]
        for (kind, _), manifest in MANIFESTS.items()
        if kind in ("HorizontalPodAutoscaler", "ScaledObject")
    ]
    assert sorted(scaled) == sorted(SERVICES)
    (trigger,) = MANIFESTS["ScaledObject", "projector"]["spec"]["triggers"]
    assert "markledger_projection_lag_records" in trigger["metadata"]["query"]


def test_nothing_comes_in_or_leaves_unless_it_is_allowed() -> None:
    policies = {name: manifest["spec"] for (kind, name), manifest in MANIFESTS.items() if kind == "NetworkPolicy"}
    closed = policies.pop("nothing-unless-allowed")
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    opened = [
        (direction, port["port"])
        for policy in policies.values()
        for direction in ("ingress", "egress")
        for rule in policy.get(direction, ())
        for port in rule["ports"]
    ]
    assert sorted(set(opened)) == [("egress", 53), ("egress", 5432), ("egress", 9092), ("ingress", 8080)]
