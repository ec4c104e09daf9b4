"""Answers for a key that may not see small numbers: what is hidden is null, and named in `suppressed`.

A row is hidden alike wherever it stands: a population that is narrowed to a year group, a group, a value or a school
is looked at as the row that it is of the wider one. So each answer is made together with those of its neighbours, which
are asked for as any report is. Which counts are hidden is decided in `services.domain.suppression`, what an answer
counts in `sheets`. What this cannot see: two answers of different days or cut-offs, subtracted from each other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import numpy as np

from services.access.keys import Access
from services.domain.suppression import Mask, Sum, Table, choose_hidden, is_small
from services.query.axis import unpack_words
from services.query.blanking import Pointer, without
from services.query.breakdown import WHOLE, Rows, break_down, parse_row_id, row_id
from services.query.population import gather_cohort
from services.query.questions import Question, Reading
from services.query.requests import By, Population
from services.query.sheets import ALL, SHEETS, Block, Line, Sheet

Key = tuple[str, str]
"""A line: the row that it is inside of (empty: of none), and its own."""
Place = tuple[Key, str, str]
"""A count: its line, block and item."""
Hidden = set[Place]

_PARTS = ("overview", "gld")
"""Where a request holds that of which it is made."""
_YEARS_AND_GROUPS = (By("year-group"), By("group"))

Ask = Callable[[Any], Awaitable[Any]]
"""From a request to its answer, as of somebody who sees everything."""
Read = Callable[[Question], Awaitable[Reading]]


class Narrowing(msgspec.Struct, frozen=True):
    """One way in which a population is narrowed: the wider one, and the rows of it that are left."""

    wider: Population
    by: By
    names: tuple[str, ...]

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows of the wider population that the narrower one consists of."""
        return tuple(row_id(self.by, name) for name in self.names)


