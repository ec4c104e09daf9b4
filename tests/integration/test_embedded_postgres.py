"""The embedded PostgreSQL under our own supervision: as root, as an ordinary user, after kills of server and owner."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from services.runtime.postgres import EmbeddedPostgres, PostgresError, open_pool
from tests.servers.process import kill_tree, wait_until

OWNER = """
import sys
from pathlib import Path
from services.runtime.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.pid, server.url, flush=True)
sys.stdin.read()
server.stop()
"""


@contextmanager
def owner(directory: Path, *, prefix: tuple[str, ...] = (), path: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that owns the server; ends in order with the block."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), **({"PATH": path} if path else {})}
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", OWNER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        process.communicate(timeout=60)


def told_by(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Process id and URL of the owner's server."""
    assert process.stdout is not None
    pid, url = process.stdout.readline().split()
    return int(pid), url


def path_without(tool: str, directory: Path) -> str:
    """A PATH on which every program is but this one."""
    directory.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).glob("*"):
            link = directory / program.name
            if program.name != tool and not link.is_symlink():
                link.symlink_to(program)
    return str(directory)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster as a first start leaves it."""
    home = tmp_path_factory.mktemp("made") / "data"
    with EmbeddedPostgres(home):
        pass
    return home / "postgres"


@pytest.fixture
def data(tmp_path: Path, made_once: Path) -> Path:
    """A data directory that has been used before, which saves a test the making of the cluster."""
    shutil.copytree(made_once, tmp_path / "data" / "postgres", copy_function=shutil.copy)
    (tmp_path / "data").chmod(0o700)
    return tmp_path / "data"


def gone(pid: int) -> bool:
    """Whether the process has ended (an orphan that nobody reaps has)."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def keep(url: str, note: str) -> None:
    """Store a note durably."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (note text)")
    await connection.execute("INSERT INTO kept VALUES ($1)", note)
    await connection.close()


async def kept(url: str) -> list[str]:
    """The notes that are there."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT note FROM kept ORDER BY note")
    await connection.close()
    return [row["note"] for row in rows]


async def test_it_starts_is_durable_and_stops(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data")
    with server:
        pool = await open_pool(server.url)
        shown = {
            name: await pool.fetchval(f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "server_encoding", "listen_addresses", "jit")
        }
        assert shown == {
            "fsync": "on",
            "synchronous_commit": "on",
            "server_encoding": "UTF8",
            "listen_addresses": "",
            "jit": "off",
        }
        await pool.close()
        await keep(server.url, "first")
        pid = server.pid
    assert pid is not None
    assert gone(pid)
    with server:
        assert await kept(server.url) == ["first"]


def test_nobody_else_may_enter_its_directory(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "data"):
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "data" / "postgres").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="the rest of this module shows it for who is no root")
async def test_an_ordinary_user_can_run_it(tmp_path: Path) -> None:
    prefix = ("unshare", "-U", "--map-user=1000", "--map-group=1000")
    with owner(tmp_path / "data", prefix=prefix) as process:
        _, url = told_by(process)
        await keep(url, "as a user")
        assert await kept(url) == ["as a user"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a user namespace")
def test_root_without_user_namespaces_is_told_what_to_do(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbidden = tmp_path / "bin" / "unshare"
    forbidden.parent.mkdir()
    forbidden.write_text("#!/bin/sh\nexit 1\n")
    forbidden.chmod(0o755)
    monkeypatch.setenv("PATH", f"{forbidden.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(PostgresError, match="MARKLEDGER_DATABASE_URL") as failure:
        EmbeddedPostgres(data).start()
    assert "\n" not in str(failure.value)


async def test_after_a_kill_of_the_server_it_starts_again_with_all_that_was_committed(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        pool = await open_pool(server.url)
        for number in range(2):
            await keep(server.url, str(number))
            assert server.pid is not None
            kill_tree(server.pid)
            assert not server.running()
            assert server.ensure_running()
            assert not server.ensure_running()
            assert await kept(server.url) == [str(each) for each in range(number + 1)]
            assert await pool.fetchval("SELECT 1") == 1
        await pool.close()


async def test_only_the_server_s_own_process_killed_it_starts_again(data: Path) -> None:
    """Its children outlive it for a moment and hold its shared memory."""
    with EmbeddedPostgres(data) as server:
        await keep(server.url, "before")
        busy = await asyncpg.connect(server.url)
        assert server.pid is not None
        psutil.Process(server.pid).kill()
        wait_until(lambda: not server.running(), "the server to be gone")
        server.ensure_running()
        assert await kept(server.url) == ["before"]
        busy.terminate()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv ties the server to its owner")
async def test_the_server_dies_with_an_owner_that_is_killed(data: Path) -> None:
    with owner(data) as process:
        pid, url = told_by(process)
        await keep(url, "before")
        process.kill()
    wait_until(lambda: gone(pid), "the server to follow its owner")
    with EmbeddedPostgres(data) as server:
        assert await kept(server.url) == ["before"]


async def test_the_next_owner_takes_over_from_a_killed_one_whose_server_still_runs(data: Path, tmp_path: Path) -> None:
    with owner(data, path=path_without("setpriv", tmp_path / "bin")) as process:
        pid, url = told_by(process)
        await keep(url, "before")
        process.kill()
    assert not gone(pid)
    with EmbeddedPostgres(data) as server:
        assert server.pid != pid
        assert gone(pid)
        assert await kept(server.url) == ["before"]


async def test_a_second_owner_is_refused_while_the_first_lives(data: Path) -> None:
    with owner(data) as process:
        _, url = told_by(process)
        with pytest.raises(PostgresError, match=f"in use by another Markledger \\(process {process.pid}\\)"):
            EmbeddedPostgres(data).start()
        await keep(url, "undisturbed")


async def test_a_data_directory_with_a_long_name_works(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30)
    with EmbeddedPostgres(directory) as server:
        await keep(server.url, "long")
        assert await kept(server.url) == ["long"]


def test_what_an_interrupted_first_start_left_is_made_anew(tmp_path: Path) -> None:
    unfinished = tmp_path / "data" / "postgres.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path / "data") as server:
        assert server.running()
    assert not unfinished.exists()


def test_a_cluster_of_another_release_is_refused_in_one_line(tmp_path: Path) -> None:
    cluster = tmp_path / "data" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("15\n")
    with pytest.raises(PostgresError, match="made by PostgreSQL 15"):
        EmbeddedPostgres(tmp_path / "data").start()


def test_a_server_that_cannot_start_says_why(data: Path) -> None:
    with EmbeddedPostgres(data):
        pass
    (data / "postgres" / "postgresql.conf").write_text("no_such_setting = 1\n")
    server = EmbeddedPostgres(data)
    with pytest.raises(PostgresError, match="does not start") as failure:
        server.start()
    server.stop()
    assert "\n" not in str(failure.value)


async def test_a_pool_of_a_server_that_never_comes_gives_up_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(PostgresError, match="no PostgreSQL answers"):
        await open_pool(f"postgresql://nobody@/none?host={tmp_path}", wait_seconds=0.2)


async def test_a_pool_with_a_wrong_database_is_refused_at_once(data: Path) -> None:
    with EmbeddedPostgres(data) as server, pytest.raises(PostgresError, match="refuses"):
        await open_pool(server.url.replace("/markledger?", "/missing?"))
