"""Class Oak of the worked examples (`domain.md` 4.2), as facts told in the order in which they were known."""

from __future__ import annotations

from fractions import Fraction

from schemas import events as e
from tests.builders import Book, day, seconds, subject
from tests.properties.answers import OracleAnswer, Value
from tests.properties.oracle import answer

Y3 = [f"m{number}" for number in range(1, 6)]
Y4 = [f"n{number}" for number in range(1, 5)]
STATES = {"N": "0", "W": "0.5", "A": "1", "X": "1"}

N, W, A = "N", "W", "A"
END_OF_FEBRUARY = "2026-02-28"


def oak_class(*, states: dict[str, str] = STATES, weights: dict[str, str] | None = None) -> Book:
    """Amy, Ben, Cai, Eli in Y3 and Dee in Y4; `states` and objective `weights` may differ from the fixture's."""
    book = Book("oak")
    book.tell(e.SchoolRegistered, "2024-09-01", name="Oak")
    book.publish(
        "2024-09-01",
        subject(
            "maths",
            {**dict.fromkeys(Y3, "Y3"), **dict.fromkeys(Y4, "Y4")},
            year_group={**dict.fromkeys(Y3, "3"), **dict.fromkeys(Y4, "4")},
            weight=weights or {},
        ),
        states=tuple(e.State(state, weight) for state, weight in states.items()),
    )
    for pupil, year_group in (("amy", "3"), ("ben", "3"), ("cai", "3"), ("dee", "4"), ("eli", "3")):
        years = (e.YearGroupFrom(year_group, day("2025-09-01")),)
        book.tell(e.PupilEnrolled, "2024-09-02", pupil=pupil, enrolled_on="2024-09-02", year_groups=years)
    for objective in Y3:
        book.assess("dee", objective, A, "2025-05-10")
    book.assess("amy", "m1", W, "2025-09-20")
    book.assess("ben", "m1", A, "2025-10-01")
    book.assess("ben", "m2", W, "2025-10-01")
    wrong_pupil = book.assess("cai", "m1", A, "2025-10-03")
    book.assess("amy", "m1", A, "2025-10-14")
    book.tell(e.FactWithdrawn, "2025-10-20", withdraws=wrong_pupil.event_id, reason="wrong pupil")
    for objective, state in (("n1", A), ("n2", A), ("n3", W)):
        book.assess("dee", objective, state, "2025-11-01")
    book.assess("amy", "m2", A, "2025-11-05")
    book.assess("cai", "m1", W, "2025-11-11")
    book.assess("amy", "m3", W, "2025-11-20")
    book.assess("ben", "m2", N, "2025-12-10")
    book.assess("amy", "m3", A, "2026-01-15")
    book.assess("ben", "m3", A, "2025-11-15", told="2026-01-20")
    book.assess("amy", "m4", N, "2026-02-10")
    return book


def ask(book: Book, as_at: str, known: str = END_OF_FEBRUARY) -> OracleAnswer:
    """The oracle's answer for a day, as known at the last second of another."""
    return answer(book.history, day(as_at), seconds(f"{known}T23:59:59"))


def maths(
    book: Book, pupil: str, percent: str, as_at: str, *, ability: str = "Y3", known: str = END_OF_FEBRUARY
) -> Value:
    """A pupil's value in maths."""
    return ask(book, as_at, known).values[pupil, "maths", ability, percent]


def value(numerator: str, denominator: str, percent: int) -> Value:
    """A value as the examples write it: 2.5 of 3 is 83 percent."""
    return Value("value", Fraction(numerator), Fraction(denominator), percent)


NO_DATA = Value("no_data")
NOT_APPLICABLE = Value("not_applicable")
