"""The writer of the reporting rows, in the transaction of the offset; the tables are in schemas/views/reporting.sql.

The number of statements does not depend on how many schools, pupils or facts a batch touches. What is replaced as a
whole (the stays of a pupil, the scopes of a school) is deleted and written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from services.projector.decoding import DeadLetter
from services.projector.projections.reporting.rows import Changes, ScoreRow, Spans
from services.projector.store import Move, SchoolChanges, Store

_DELETE_SCORES = """
DELETE FROM {views}.score AS s USING unnest($1::text[], $2::text[], $3::text[]) AS k (school, subject, pupil)
 WHERE s.school = k.school AND s.subject = k.subject AND s.pupil = k.pupil"""

# arrays come as PostgreSQL writes them: a text is a third of the price of an array of numbers, number by number
_SPAN_TYPES = {
    "abilities": "text",
    "series": "smallint",
    "starts": "integer",
    "ends": "integer",
    "overall_numerators": "bigint",
    "overall_denominators": "bigint",
    "overall_percents": "smallint",
    "assessed_numerators": "bigint",
    "assessed_denominators": "bigint",
    "assessed_percents": "smallint",
}
_NAMES = ", ".join(_SPAN_TYPES)
_PUT_SCORES = f"""
INSERT INTO {{views}}.score (school, subject, pupil, {_NAMES})
SELECT k.school, k.subject, k.pupil, {", ".join(f"k.{name}::{of}[]" for name, of in _SPAN_TYPES.items())}
  FROM unnest({", ".join(f"${n}::text[]" for n in range(1, len(_SPAN_TYPES) + 4))})
    AS k (school, subject, pupil, {_NAMES})
ON CONFLICT (school, subject, pupil) DO UPDATE
   SET {", ".join(f"{name} = excluded.{name}" for name in _SPAN_TYPES)}"""

_DAY = "date '0001-01-01' + ({} - 1)"
_DELETE_STAYS = """
DELETE FROM {views}.membership AS m USING unnest($1::text[], $2::text[]) AS k (school, pupil)
 WHERE m.school = k.school AND m.pupil = k.pupil"""
_PUT_STAYS = f"""
INSERT INTO {{views}}.membership (school, pupil, kind, name, value, starts_on, ends_on)
SELECT k.school, k.pupil, k.kind, k.name, k.value, {_DAY.format("k.starts")}, {_DAY.format("k.ends")}
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::integer[])
    AS k (school, pupil, kind, name, value, starts, ends)"""

_PUT_FACTS = f"""
INSERT INTO {{views}}.fact
       (school, record_offset, stands, event_id, kind, pupil, subject, objective, state, test, component, score_type,
        score, scale, judgement, dated_on, recorded_at, source)
SELECT k.school, k.record_offset, k.stands, k.event_id, k.kind, k.pupil, k.subject, k.objective, k.state, k.test,
       k.component, k.score_type, k.score, k.scale, k.judgement, {_DAY.format("k.dated")}, to_timestamp(k.recorded_at),
       k.source
  FROM unnest($1::text[], $2::bigint[], $3::boolean[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
              $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::integer[],
              $17::bigint[], $18::text[])
    AS k (school, record_offset, stands, event_id, kind, pupil, subject, objective, state, test, component, score_type,
          score, scale, judgement, dated, recorded_at, source)"""
_SET_STANDING = """
UPDATE {views}.fact AS f SET stands = k.stands
  FROM unnest($1::text[], $2::bigint[], $3::boolean[]) AS k (school, record_offset, stands)
 WHERE f.school = k.school AND f.record_offset = k.record_offset AND f.stands <> k.stands"""

_DELETE_OF_SCHOOLS = "DELETE FROM {views}.{table} AS t USING unnest($1::text[]) AS k (school) WHERE t.school = k.school"
_PUT_SCHOOLS = """
INSERT INTO {views}.school (school, is_known, name, nation, time_zone, year_starts)
SELECT * FROM unnest($1::text[], $2::boolean[], $3::text[], $4::text[], $5::text[], $6::integer[])
ON CONFLICT (school) DO UPDATE
   SET is_known = excluded.is_known, name = excluded.name, nation = excluded.nation,
       time_zone = excluded.time_zone, year_starts = excluded.year_starts"""
_PUT_TRUSTS = f"""
INSERT INTO {{views}}.trust_member (school, trust, starts_on, ends_on)
SELECT k.school, k.trust, {_DAY.format("k.starts")}, {_DAY.format("k.ends")}
  FROM unnest($1::text[], $2::text[], $3::integer[], $4::integer[]) AS k (school, trust, starts, ends)"""
_PUT_SCOPES = f"""
INSERT INTO {{views}}.scope (school, subject, ability, year_group, starts_on, ends_on)
SELECT k.school, k.subject, k.ability, k.year_group, {_DAY.format("k.starts")}, {_DAY.format("k.ends")}
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::integer[])
    AS k (school, subject, ability, year_group, starts, ends)"""
_PUT_JOINED = """
INSERT INTO {views}.joined (school, pupil, is_pupil) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])"""

OfSchool = tuple[str, Changes]


class ReportingStore(Store):
    """The tables of the reporting projection."""

    async def commit(
        self,
        moves: Sequence[Move],
        schools: Sequence[SchoolChanges],
        dead_letters: Sequence[tuple[int, DeadLetter]],
    ) -> None:
        """As every store, but the dead letters are the timeline's to keep: it reads the same records."""
        await super().commit(moves, schools, ())

    async def _write(self, connection: Any, schools: Sequence[SchoolChanges]) -> None:
        changed: list[OfSchool] = [(one.school, one.changes) for one in schools]
        await self._write_schools(connection, changed)
        await self._write_pupils(connection, changed)
        facts = [(school, *row[:6], *row.said, *row[7:]) for school, changes in changed for row in changes.facts]
        await self._run(connection, _PUT_FACTS, facts)
        await self._run(connection, _SET_STANDING, _rows(changed, "standing"))
        await self.add_detail(connection, schools)

    async def _write_schools(self, connection: Any, changed: Sequence[OfSchool]) -> None:
        described = [(school, changes.school) for school, changes in changed if changes.school is not None]
        rows = [(school, s.is_known, s.name, s.nation, s.time_zone, s.year_starts) for school, s in described]
        await self._run(connection, _PUT_SCHOOLS, rows)
        await self._empty(connection, "trust_member", [school for school, _ in described])
        await self._run(connection, _PUT_TRUSTS, [(school, *trust) for school, s in described for trust in s.trusts])
        for table, statement in (("scope", _PUT_SCOPES), ("joined", _PUT_JOINED)):
            name = "scopes" if table == "scope" else table
            new = [(school, changes) for school, changes in changed if getattr(changes, name) is not None]
            await self._empty(connection, table, [school for school, _ in new])
            await self._run(connection, statement, _rows(new, name))

    async def _write_pupils(self, connection: Any, changed: Sequence[OfSchool]) -> None:
        moved = [(school, pupil) for school, changes in changed for pupil in changes.stays_of]
        await self._run(connection, _DELETE_STAYS, moved)
        await self._run(connection, _PUT_STAYS, _rows(changed, "stays"))
        scores = [(school, row) for school, changes in changed for row in changes.scores]
        ended = [(school, row.subject, row.pupil) for school, row in scores if row.first == row.after]
        await self._run(connection, _DELETE_SCORES, ended)
        kept = [(school, row) for school, row in scores if row.first < row.after]
        await self._run(connection, _PUT_SCORES, list(_score_lines(kept)))

    async def _run(self, connection: Any, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            await connection.execute(statement.format(views=self._views), *zip(*rows, strict=True))

    async def _empty(self, connection: Any, table: str, schools: Sequence[str]) -> None:
        if schools:
            await connection.execute(_DELETE_OF_SCHOOLS.format(views=self._views, table=table), schools)


def _rows(changed: Iterable[OfSchool], name: str) -> list[tuple[Any, ...]]:
    """The rows of this name of all schools, each behind its school."""
    return [(school, *row) for school, changes in changed for row in getattr(changes, name)]


def _score_lines(rows: Sequence[tuple[str, ScoreRow]]) -> Iterator[tuple[str, ...]]:
    """The parameters of _PUT_SCORES, row by row."""
    of: Spans | None = None
    columns: list[list[int]] = []
    abilities = ""
    for school, row in rows:
        if row.spans is not of:
            of, abilities = row.spans, _array_text(row.spans.abilities)
            columns = [column.tolist() for column in msgspec.structs.astuple(of)[2:]]
        spans = (f"{{{str(column[row.first : row.after])[1:-1]}}}" for column in columns)
        yield (school, row.subject, row.pupil, abilities, *spans)


def _array_text(texts: Sequence[str]) -> str:
    """Texts as PostgreSQL writes an array of them."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"
