"""Bytes on disk of the score views, and bytes of write-ahead log a fact where a thousand facts are one batch."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.filled import append_schools, opened
from benchmarks.load import School, make_school
from benchmarks.rebuild import fold_live
from benchmarks.stage import Stage
from services.projector.loop import Pace
from services.runtime.log.embedded import EmbeddedLog

SEED = 9
_TABLES = ("block", "tail")


async def measure(stage: Stage) -> list[Figure]:
    """Both."""
    judgements = sum(school.judgements() for _, school in stage.made)
    sizes = {
        name: int(await stage.pool.fetchval(f"SELECT pg_total_relation_size('timeline_v1.{name}')"))
        for name in (*_TABLES, "detail", "school_document")
    }
    rows = int(await stage.rows.connection.fetchval("SELECT pg_total_relation_size('judgement')"))
    facts = stage.filled.facts
    note = f"blocks and tails with indexes, the roster's too, of {facts:,} facts of any kind; {stage.note}"
    views = sum(sizes[name] for name in _TABLES) / facts
    return [
        Figure("disk of the score views", views, "B/fact", "≤ 20", note),
        Figure("  the facts kept to fold on (detail)", sizes["detail"] / facts, "B/fact", "", stage.note),
        Figure(
            "  PostgreSQL rows and covering index",
            rows / judgements,
            "B/fact",
            "",
            "its table of judgements alone, of each judgement",
        ),
        await _wal(make_school(0, SEED)),
    ]


async def _wal(school: School) -> Figure:
    with tempfile.TemporaryDirectory(prefix="markledger-bench-") as directory:
        async with opened(Path(directory)) as (_, pool):
            facts = await append_schools(pool, [school])
            log = EmbeddedLog(pool)
            try:
                await pool.execute("CHECKPOINT")
                before = await pool.fetchval("SELECT pg_current_wal_insert_lsn()")
                await fold_live(pool, log, facts, Pace(records_max=1_000), settle=True)
                after = await pool.fetchval("SELECT pg_current_wal_insert_lsn()")
                written = int(await pool.fetchval("SELECT pg_wal_lsn_diff($1, $2)", after, before))
            finally:
                await log.close()
    note = f"{facts:,} facts of one school, 1,000 a batch; full pages after a checkpoint, compaction included"
    return Figure("write-ahead log of the projection", written / facts, "B/fact", "≤ 100", note)
