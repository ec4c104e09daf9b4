"""What a key may choose from: its schools and trusts, and what those have (subjects, groups, characteristics).

For the forms of the pages. It shows what is known now; a report asks the reader. A school's entry is a small summary
of its document, made once for each revision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import asyncpg
import msgspec

from schemas.documents import SchoolDocument, decode_document
from services.access.keys import Access
from services.domain.measures import ANY, OWN_YEAR
from services.query.population import natural_key
from services.query.scope import ViewsUnavailable, add_members, scoped
from services.query.vectors import NOW, SchoolIndex

SCHOOLS_MAX = 1_000
"""Enough for a form; a report may be asked for any school that the key covers."""

_VERSION = "SELECT version FROM projection.active WHERE projection = 'timeline'"
_REVISIONS = """
SELECT d.school, d.revision FROM timeline_v{version}.school_document d
WHERE $1 OR d.school = ANY($2)
   OR d.school IN (SELECT m.school FROM timeline_v{version}.trust_member m WHERE m.trust = ANY($3))
ORDER BY d.school LIMIT $4
"""
_DOCUMENTS = "SELECT school, revision, data FROM timeline_v{version}.school_document WHERE school = ANY($1)"


class Entry(msgspec.Struct, frozen=True):
    """A school as a form offers it. `memberships`: (trust, first day, last day) as known now, as ordinals.

    `abilities` by subject; `yearly`: the subjects whose objectives are tagged with a year group.
    `columns`: the names of its tests and judgements, which are those of their measures.
    `values`: those of each characteristic.
    """

    school: str
    name: str
    memberships: tuple[tuple[str, int, int], ...]
    abilities: Mapping[str, tuple[str, ...]]
    yearly: frozenset[str]
    year_groups: tuple[str, ...]
    groups: tuple[str, ...]
    characteristics: tuple[str, ...]
    columns: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = {}

    def trusts_on(self, day: date) -> list[str]:
        """The trusts that the school belongs to on a day."""
        return [trust for trust, starts, ends in self.memberships if starts <= day.toordinal() <= ends]


class Choices(msgspec.Struct, frozen=True):
    """What the forms of a key may offer, each in natural order."""

    schools: tuple[Entry, ...]
    trusts: tuple[str, ...]

    def measures(self, schools: Sequence[str] = ()) -> list[str]:
        """The measures of these schools, or of all: tests and judgements, then those of markbooks."""
        columns = _in_order(column for entry in self._chosen(schools) for column in entry.columns)
        return [*columns, *self.markbook_measures(schools)]

    def markbook_measures(self, schools: Sequence[str] = ()) -> list[str]:
        """The markbook measures of these schools, or of all."""
        chosen = self._chosen(schools)
        subjects = _in_order(subject for entry in chosen for subject in entry.abilities)
        return [
            f"markbook:{subject}:{ability}:{percent}"
            for subject in subjects
            for ability in (
                OWN_YEAR,
                ANY,
                *_in_order(ability for entry in chosen for ability in entry.abilities.get(subject, ())),
            )
            for percent in ("overall", "assessed")
        ]

    def year_groups(self, schools: Sequence[str] = ()) -> list[str]:
        """The year groups of these schools, or of all."""
        return _in_order(name for entry in self._chosen(schools) for name in entry.year_groups)

    def groups(self, schools: Sequence[str] = ()) -> list[str]:
        """The groups of these schools, or of all."""
        return _in_order(name for entry in self._chosen(schools) for name in entry.groups)

    def characteristics(self, schools: Sequence[str] = ()) -> dict[str, list[str]]:
        """The characteristics of these schools, or of all, with their values."""
        chosen = self._chosen(schools)
        names = _in_order(name for entry in chosen for name in entry.characteristics)
        return {name: _in_order(value for entry in chosen for value in entry.values.get(name, ())) for name in names}

    def subjects(self, schools: Sequence[str] = ()) -> list[str]:
        """The subjects of the markbooks of these schools, or of all."""
        return _in_order(subject for entry in self._chosen(schools) for subject in entry.abilities)

    def abilities(self, schools: Sequence[str] = ()) -> list[str]:
        """The abilities of the markbooks of these schools, or of all, whatever the subject."""
        return _in_order(
            ability for entry in self._chosen(schools) for names in entry.abilities.values() for ability in names
        )

    def ready_measures(self, schools: Sequence[str] = ()) -> dict[str, str]:
        """By subject, the measure to begin with: of each pupil's own year where the curriculum knows years."""
        chosen = self._chosen(schools)
        return {
            subject: f"markbook:{subject}:{OWN_YEAR if yearly else ANY}:overall"
            for subject in _in_order(subject for entry in chosen for subject in entry.abilities)
            for yearly in (any(subject in entry.yearly for entry in chosen),)
        }

    def members(self, trust: str, day: date) -> list[str]:
        """The schools among these that belong to a trust on a day."""
        return [entry.school for entry in self.schools if trust in entry.trusts_on(day)]

    def name_of(self, school: str) -> str:
        """The name of a school; its id if it has none here."""
        return next((entry.name for entry in self.schools if entry.school == school), school)

    def _chosen(self, schools: Sequence[str]) -> list[Entry]:
        return [entry for entry in self.schools if not schools or entry.school in schools]