class Suppression:
    """Makes one answer without its small numbers."""

    def __init__(self, ask: Ask, read: Read, access: Access, threshold: int) -> None:
        self._ask = ask
        self._read = read
        self._access = access
        self._threshold = threshold

    async def answer(self, report: str, request: Any) -> Any:
        """The answer to `request`, with null for what is hidden. `report` has a sheet."""
        sheet = SHEETS[report]
        if not sheet.narrowed and narrowings(_core(request).population, ()):
            self._access.require_pupils()
        answer = await self._ask(request)
        lines = _lines(sheet, answer, request)
        reading = await self._read_roster(request)
        hidden: Hidden = set()
        for unit in dict.fromkeys(_unit(by) for by in getattr(_core(request), "by", ())):
            hidden |= await self._hidden_in(sheet, _broken_down(request, unit))
        for key, part in _parts(request):
            hidden |= await self._as_part(sheet, part, key, lines, reading)
        hidden = self._hide(lines, self._structure(sheet, request, lines, reading), hidden)
        return without(answer, pointers_of(lines, hidden, self._threshold))

    async def _as_part(self, sheet: Sheet, request: Any, key: Key, lines: Sequence[Line], reading: Reading) -> Hidden:
        """What is hidden of each line where it is a row of a wider population. `key`: the line of all its pupils."""
        hidden: Hidden = set()
        for narrowing in narrowings(_core(request).population, self._parents(reading, request)):
            if not hasattr(_core(request), "by"):
                found = await self._one_by_one(sheet, request, narrowing)
                hidden |= {(key, block, item) for _, block, item in found}
            else:
                hidden |= await self._as_rows(sheet, request, narrowing, lines)
        if getattr(_core(request), "then", ()):
            hidden |= await self._hidden_in(sheet, request)
            hidden |= await self._the_other_way_round(sheet, request, lines)
        return hidden

    async def _as_rows(self, sheet: Sheet, request: Any, narrowing: Narrowing, lines: Sequence[Line]) -> Hidden:
        """What is hidden of each line as a row of the wider population, or of one of its rows."""
        table = _broken_down(request, _unit(narrowing.by))
        siblings = await self._hidden_in(sheet, _changed(table, population=narrowing.wider))
        hidden = _moved(siblings, {("", row): ("", WHOLE) for row in narrowing.rows})
        for by in (by for by in _core(request).by if by != narrowing.by):
            for line in (line for line in lines if not line.inside and _by_of(line.row) == by):
                row = narrow(narrowing.wider, by, _name_of(line.row))
                siblings = await self._hidden_in(sheet, _changed(table, population=row))
                hidden |= _moved(siblings, {("", each): ("", line.row) for each in narrowing.rows})
        return hidden

    async def _the_other_way_round(self, sheet: Sheet, request: Any, lines: Sequence[Line]) -> Hidden:
        """Nested rows, hidden where the outer row is nested in the inner one."""
        core = _core(request)
        turned = _changed(request, by=core.then, then=core.by)
        found = await self._hidden_in(sheet, turned)
        return _moved(found, {(line.row, line.inside): (line.inside, line.row) for line in lines if line.inside})

    async def _one_by_one(self, sheet: Sheet, request: Any, narrowing: Narrowing) -> Hidden:
        """What is hidden of the narrowed rows, in a report that has no rows of its own."""
        reading = await self._read_roster(request, narrowing.wider)
        by = _unit(narrowing.by)
        rows = _rows_of(reading, narrowing.wider, by, _day_of(request))
        lines = []
        for row in rows.ids:
            named = _by_of(row)
            population = narrowing.wider if named is None else narrow(narrowing.wider, named, _name_of(row))
            asked = _changed(request, population=population)
            lines += [msgspec.structs.replace(line, row=row) for line in _lines(sheet, await self._ask(asked), asked)]
        hidden = self._hide(lines, _structure_of(rows, by, (), lines, reading))
        return {place for place in hidden if place[0][1] in narrowing.rows}

    async def _hidden_in(self, sheet: Sheet, request: Any) -> Hidden:
        lines = _lines(sheet, await self._ask(request), request)
        return self._hide(lines, self._structure(sheet, request, lines, await self._read_roster(request)))

    def _hide(self, lines: Sequence[Line], structure: Structure, known: Hidden | None = None) -> Hidden:
        """What is hidden in these lines. All pupils of a row are in each of its blocks, so they are hidden in all."""
        hidden: Hidden = set(known or ())
        names = list(dict.fromkeys(block.name for line in lines for block in line.blocks))
        tables = {name: _Sheeted(name, lines, structure) for name in names}
        waiting = names
        while waiting:
            name, *waiting = waiting
            hidden |= tables[name].hide(hidden, self._threshold)
            rows = {key for key, block, item in hidden if item == ALL and block == name}
            for other in names:
                added = {(key, other, ALL) for key in rows} - hidden
                hidden |= added
                if added and other not in waiting:
                    waiting = [*waiting, other]
        return hidden

    def _structure(self, sheet: Sheet, request: Any, lines: Sequence[Line], reading: Reading) -> Structure:
        core = _core(request)
        by, then = tuple(getattr(core, "by", sheet.by)), tuple(getattr(core, "then", sheet.then))
        rows = _rows_of(reading, core.population, (*by, *then), _day_of(request))
        return _structure_of(rows, by, then, lines, reading)

    async def _read_roster(self, request: Any, population: Population | None = None) -> Reading:
        core = _core(request)
        population = core.population if population is None else population
        return await self._read(Question(population, core.clocks, _day_of(request), lambda _: ()))

    def _parents(self, reading: Reading, request: Any) -> list[Population]:
        """Wider populations than the schools named: the trusts that the key may ask for, and all its schools."""
        population: Population = _core(request).population
        if population.schools is None:
            return []
        day = _day_of(request).toordinal()
        trusts = {
            each.trust
            for school in reading.schools
            for each in school.index.document.memberships
            if each.known_from <= school.known_at < each.known_to and each.starts <= day <= each.ends
        }
        asked = sorted(trust for trust in trusts if self._access.all or trust in self._access.trusts)
        found = [msgspec.structs.replace(population, schools=None, trust=trust) for trust in asked]
        if not self._access.all and self._access.schools > set(population.schools):
            found.append(msgspec.structs.replace(population, schools=tuple(sorted(self._access.schools))))
        return found


class Structure(msgspec.Struct, frozen=True):
    """How the lines of a table hang together: who is in each, and what is added up. The lines after those of the keys
    are worked out by a reader: everybody of a row but a group."""

    keys: tuple[Key, ...]
    members: Mask
    sums: tuple[Sum, ...]
    others: tuple[tuple[int, int], ...]


