"""A server process under the hands of a test: killed, stopped as by SIGSTOP, waited for; never found by name."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import psutil
import pytest

REQUIRE_VARIABLE = "MARKLEDGER_TEST_REQUIRE"
DYING_WITH_OWNER = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
"""Put before a server's command: a test run that is killed leaves no server behind."""


class Server(Protocol):
    """What a fault test does to a server."""

    def start(self) -> None:
        """Start it, or start it again on the same data; returns when it answers."""

    def kill(self) -> None:
        """SIGKILL; returns when the process and its children are gone."""

    def stop(self) -> None:
        """Stop it in order."""

    def paused(self) -> AbstractContextManager[None]:
        """Inside the block nothing of the server runs (SIGSTOP)."""


class ServerMissing(Exception):
    """The server is not on this machine and could not be installed; the message says why."""


def skip_or_fail(server: str, missing: ServerMissing) -> None:
    """Skip the test, or fail it where MARKLEDGER_TEST_REQUIRE names the server."""
    if server in os.environ.get(REQUIRE_VARIABLE, "").replace(" ", "").split(","):
        pytest.fail(f"{REQUIRE_VARIABLE} wants {server}: {missing}", pytrace=False)
    pytest.skip(f"no {server} here: {missing}")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on at this moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [opened.getsockname()[1] for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Return as soon as the condition holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def answers(port: int) -> bool:
    """Whether something accepts connections on this port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def kill_tree(process: subprocess.Popen[bytes] | int) -> None:
    """SIGKILL the process, wait until it and its children are gone."""
    pid = process if isinstance(process, int) else process.pid
    family = _family(pid)
    os.kill(pid, signal.SIGKILL)
    if not isinstance(process, int):
        process.wait()
    psutil.wait_procs(family, timeout=30)


@contextmanager
def pause_tree(pid: int) -> Iterator[None]:
    """Nothing of this process and its children runs inside the block."""
    family = _family(pid)
    for member in family:
        member.suspend()
    try:
        yield
    finally:
        for member in family:
            if member.is_running():
                member.resume()


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
