"""The product's own embedded PostgreSQL, as a server for fault tests."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from services.runtime.postgres import EmbeddedPostgres
from tests.servers.process import kill_tree, pause_tree


class EmbeddedServer:
    """`EmbeddedPostgres` with the handles of `tests.servers.process.Server`."""

    def __init__(self, directory: Path) -> None:
        self.postgres = EmbeddedPostgres(directory)

    @property
    def url(self) -> str:
        """The database URL."""
        return self.postgres.url

    def start(self) -> None:
        """Start it, or start it again."""
        self.postgres.start()

    def kill(self) -> None:
        """SIGKILL the server."""
        assert self.postgres.pid is not None
        kill_tree(self.postgres.pid)
        assert not self.postgres.running()

    def stop(self) -> None:
        """Stop it in order."""
        self.postgres.stop()

    def paused(self) -> AbstractContextManager[None]:
        """Nothing of the server runs inside the block."""
        assert self.postgres.pid is not None
        return pause_tree(self.postgres.pid)