class _Sheeted:
    """One block of all lines as a table."""

    def __init__(self, name: str, lines: Sequence[Line], structure: Structure) -> None:
        by_key = {(line.inside, line.row): line for line in lines}
        blocks = [_block_of(by_key[key], name) for key in structure.keys]
        self._name, self._keys = name, structure.keys
        self._items = list(dict.fromkeys(item for block in blocks if block for item in block.items))
        cells: dict[str, frozenset[str]] = {}
        for block in blocks:
            for item, found in (block.items if block else {}).items():
                cells[item] = cells.get(item, frozenset()) | found.cells
        every = sorted(frozenset[str]().union(*cells.values()))
        counts = [[_count_in(block, item) for item in self._items] for block in blocks]
        counts += [[a - b for a, b in zip(counts[row], counts[group], strict=True)] for row, group in structure.others]
        implied = np.array([[_is_implied(blocks, item) for item in self._items]] * len(counts), np.bool_)
        implied[len(blocks) :] = True
        number_of = {item: number for number, item in enumerate(self._items)}
        sums = dict.fromkeys(
            Sum(number_of[total], tuple(number_of[part] for part in parts))
            for block in blocks
            for total, parts in (block.sums if block else ())
        )
        self._table = Table(
            counts=np.array(counts, np.int64).reshape(len(counts), len(self._items)),
            rows=structure.members,
            items=np.array([[cell in cells[item] for cell in every] for item in self._items], np.bool_),
            row_sums=structure.sums,
            item_sums=tuple(sums),
            implied=implied.reshape(len(counts), len(self._items)),
        )

    def hide(self, hidden: Hidden, threshold: int) -> Hidden:
        """What is hidden here, with what was before."""
        known = np.zeros(self._table.counts.shape, np.bool_)
        for row, key in enumerate(self._keys):
            for number, item in enumerate(self._items):
                known[row, number] = (key, self._name, item) in hidden
        chosen = choose_hidden(self._table, threshold, known)
        places = np.argwhere(chosen[: len(self._keys)])
        return {(self._keys[row], self._name, self._items[item]) for row, item in places.tolist()}


def narrowings(population: Population, parents: Sequence[Population]) -> list[Narrowing]:
    """Each way in which the population is narrowed."""
    found = [Narrowing(parent, By("school"), tuple(population.schools or ())) for parent in parents]
    if population.year_groups:
        wider = msgspec.structs.replace(population, year_groups=())
        found.append(Narrowing(wider, By("year-group"), population.year_groups))
    if population.groups:
        found.append(Narrowing(msgspec.structs.replace(population, groups=()), By("group"), population.groups))
    for name, values in population.filters:
        kept = tuple(each for each in population.filters if each[0] != name)
        wider = msgspec.structs.replace(population, filters=kept)
        found.append(Narrowing(wider, By("characteristic", name), values))
    return found


def narrow(population: Population, by: By, name: str) -> Population:
    """The pupils of one row of a population. Narrowed that way already, it is the row alone."""
    if by.kind == "school":
        return msgspec.structs.replace(population, trust=None, schools=(name,))
    if by.kind == "year-group":
        return msgspec.structs.replace(population, year_groups=(name,))
    if by.kind == "group":
        return msgspec.structs.replace(population, groups=(name,))
    kept = tuple(each for each in population.filters if each[0] != by.name)
    return msgspec.structs.replace(population, filters=(*kept, (by.name, (name,))))


def pointers_of(lines: Sequence[Line], hidden: Hidden, threshold: int) -> list[Pointer]:
    """Where the numbers stand that are not shown. Of a row of few pupils nothing is."""
    found: dict[Pointer, None] = {}
    for line in lines:
        key = (line.inside, line.row)
        few = any(is_small(block.items[ALL].pupils, threshold) for block in line.blocks)
        for block in line.blocks:
            for name, item in block.items.items():
                if item.pointer is not None and (few or (key, block.name, name) in hidden):
                    found[item.pointer] = None
            for derived in block.derived:
                if few or any((key, block.name, name) in hidden for name in derived.items):
                    found[derived.pointer] = None
        found.update(dict.fromkeys(line.closed))
    return list(found)


def _moved(hidden: Iterable[Place], to: Mapping[Key, Key]) -> Hidden:
    """What is hidden of some lines, as that of others."""
    return {(to[key], block, item) for key, block, item in hidden if key in to}


def _core(request: Any) -> Any:
    """The part of a request that says of whom it is."""
    part = _part_of(request)
    return getattr(request, part) if part else request


