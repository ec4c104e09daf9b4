"""What is written in one turn of the loop goes out at once, in order, and nothing of it is lost at the end."""

from __future__ import annotations

import asyncio

from services.console.answering import HELD_BYTES_MAX, OneWrite


class Transport(asyncio.Transport):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.told.append(bytes(data))

    def close(self) -> None:
        self.told.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.told


async def test_head_and_body_are_one_write() -> None:
    transport = Transport()
    one = OneWrite(transport, asyncio.get_running_loop())
    one.write(b"head")
    one.write(b"body")
    assert transport.told == []
    await asyncio.sleep(0)
    assert transport.told == [b"headbody"]
    one.write(b"next")
    await asyncio.sleep(0)
    assert transport.told == [b"headbody", b"next"]


async def test_closing_writes_what_is_held_first() -> None:
    transport = Transport()
    one = OneWrite(transport, asyncio.get_running_loop())
    one.write(b"answer")
    one.close()
    await asyncio.sleep(0)
    assert transport.told == [b"answer", b"closed"]
    assert one.is_closing()


async def test_much_is_not_held_back() -> None:
    transport = Transport()
    one = OneWrite(transport, asyncio.get_running_loop())
    one.write(b"a")
    one.write(b"b" * HELD_BYTES_MAX)
    assert [len(data) for data in transport.told] == [HELD_BYTES_MAX + 1]
    one.write(b"c")
    await asyncio.sleep(0)
    assert transport.told[1:] == [b"c"]
