"""Whatever stands in front of the services parts the paths as `markledger up` does (docs/architecture.md)."""

from __future__ import annotations

import re

import pytest

from services.console.web import INGEST_PATHS, is_for_ingest
from tests.deploy.deploy_files import DEPLOY, manifests

PATHS = [
    *INGEST_PATHS,
    *(f"{start}/" for start in INGEST_PATHS),
    *(f"{start}/one/two" for start in INGEST_PATHS),
    *(f"{start}x" for start in INGEST_PATHS),
    *(f"/x{start}" for start in INGEST_PATHS),
    *("/", "/v1", "/v1/", "/v1/reports/overview", "/reports/overview", "/healthz", "/readyz", "/metrics", "/docs"),
]


@pytest.mark.parametrize("path", PATHS)
def test_nginx_sends_a_path_to_its_service(path: str) -> None:
    text = (DEPLOY / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    ((pattern, service),) = re.findall(r"location ~ (\S+) \{\s+set \$\w+ (\w+):8080;", text)
    assert service == "ingest"
    assert (re.search(pattern, path) is not None) == is_for_ingest(path)


@pytest.mark.parametrize("path", PATHS)
def test_the_ingress_sends_a_path_to_its_service(path: str) -> None:
    (rule,) = manifests()["Ingress", "markledger"]["spec"]["rules"]
    assert all(each["pathType"] == "Prefix" for each in rule["http"]["paths"])
    asked = path.strip("/").split("/")
    fitting = []
    for each in rule["http"]["paths"]:
        elements = each["path"].strip("/").split("/") if each["path"] != "/" else []
        if asked[: len(elements)] == elements:
            fitting.append((len(elements), each["backend"]["service"]["name"]))
    assert max(fitting)[1] == ("ingest" if is_for_ingest(path) else "query")


def test_nothing_that_is_sent_is_buffered_limited_or_sent_twice() -> None:
    text = (DEPLOY / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    for directive in ("client_max_body_size 0;", "proxy_request_buffering off;", "proxy_next_upstream off;"):
        assert directive in text
