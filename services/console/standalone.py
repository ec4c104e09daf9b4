"""`markledger up`: one parent that keeps PostgreSQL, the web process and the projector running until told to stop.

The parent does no work of its own. It owns the listening sockets, so that a request made while a web process is
started again waits instead of failing. Children read their standard input; it ends with the parent, however that
dies, and they with it. What a child runs is in `services.console.child`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.console import data_directory
from services.console.database import embedded_postgres
from services.runtime.observability import shared_metrics_environment
from services.runtime.settings import Settings

STOP_SECONDS = 10.0
READY_SECONDS = 120.0
READY_POLL_SECONDS = 0.1
HEALTHY_SECONDS = 5.0
RESTART_SECONDS_FIRST = 0.05
RESTART_SECONDS_MAX = 5.0
LISTEN_BACKLOG = 1024
LEAN_MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "1000000"}
"""For glibc: what a fold in a thread has freed goes back, and does not lie in an arena of that thread."""

Ready = Callable[[str], Awaitable[None]]


class CannotStart(Exception):
    """The set cannot be started; the message is one line for the operator."""


@dataclass(frozen=True)
class Child:
    """One supervised process: what to run, with which environment and inherited descriptors."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    descriptors: tuple[int, ...] = ()


def say(line: str) -> None:
    """Tell the operator something, on stderr: stdout is for the `ready` line."""
    print(f"markledger: {line}", file=sys.stderr, flush=True)


def prepare_secrets(directory: Path, settings: Settings) -> dict[str, str]:
    """The environment that names a file for each secret that was not given; makes those files once."""
    environment = {}
    for name in data_directory.SECRETS:
        if getattr(settings, f"{name}_key") is not None:
            continue
        made = data_directory.ensure_secret(directory, name)
        path = data_directory.secret_path(directory, name)
        environment[f"MARKLEDGER_{name.upper()}_KEY_FILE"] = str(path)
        if made and name == "admin":
            say(f"made the admin key {data_directory.read_secret(directory, name)} (kept in {path})")
    return environment


