"""A PostgreSQL server of the machine (Debian's package), reached over TCP with a password, as a school would run it."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from tests.servers.process import (
    DYING_WITH_OWNER,
    ServerMissing,
    answers,
    free_ports,
    kill_tree,
    pause_tree,
    wait_until,
)

USER, PASSWORD = "markledger", "not-a-secret"
MAJOR_MIN = 15


class PostgresServer:
    """One server with its data in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._binaries = find_binaries()
        self._data = directory / "data"
        self._log = directory / "server.log"
        self._port = free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """The URL of the database `postgres`."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it, or start it again on the same data."""
        if self._process is not None and self._process.poll() is None:
            return
        if not self._data.exists():
            self._initialise()
        command = [
            *DYING_WITH_OWNER,
            *_as_permitted_user(),
            str(self._binaries / "postgres"),
            *("-D", str(self._data), "-p", str(self._port), "-c", "listen_addresses=127.0.0.1"),
            *("-c", f"unix_socket_directories={self._data}", "-c", "shared_buffers=128MB"),
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        wait_until(lambda: self._ready() or self._process.poll() is not None, "PostgreSQL")  # type: ignore[union-attr]
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended: {self._log.read_text()[-500:]}")

    def kill(self) -> None:
        """SIGKILL the server."""
        assert self._process is not None
        kill_tree(self._process)

    def stop(self) -> None:
        """Stop it in order (SIGINT: clients are disconnected)."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(2)
            self._process.wait(timeout=60)

    def paused(self) -> AbstractContextManager[None]:
        """Nothing of the server runs inside the block."""
        assert self._process is not None
        return pause_tree(self._process.pid)

    def _initialise(self) -> None:
        secret = self._data.with_suffix(".password")
        secret.write_text(PASSWORD)
        subprocess.run(
            [
                *_as_permitted_user(),
                str(self._binaries / "initdb"),
                *("-D", str(self._data), "-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
                *("--auth=scram-sha-256", f"--pwfile={secret}"),
            ],
            check=True,
            capture_output=True,
        )

    def _ready(self) -> bool:
        if not answers(self._port):
            return False
        check = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        return subprocess.run(check, check=False).returncode == 0


def find_binaries() -> Path:
    """Where `postgres` and `initdb` are; installs Debian's package when root and missing. Raises ServerMissing."""
    found = _installed()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "-q", "update"], ["apt-get", "-q", "install", "-y", "postgresql"]):
            subprocess.run(command, check=False, capture_output=True, env=environment, stdin=subprocess.DEVNULL)
        found = _installed()
    if found is None:
        raise ServerMissing("no PostgreSQL 15 or newer under /usr/lib/postgresql; apt-get install postgresql")
    return found


def _installed() -> Path | None:
    places = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    places = [place for place in places if place.parent.name.isdecimal() and (place / "postgres").exists()]
    newest = max(places, key=lambda place: int(place.parent.name), default=None)
    return newest if newest is not None and int(newest.parent.name) >= MAJOR_MIN else None


def _as_permitted_user() -> list[str]:
    return ["unshare", "-U", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []
