"""Schools told fact by fact, for reports of single facts: folded by the projector, read as by the reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from schemas.events import (
    CharacteristicSet,
    FactWithdrawn,
    GroupJoined,
    PupilEnrolled,
    SchoolRegistered,
    State,
    YearGroupFrom,
)
from services.query.answers import Provenance
from services.query.facts_held import HeldFacts
from services.query.facts_known import KnownFacts
from services.query.questions import Reading
from services.query.vectors import NOW, BlockAt, SchoolIndex, SchoolReading, Stored
from tests.builders import Book, day, seconds, subject
from tests.properties.memory_views import MemoryViews

STATES = (State("N", "0", name="Not yet"), State("W", "0.5", name="Working towards"), State("A", "1", name="Achieved"))
OAK_MATHS = subject(
    "maths",
    {**{f"m{n}": "Y3" for n in range(1, 6)}, **{f"n{n}": "Y4" for n in range(1, 5)}},
    year_group={**{f"m{n}": "3" for n in range(1, 6)}, **{f"n{n}": "4" for n in range(1, 5)}},
    strand={**{f"m{n}": "Number" for n in range(1, 6)}, **{f"n{n}": "Number: more" for n in range(1, 5)}},
    text={"m1": "Count in fours"},
)


class _Blocks(Mapping[BlockAt, Stored]):
    """The blocks of views in memory, for whatever month is asked."""

    def __init__(self, views: MemoryViews) -> None:
        self._views = views

    def __getitem__(self, wanted: BlockAt) -> Stored:
        starts = [key for key in self._views.blocks if key.stream == wanted.stream and key.starts <= wanted.month]
        if not starts:
            raise KeyError(wanted)
        key = max(starts, key=lambda each: each.starts)
        return Stored(self._views.blocks[key], tuple(self._views.tails.get(key, ())))

    def __iter__(self) -> Iterator[BlockAt]:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._views.blocks)


def enrol(book: Book, pupil: str, year_group: str, *groups: str, told: str = "2024-09-01", **values: str) -> None:
    """A pupil on roll since September 2024, with groups and characteristics."""
    years = (YearGroupFrom(year_group, day("2024-09-01")),)
    book.tell(PupilEnrolled, told, pupil=pupil, enrolled_on="2024-09-01", year_groups=years)
    for group in groups:
        book.tell(GroupJoined, told, pupil=pupil, group=group, joined_on="2024-09-01")
    for name, value in values.items():
        book.tell(CharacteristicSet, told, pupil=pupil, name=name, value=value, starts_on="2024-09-01")


def tell_oak() -> Book:
    """Class Oak of the worked examples (`domain.md` 4.2), as facts."""
    book = Book("oak")
    book.tell(SchoolRegistered, "2024-09-01", name="Oak")
    book.publish("2024-09-01", OAK_MATHS, states=STATES)
    for pupil, year_group, sex in (("amy", "3", "F"), ("ben", "3", "M"), ("cai", "3", "M"), ("dee", "4", "F")):
        enrol(book, pupil, year_group, "Oak", sex=sex)
    enrol(book, "eli", "3", "Oak")
    for n in range(1, 6):
        book.assess("dee", f"m{n}", "A", "2025-05-10")
    for pupil, on, objective, state in (
        ("amy", "2025-09-20", "m1", "W"),
        ("ben", "2025-10-01", "m1", "A"),
        ("ben", "2025-10-01", "m2", "W"),
    ):
        book.assess(pupil, objective, state, on)
    wrong = book.assess("cai", "m1", "A", "2025-10-03")
    book.assess("amy", "m1", "A", "2025-10-14")
    book.tell(FactWithdrawn, "2025-10-20", withdraws=wrong.event_id, reason="wrong pupil")
    for objective, state in (("n1", "A"), ("n2", "A"), ("n3", "W")):
        book.assess("dee", objective, state, "2025-11-01")
    book.assess("amy", "m2", "A", "2025-11-05")
    book.assess("cai", "m1", "W", "2025-11-11")
    book.assess("amy", "m3", "W", "2025-11-20")
    book.assess("ben", "m2", "N", "2025-12-10")
    book.assess("amy", "m3", "A", "2026-01-15")
    book.assess("ben", "m3", "A", "2025-11-15", told="2026-01-20")
    book.assess("amy", "m4", "N", "2026-02-10")
    return book


def read(*books: Book, known: str | None = None) -> tuple[Reading, dict[str, KnownFacts]]:
    """What the readers would hand to a report, in the order of the books."""
    schools, facts = [], {}
    known_at = NOW if known is None else seconds(known)
    for book in books:
        views = MemoryViews(book.school)
        views.fold(book.history)
        schools.append(SchoolReading(SchoolIndex(views.document), known_at, _Blocks(views)))
        facts[book.school] = KnownFacts(HeldFacts(views.detail, book.history[-1][0] + 1), known_at)
    return Reading(tuple(schools), Provenance(date(2025, 1, 1), None, None, False, {"timeline": 1})), facts
