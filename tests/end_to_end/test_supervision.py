"""`markledger up` as an operator meets it: one ready line, secrets made once, children started again, nothing left."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx
import psutil
import pytest

from tests.end_to_end.product import Product
from tests.end_to_end.small_school import counts, fill, overview
from tests.servers.process import wait_until

pytestmark = pytest.mark.end_to_end

CHILDREN = ("web", "projector", "postgres")
BACK_SECONDS = 15.0


def test_it_prints_one_line_and_keeps_its_secrets(data_dir: Path) -> None:
    product = Product(data_dir)
    product.start()
    admin_key = product.admin_key
    for name in ("admin", "pupil", "identity"):
        path = data_dir / f"{name}.key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(path.read_text().strip()) >= 32
    assert admin_key in product.log_path.read_text()
    with product.client() as client:
        fill(client, "elm")
    assert product.stop() == 0
    assert product.stdout == [f"ready {product.url}\n"]

    again = Product(data_dir)
    with again, again.client() as client:
        assert again.admin_key == admin_key
        assert counts(overview(client, "elm", "2025-10-31")) == {"at": 1, "sig_below": 1}


def test_stopping_leaves_no_process(data_dir: Path) -> None:
    product = Product(data_dir)
    product.start()
    family = product.children()
    assert len(family) >= len(CHILDREN)
    assert product.stop() == 0
    assert not [process for process in family if process.is_running()]


def test_children_go_with_a_killed_parent_and_the_next_start_recovers(data_dir: Path) -> None:
    product = Product(data_dir)
    product.start()
    with product.client() as client:
        fill(client, "elm")
    family = product.children()
    product.kill()
    _, alive = psutil.wait_procs(family, timeout=BACK_SECONDS)
    assert not alive
    with Product(data_dir) as again, again.client() as client:
        assert counts(overview(client, "elm", "2025-10-31")) == {"at": 1, "sig_below": 1}


def test_a_second_up_on_the_same_directory_is_refused_in_one_line(product: Product) -> None:
    refused = product.run_command("up", "--port", "0", timeout=60)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "another markledger" in refused.stderr and str(product.data_dir) in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_port_in_use_is_told_in_one_line(product: Product, tmp_path: Path) -> None:
    port = product.url.rpartition(":")[2]
    refused = product.run_command("up", "--port", port, "--data-dir", str(tmp_path / "other"), timeout=60)
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_child_is_started_again(product: Product, client: httpx.Client, name: str) -> None:
    school = f"school-{name}"
    victim = product.child(name)
    victim.kill()
    wait_until(lambda: not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE, "the end of the victim")
    wait_until(lambda: product.child(name).pid != victim.pid, f"another {name}", BACK_SECONDS)
    wait_until(lambda: _is_ready(client), "readiness", BACK_SECONDS)
    position = fill(client, school)
    waiting = ("min_position", position), ("wait_seconds", "30")
    assert counts(overview(client, school, "2025-10-31", *waiting)) == {"at": 1, "sig_below": 1}


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