def _part_of(request: Any) -> str:
    return next((name for name in _PARTS if hasattr(request, name)), "")


def _changed(request: Any, **changes: Any) -> Any:
    """The request with another population or other rows."""
    part = _part_of(request)
    changed = msgspec.structs.replace(_core(request), **changes)
    return msgspec.structs.replace(request, **{part: changed}) if part else changed


def _unit(by: By) -> tuple[By, ...]:
    """The breakdowns that are looked at together, whichever of them is asked for: classes make up the years."""
    return _YEARS_AND_GROUPS if by in _YEARS_AND_GROUPS else (by,)


def _broken_down(request: Any, by: tuple[By, ...]) -> Any:
    """The request with these rows and no others."""
    then = {"then": ()} if hasattr(_core(request), "then") else {}
    return _changed(request, by=by, **then)


def _parts(request: Any) -> list[tuple[Key, Any]]:
    """The request as requests of one population each, with the line of all its pupils: each column is one."""
    if not hasattr(request, "columns"):
        return [(("", WHOLE), request)]
    found = []
    for number, column in enumerate(request.columns):
        population = request.population
        if column.group:
            population = narrow(population, By("group"), column.group)
        if column.filter is not None:
            population = narrow(population, By("characteristic", column.filter[0]), column.filter[1])
        plain = msgspec.structs.replace(column, group="", filter=None)
        asked = msgspec.structs.replace(request, population=population, columns=(plain,))
        found.append((("", f"column:{number}"), asked))
    return found


def _lines(sheet: Sheet, answer: Any, request: Any) -> list[Line]:
    return sheet.lines(msgspec.to_builtins(answer), getattr(_core(request), "denominator", "row") == "with_data")


def _day_of(request: Any) -> date:
    core = _core(request)
    if hasattr(core, "population_on"):
        day: date = core.population_on
    else:
        day = core.year.roster_on if hasattr(core, "year") else core.clocks.as_at
    return day


def _by_of(row: str) -> By | None:
    named = parse_row_id(row)
    return None if named is None else named[0]


def _name_of(row: str) -> str:
    named = parse_row_id(row)
    return "" if named is None else named[1]


def _block_of(line: Line, name: str) -> Block | None:
    return next((block for block in line.blocks if block.name == name), None)


def _is_implied(blocks: Sequence[Block | None], item: str) -> bool:
    """Whether no answer shows the item."""
    return all(block.items[item].implied for block in blocks if block is not None and item in block.items)


def _count_in(block: Block | None, item: str) -> int:
    return block.items[item].pupils if block is not None and item in block.items else 0


def _rows_of(reading: Reading, population: Population, by: tuple[By, ...], on: date) -> Rows:
    return break_down(gather_cohort(reading.schools, population, on, axis=reading.axis), by)


def _structure_of(
    rows: Rows, by: tuple[By, ...], then: tuple[By, ...], lines: Sequence[Line], reading: Reading
) -> Structure:
    """Who is in each line, which lines add up to which, and what is left of a row without one of its groups. Lines that
    are no rows have nothing to do with each other."""
    keys = [(line.inside, line.row) for line in lines]
    if not {row for key in keys for row in key} <= {"", *rows.ids}:
        return Structure(tuple(keys), np.eye(len(keys), dtype=np.bool_), (), ())
    masks = {row: unpack_words(rows.mask_of(row, reading.axis.words)) for row in ("", *rows.ids)}
    masks[""] = masks[WHOLE]
    members = [masks[inside] & masks[row] for inside, row in keys]
    sums, others = [], []
    for number, (inside, row) in enumerate(keys):
        if inside or (row != WHOLE and not then):
            continue
        parent, breakdowns = ("", by) if row == WHOLE else (row, then)
        for each in breakdowns:
            parts = [n for n, (i, r) in enumerate(keys) if i == parent and r != WHOLE and _by_of(r) == each]
            if each.kind != "group":
                sums += [Sum(number, tuple(parts))] if parts else []
            else:
                others += [(number, part) for part in parts]
    first = len(keys)
    members += [members[row] & ~members[group] for row, group in others]
    sums += [Sum(row, (group, first + number)) for number, (row, group) in enumerate(others)]
    atoms = np.unique(np.array(members, np.bool_), axis=1) if members else np.zeros((0, 0), np.bool_)
    return Structure(tuple(keys), atoms, tuple(sums), tuple(others))
