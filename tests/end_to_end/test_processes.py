"""Several processes on one port: they share the work, one that dies is missed by nobody, and none is left behind."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from services.console.standalone import CannotStart, listen
from services.runtime.postgres import EmbeddedPostgres
from tests.end_to_end.product import COMMAND, clean_environment
from tests.servers.process import answers, free_ports, wait_until

pytestmark = pytest.mark.end_to_end

PROCESSES = 2
ADMIN_KEY = "a" * 40


@pytest.fixture
def query(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`markledger query` with two processes, and its port."""
    (port,) = free_ports(1)
    with EmbeddedPostgres(tmp_path / "database") as server, (tmp_path / "log").open("wb") as log:
        environment = {"DATABASE_URL": server.url, "DATA_DIR": str(tmp_path / "data"), "ADMIN_KEY": ADMIN_KEY}
        process = subprocess.Popen(
            [str(COMMAND), "query", "--port", str(port), "--processes", str(PROCESSES)],
            env=clean_environment({f"MARKLEDGER_{name}": value for name, value in environment.items()}),
            stderr=log,
        )
        try:
            yield process, port
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_all_answer_one_that_dies_is_started_again_and_none_stays(query: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = query
    parent = psutil.Process(process.pid)
    wait_until(lambda: all(_ports(child) == {port} for child in _children(parent)), "two that listen", 30)
    wait_until(lambda: answers(port), "an answer", 30)
    address = f"http://127.0.0.1:{port}/healthz"
    served = set()
    for _ in range(64):  # all on one of two: once in 2 ** 63 runs
        with httpx.Client(timeout=30) as client:
            client.get(address).raise_for_status()
            served |= {child.pid for child in _children(parent) if _serves(child, port)}
            if len(served) == PROCESSES:
                break
    assert len(served) == PROCESSES
    victim = _children(parent)[0]
    victim.kill()
    for _ in range(16):
        httpx.get(address, timeout=30).raise_for_status()
    wait_until(lambda: len(_children(parent)) == PROCESSES and not victim.is_running(), "another process", 30)
    family = _children(parent)
    process.terminate()
    assert process.wait(timeout=30) == 0
    assert not [child for child in family if child.is_running()]


def test_a_port_where_somebody_else_listens_is_refused_though_he_would_share_it() -> None:
    with listen("127.0.0.1", 0, PROCESSES) as listeners:
        port = listeners[0].getsockname()[1]
        assert [listener.getsockname()[1] for listener in listeners] == [port] * PROCESSES
        for processes in (1, PROCESSES):
            with pytest.raises(CannotStart), listen("127.0.0.1", port, processes):
                pass
    assert all(listener.fileno() == -1 for listener in listeners)
    with listen("127.0.0.1", port, 1) as again, socket.create_connection(again[0].getsockname()):
        pass


def _children(parent: psutil.Process) -> list[psutil.Process]:
    return [child for child in parent.children() if "services.console.child" in child.cmdline()]


def _ports(process: psutil.Process) -> set[int]:
    return {c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}


def _serves(process: psutil.Process, port: int) -> bool:
    found = process.net_connections("tcp")
    return any(c.status == psutil.CONN_ESTABLISHED and c.laddr.port == port for c in found)
