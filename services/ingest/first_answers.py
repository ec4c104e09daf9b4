"""The first answer under an `Idempotency-Key`, kept for a day: the only SQL on `ingest.answer`."""

from __future__ import annotations

from typing import Any

import msgspec

_KEPT = "interval '24 hours'"


class FirstAnswer(msgspec.Struct, frozen=True):
    """The answer that was given; `request` is the hash of the request that it answered."""

    request: bytes
    status: int
    body: bytes


async def find_answer(pool: Any, key_id: str, idempotency_key: str) -> FirstAnswer | None:
    """What was answered under the key in the last 24 hours."""
    row = await pool.fetchrow(
        "SELECT request, status, body FROM ingest.answer WHERE key_id = $1 AND idempotency_key = $2"
        f" AND answered_at > now() - {_KEPT}",
        key_id,
        idempotency_key,
    )
    return None if row is None else FirstAnswer(row["request"], row["status"], row["body"])


async def keep_answer(pool: Any, key_id: str, idempotency_key: str, answer: FirstAnswer) -> FirstAnswer:
    """Keep an answer unless there is one; the one that is kept. Forgets answers that are too old."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"DELETE FROM ingest.answer WHERE answered_at <= now() - {_KEPT}")
        await connection.execute(
            "INSERT INTO ingest.answer (key_id, idempotency_key, request, status, body) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT DO NOTHING",
            key_id,
            idempotency_key,
            *msgspec.structs.astuple(answer),
        )
        kept = await find_answer(connection, key_id, idempotency_key)
    return kept or answer
