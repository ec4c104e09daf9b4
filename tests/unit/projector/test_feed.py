"""Which errors are waited out, and which are defects."""

from __future__ import annotations

import asyncpg
import pytest

from services.projector.feed import Fenced, is_transient
from services.runtime.log.interface import LogError, LogRecreated, LogUnavailable, OffsetOutOfRange

TRANSIENT = [
    ConnectionResetError(),
    TimeoutError(),
    Fenced(),
    LogUnavailable(),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.ConnectionDoesNotExistError(),
    asyncpg.CannotConnectNowError(),
    asyncpg.AdminShutdownError(),
    asyncpg.CrashShutdownError(),
    asyncpg.DeadlockDetectedError(),
    asyncpg.SerializationError(),
    asyncpg.DiskFullError(),
    asyncpg.TooManyConnectionsError(),
    asyncpg.LockNotAvailableError(),
    asyncpg.IdleInTransactionSessionTimeoutError(),
]
DEFECTS = [
    KeyError("x"),
    ValueError("x"),
    LogError(),
    LogRecreated(),
    OffsetOutOfRange(),
    asyncpg.UniqueViolationError(),
    asyncpg.NotNullViolationError(),
    asyncpg.UndefinedTableError(),
    asyncpg.CharacterNotInRepertoireError(),
    asyncpg.DataError("an argument that is no integer"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=lambda error: type(error).__name__)
def test_faults_of_the_surroundings_are_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", DEFECTS, ids=lambda error: type(error).__name__)
def test_faults_of_data_and_code_are_not(error: Exception) -> None:
    assert not is_transient(error)
