"""How the processes that serve write their answers: head and body at once, where uvicorn writes one after the other.

The first write wakes the client, or the proxy, for a head that it can do nothing with; the second wakes it again.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HELD_BYTES_MAX = 64 * 1024
"""More than that is not held back, so that a long answer still meets the limits of the connection."""


class OneWrite:
    """A transport that writes what is given to it in one turn of the loop at the end of that turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._held_bytes = 0

    def write(self, data: bytes) -> None:
        """Write soon; at once if much is waiting."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > HELD_BYTES_MAX:
            self._flush()

    def close(self) -> None:
        """Write what is held, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            data, self._held, self._held_bytes = b"".join(self._held), [], 0
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class AnsweringProtocol(HttpToolsProtocol):
    """uvicorn's protocol on such a transport."""

    def connection_made(self, transport: Any) -> None:
        """Put the transport in between."""
        super().connection_made(OneWrite(transport, self.loop))  # type: ignore[arg-type]
