"""Every failure of the command as one line and an exit code: 1 failed, 2 usage, 4 not healthy."""

from __future__ import annotations

import asyncio

from services.console.client import EXIT_FAILED, EXIT_NOT_HEALTHY, RequestFailed
from services.runtime.log.interface import LogError
from services.runtime.postgres import PostgresError
from services.runtime.settings import InvalidSettings

EXIT_USAGE = 2


class UsageError(Exception):
    """The command was not asked rightly."""


def told(error: Exception) -> tuple[str, int]:
    """The line for `error`, and the exit code."""
    message = " ".join(str(error).split()) or type(error).__name__
    match error:
        case RequestFailed():
            return message, error.exit_code
        case InvalidSettings() | UsageError():
            return message, EXIT_USAGE
        case PostgresError() | LogError():
            return message, EXIT_NOT_HEALTHY
        case OSError() | asyncio.CancelledError():
            return message, EXIT_FAILED
        case _ if type(error).__module__.startswith("services."):
            return message, EXIT_FAILED
        case _:
            return f"{type(error).__name__}: {message}", EXIT_FAILED
