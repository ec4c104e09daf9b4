"""The product as its users have it: `markledger up` in a process of its own, spoken to over HTTP, hurt by signal.

It uses nothing of the product's code, only its command, its addresses and its data directory.
"""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.servers.process import wait_until

COMMAND = Path(sys.executable).with_name("markledger")
READY_SECONDS = 150.0
STOP_SECONDS = 60.0
OUTAGE_SECONDS = 60.0

Parameters = Sequence[tuple[str, str]]


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what steers the product, and with `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MARKLEDGER_")}
    return {**kept, **extra}


class Product:
    """One running `markledger up` (or `demo`). Its standard error goes to `DATA_DIR/../up.log`."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str] | None = None, command: str = "up") -> None:
        self.command = command
        self.data_dir = data_dir
        self.environment = clean_environment({**(environment or {}), "MARKLEDGER_DATA_DIR": str(data_dir)})
        self.log_path = data_dir.parent / "up.log"
        self.url = ""
        self.stdout: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Product:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, port: int = 0) -> None:
        """Start it and wait for the line that says it serves."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*_dying_with_the_test(), str(COMMAND), self.command, "--port", str(port)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.environment,
                start_new_session=True,
            )
        line = self._first_line()
        match = re.fullmatch(r"ready (http://\S+)\n?", line)
        assert match, f"expected one `ready` line, got {line!r}; log: {self.log_tail()}"
        self.url = match[1]

    def _first_line(self) -> str:
        assert self.process is not None and self.process.stdout is not None
        lines: queue.Queue[str] = queue.Queue()

        def read(stdout: Iterable[str]) -> None:
            for line in stdout:
                self.stdout.append(line)
                lines.put(line)
            lines.put("")

        threading.Thread(target=read, args=(self.process.stdout,), daemon=True).start()
        try:
            return lines.get(timeout=READY_SECONDS)
        except queue.Empty:
            self.kill()
            raise AssertionError(f"not ready within {READY_SECONDS} s; log: {self.log_tail()}") from None

    def stop(self) -> int:
        """SIGTERM, and wait; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL the parent alone; its children must go by themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def log_tail(self) -> str:
        """The end of what it said on standard error."""
        return self.log_path.read_text(errors="replace")[-3000:]

    @property
    def admin_key(self) -> str:
        """The administrator's key."""
        given = self.environment.get("MARKLEDGER_ADMIN_KEY")
        return given or (self.data_dir / "admin.key").read_text().strip()

    def child(self, name: str) -> psutil.Process:
        """The running child `web`, `projector` or `postgres`; waits for it."""
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = [process for process in self.children() if _is_child(process, name)]
            return bool(found)

        wait_until(look, f"the child {name}", 30)
        return found[0]

    def children(self) -> list[psutil.Process]:
        """Every process below the parent."""
        assert self.process is not None
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def client(self, key: str | None = None) -> httpx.Client:
        """An HTTP client with the admin key, or another, or none ("")."""
        key = self.admin_key if key is None else key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=httpx.Timeout(300, connect=10))

    def run_command(self, *arguments: str, **extra: Any) -> subprocess.CompletedProcess[str]:
        """Run `markledger …` against this product."""
        environment = {**self.environment, "MARKLEDGER_URL": self.url}
        command = [str(COMMAND), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **extra)


def _dying_with_the_test() -> list[str]:
    """A killed test run must not leave products behind; the product ends its own children."""
    return ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []


def _is_child(process: psutil.Process, name: str) -> bool:
    try:
        command = process.cmdline()
    except psutil.Error:
        return False
    if name == "postgres":
        return bool(command) and Path(command[0]).name == "postgres"
    return "services.console.child" in command and name in command


def import_bytes(
    client: httpx.Client,
    kind: str,
    content: bytes,
    *,
    media_type: str = "text/csv",
    **parameters: str,
) -> dict[str, Any]:
    """Send one file; the counts. The request must succeed."""
    answer = client.post(
        "/v1/imports",
        params={"kind": kind, **parameters},
        content=content,
        headers={"Content-Type": media_type},
    )
    assert answer.status_code == 201, (kind, answer.status_code, answer.text[:2000])
    counts = answer.json()
    assert isinstance(counts, dict)
    return counts


def send_events(client: httpx.Client, *events: Mapping[str, Any]) -> httpx.Response:
    """POST /v1/events."""
    return client.post("/v1/events", json={"events": list(events)})


def read_report(client: httpx.Client, name: str, parameters: Parameters) -> dict[str, Any]:
    """A report that must succeed."""
    answer = client.get(f"/v1/reports/{name}", params=list(parameters))
    assert answer.status_code == 200, (name, parameters, answer.status_code, answer.text[:2000])
    report = answer.json()
    assert isinstance(report, dict)
    return report


def wait_for_position(client: httpx.Client, position: str, schools: Iterable[str], measure: str) -> None:
    """Until the views of `schools` hold everything up to `position`."""
    parameters = [("school", school) for school in schools]
    parameters += [("measure", measure), ("bands", "35,50,70,85")]
    parameters += [("min_position", position), ("wait_seconds", "10")]
    deadline = time.monotonic() + 300
    while read_report(client, "overview", parameters)["provenance"]["stale"]:
        assert time.monotonic() < deadline, "the views do not come to the position"