class Directory:
    """Reads the choices of a key from the views."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._entries: dict[tuple[int, str], tuple[int, Entry]] = {}

    async def choices(self, access: Access, today: date) -> Choices:
        """The schools and trusts that `access` may see today; nothing while there are no views."""
        try:
            async with scoped(self._pool, access) as connection:
                version = await connection.fetchval(_VERSION)
                entries = [] if version is None else await self._read(connection, version, access)
        except ViewsUnavailable:
            entries = []
        seen = [_within(access, entry) for entry in entries if _may_see(access, entry, today)]
        trusts = {trust for entry in seen for trust in entry.trusts_on(today)}
        # a trust is offered if its report would not be refused: to its own key, or to one that covers everything
        return Choices(
            tuple(sorted(seen, key=lambda entry: natural_key(entry.name))),
            tuple(_in_order(trust for trust in trusts if access.all or trust in access.trusts)),
        )

    async def _read(self, connection: asyncpg.Connection, version: int, access: Access) -> list[Entry]:
        await add_members(connection, version, access)
        rows = await connection.fetch(
            _REVISIONS.format(version=version), access.all, list(access.schools), list(access.trusts), SCHOOLS_MAX
        )
        changed = [row["school"] for row in rows if self._held(version, row["school"])[0] != row["revision"]]
        if changed:
            for row in await connection.fetch(_DOCUMENTS.format(version=version), changed):
                self._entries[version, row["school"]] = row["revision"], _summarise(decode_document(row["data"]))
        return [entry for row in rows if (entry := self._held(version, row["school"])[1]) is not None]

    def _held(self, version: int, school: str) -> tuple[int, Entry | None]:
        return self._entries.get((version, school), (-1, None))


def _may_see(access: Access, entry: Entry, today: date) -> bool:
    return access.all or entry.school in access.schools or not access.trusts.isdisjoint(entry.trusts_on(today))


def _within(access: Access, entry: Entry) -> Entry:
    """The entry with the groups that the key is for, if it is for groups."""
    if not access.groups:
        return entry
    return msgspec.structs.replace(entry, groups=tuple(name for name in entry.groups if name in access.groups))


def _summarise(document: SchoolDocument) -> Entry:
    details = SchoolIndex(document).details_at(NOW)
    abilities: dict[str, dict[str, None]] = {}
    for lane in document.lanes:
        abilities.setdefault(lane.subject, {}).update(dict.fromkeys(cell.ability for cell in lane.cells))
    return Entry(
        school=document.school,
        name=details.name if details is not None and details.name else document.school,
        memberships=tuple(
            (each.trust, each.starts, each.ends)
            for each in document.memberships
            if each.known_from <= NOW < each.known_to
        ),
        abilities={subject: tuple(names) for subject, names in abilities.items()},
        yearly=frozenset(lane.subject for lane in document.lanes if any(cell.year_group for cell in lane.cells)),
        year_groups=tuple(value.name for value in document.values if value.kind == "year-group"),
        groups=tuple(value.name for value in document.values if value.kind == "group"),
        characteristics=tuple(dict.fromkeys(value.name for value in document.values if value.kind == "characteristic")),
        columns=document.columns,
        values=_values(document),
    )


def _values(document: SchoolDocument) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for each in document.values:
        if each.kind == "characteristic" and each.value:
            found.setdefault(each.name, {})[each.value] = None
    return {name: tuple(values) for name, values in found.items()}


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(set(names), key=natural_key)