@contextlib.contextmanager
def listen(host: str, port: int, processes: int = 1) -> Iterator[list[socket.socket]]:
    """A listening socket for each process, all on one port (0 takes a free one), closed in the end. Raises CannotStart.

    The kernel spreads connections over them; on one socket that all accept from, whoever wakes first takes all.
    """
    with contextlib.ExitStack() as opened:
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
                0
            ]
            first = opened.enter_context(_bound(family, address))  # fails if anybody else listens there
            listeners = [first]
            if processes > 1:
                address = first.getsockname()
                first.close()
                listeners = [opened.enter_context(_bound(family, address, shared=True)) for _ in range(processes)]
            for listener in listeners:
                listener.listen(LISTEN_BACKLOG)
        except OSError as error:
            raise CannotStart(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        yield listeners


def _bound(family: int, address: Any, *, shared: bool = False) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def serving_children(part: str, listeners: Sequence[socket.socket], environment: Mapping[str, str]) -> list[Child]:
    """A child for each listening socket."""
    descriptors = [listener.fileno() for listener in listeners]
    arguments = [(part, str(descriptor), str(len(descriptors))) for descriptor in descriptors]
    return [Child(part, told, environment, (fd,)) for told, fd in zip(arguments, descriptors, strict=True)]


def address_of(host: str, listener: socket.socket) -> str:
    """The URL of what listens on `listener`."""
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def run_up(
    settings: Settings, host: str, port: int, on_ready: Ready | None = None, *, processes: int = 1
) -> None:
    """Run everything until SIGTERM or SIGINT, with so many web processes.

    Raises CannotStart, DataDirectoryInUse, DataDirectoryUnusable.
    """
    directory = data_directory.prepare(settings.data_dir)
    with data_directory.locked(directory), listen(host, port, processes) as listeners:
        environment = {
            **os.environ,
            **prepare_secrets(directory, settings),
            **shared_metrics_environment(directory),
            "MARKLEDGER_DATA_DIR": str(directory),
        }
        stopping = asyncio.Event()
        stop_on_signals(stopping)
        async with _database(settings, directory) as url:
            environment["MARKLEDGER_DATABASE_URL"] = url
            environment.pop("MARKLEDGER_DATABASE_URL_FILE", None)
            children = [
                *serving_children("web", listeners, environment),
                Child("projector", ("projector",), {**environment, **LEAN_MEMORY}),
            ]
            if settings.kafka_bootstrap:
                children.append(Child("intake", ("intake",), environment))
            await _run_children(children, address_of(host, listeners[0]), stopping, on_ready)


def _database(settings: Settings, directory: Path) -> contextlib.AbstractAsyncContextManager[str]:
    if settings.database_dsn is not None:
        return contextlib.nullcontext(settings.database_dsn)
    return embedded_postgres(directory)


def stop_on_signals(stopping: asyncio.Event) -> None:
    """Set `stopping` on SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)


async def _run_children(
    children: Sequence[Child], address: str, stopping: asyncio.Event, on_ready: Ready | None
) -> None:
    keepers = [asyncio.create_task(keep_running(child, stopping)) for child in children]
    try:
        if await _is_ready(address, stopping):
            print(f"ready {address}", flush=True)
            if on_ready is not None:
                await _unless_stopped(on_ready(address), stopping)
        await stopping.wait()
    finally:
        stopping.set()
        await asyncio.gather(*keepers)


async def _unless_stopped(work: Awaitable[None], stopping: asyncio.Event) -> None:
    """Do `work`, but do not wait for it once everything is to stop."""
    doing = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if doing.done():
        await doing
    else:
        doing.cancel()


async def keep_running(child: Child, stopping: asyncio.Event) -> None:
    """Run `child`, again whenever it ends, until `stopping`; then end it.

    The first restart comes at once; one that keeps dying young waits longer each time.
    """
    loop = asyncio.get_running_loop()
    delay = RESTART_SECONDS_FIRST
    while not stopping.is_set():
        started = loop.time()
        try:
            process = await _start(child)
        except OSError as error:
            stopping.set()
            raise CannotStart(f"cannot start {child.name}: {error.strerror}") from error
        ended = await _ended_or_stopping(process, stopping)
        if not ended:
            await _end(process)
            return
        if loop.time() - started > HEALTHY_SECONDS:
            delay = RESTART_SECONDS_FIRST
        say(f"{child.name} ended ({_how_it_ended(process.returncode)}); starting it again")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), delay)
        delay = min(delay * 3, RESTART_SECONDS_MAX)


async def _start(child: Child) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.console.child",
        *child.arguments,
        stdin=asyncio.subprocess.PIPE,
        env=dict(child.environment),
        pass_fds=child.descriptors,
        start_new_session=True,  # Ctrl-C reaches the parent alone, which stops the children in order
    )


async def _ended_or_stopping(process: asyncio.subprocess.Process, stopping: asyncio.Event) -> bool:
    """Wait; true if the process has ended by itself."""
    ended = asyncio.ensure_future(process.wait())
    stopped = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if stopping.is_set():
        ended.cancel()
        return False
    return True


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask the process to end; kill it if it does not within STOP_SECONDS."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


async def _is_ready(address: str, stopping: asyncio.Event) -> bool:
    """Wait until the product answers for itself; false if it is told to stop before. Raises CannotStart."""
    local = address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    loop = asyncio.get_running_loop()
    until = loop.time() + READY_SECONDS
    while not stopping.is_set():
        answers = [await asyncio.to_thread(_answers, local + path) for path in ("/healthz", "/readyz")]
        if all(answers):
            return True
        if loop.time() > until:
            raise CannotStart(f"not ready within {READY_SECONDS:.0f} s; the lines above say why")
        await asyncio.sleep(READY_POLL_SECONDS)
    return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
