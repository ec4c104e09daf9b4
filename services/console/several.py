"""One service as several processes behind one port: the parent listens, and keeps that many children running.

Each child accepts on a socket of its own that the parent holds, so a connection made while a child is started again
waits for it. The parent does no work of its own. What a child runs is in `services.console.child`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Literal

from services.console.database import database_of
from services.console.serving import with_known_secrets
from services.console.standalone import keep_running, listen, serving_children, stop_on_signals
from services.runtime.observability import shared_metrics_environment
from services.runtime.settings import InvalidSettings, Settings

BY_DEFAULT_MAX = 4
"""More than that are asked for by name: each keeps blocks of its own."""
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def processor_count() -> int:
    """How many processors this process may use: those of its affinity, fewer where a container has a quota."""
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = _CPU_QUOTA.read_text(encoding="ascii").split()
        return allowed if quota == "max" else max(min(allowed, int(quota) // int(period)), 1)
    except (OSError, ValueError):
        return allowed


def processes_by_default() -> int:
    """How many processes answer reports where nobody says it."""
    return min(processor_count(), BY_DEFAULT_MAX)


async def run_several(
    part: Literal["ingest", "query"], settings: Settings, host: str, port: int, processes: int
) -> None:
    """Run the service until SIGTERM or SIGINT. Raises CannotStart, InvalidSettings, PostgresError."""
    _check_secrets(part, with_known_secrets(settings))
    stopping = asyncio.Event()
    stop_on_signals(stopping)
    with (
        listen(host, port, processes) as listeners,
        tempfile.TemporaryDirectory(prefix="markledger-metrics-") as metrics,
    ):
        async with database_of(settings) as url:
            environment = {
                **os.environ,
                **shared_metrics_environment(Path(metrics)),
                "MARKLEDGER_DATA_DIR": str(settings.data_dir),
                "MARKLEDGER_DATABASE_URL": url,
            }
            environment.pop("MARKLEDGER_DATABASE_URL_FILE", None)
            children = serving_children(part, listeners, environment)
            await asyncio.gather(*(keep_running(child, stopping) for child in children))


def _check_secrets(part: str, settings: Settings) -> None:
    """What the children would end on is told once, by the parent."""
    for name in ("admin", "pupil", "identity") if part == "ingest" else ("admin",):
        if getattr(settings, f"{name}_key") is None:
            raise InvalidSettings(f"MARKLEDGER_{name.upper()}_KEY: the {part} service needs it")
