"""The data directory of one machine: the secrets made once in it, and the lock that keeps a second `up` out of it.

It makes key files and takes the lock; it starts nothing and knows no database.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECRET_BYTES = 32
SECRETS = ("admin", "pupil", "identity")
LOCK_NAME = "lock"


class DataDirectoryInUse(Exception):
    """Another process of this machine runs on the data directory."""


class DataDirectoryUnusable(Exception):
    """The data directory cannot be made or written."""


def prepare(directory: Path) -> Path:
    """The absolute path of `directory`, which exists afterwards, for its owner only. Raises DataDirectoryUnusable."""
    try:
        directory = directory.expanduser().absolute()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise DataDirectoryUnusable(f"{directory}: this user cannot write there")
    except OSError as error:
        raise DataDirectoryUnusable(f"{directory}: {error.strerror}") from error
    return directory


def is_in_use(directory: Path) -> bool:
    """Whether some process holds the lock of `directory` at this moment."""
    try:
        with locked(directory):
            return False
    except DataDirectoryInUse:
        return True


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the data directory alone; the lock goes with the process, however it ends. Raises DataDirectoryInUse."""
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise DataDirectoryInUse(
                f"another markledger (process {holder}) runs on {directory}: stop it, or choose another --data-dir"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def secret_path(directory: Path, name: str) -> Path:
    """Where the secret `name` of `SECRETS` is kept."""
    return directory / f"{name}.key"


def ensure_secret(directory: Path, name: str) -> bool:
    """Make the secret `name` unless it is there; whether it was made now. Its file is readable by its owner only."""
    path = secret_path(directory, name)
    if path.exists():
        return False
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as lines:
        lines.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
        lines.flush()
        os.fsync(lines.fileno())
    draft.rename(path)
    return True


def read_secret(directory: Path, name: str) -> str | None:
    """The secret `name`, or None where this directory has none or this user may not read it."""
    try:
        return secret_path(directory, name).read_text(encoding="ascii").strip()
    except OSError:
        return None
