"""Class Oak of the worked examples (`domain.md` 4.2): five pupils, maths, 2025/26."""

from __future__ import annotations

from tests.unit.query.hand_made import HandMadeSchool

Y3 = {f"m{n}": ("Y3", "3", 1) for n in range(1, 6)}
Y4 = {f"n{n}": ("Y4", "4", 1) for n in range(1, 5)}


def make_oak() -> HandMadeSchool:
    """The fixture of 4.2."""
    school = HandMadeSchool("oak")
    school.teach("maths", Y3 | Y4)
    for pupil, year_group, sex in (
        ("amy", "3", "F"),
        ("ben", "3", "M"),
        ("cai", "3", "M"),
        ("dee", "4", "F"),
        ("eli", "3", ""),
    ):
        school.enrol(pupil, year_group, groups=("Oak",), **({"sex": sex} if sex else {}))

    def assess(pupil: str, on: str, objective: str, state: str, **told: str) -> None:
        school.assess(pupil, "maths", objective, state, on, **told)

    assess("amy", "2025-09-20", "m1", "W")
    assess("amy", "2025-10-14", "m1", "A")
    assess("amy", "2025-11-05", "m2", "A")
    assess("amy", "2025-11-20", "m3", "W")
    assess("amy", "2026-01-15", "m3", "A")
    assess("amy", "2026-02-10", "m4", "N")
    assess("ben", "2025-10-01", "m1", "A")
    assess("ben", "2025-10-01", "m2", "W")
    assess("ben", "2025-12-10", "m2", "N")
    assess("ben", "2025-11-15", "m3", "A", recorded="2026-01-20")
    assess("cai", "2025-10-03", "m1", "A", withdrawn="2025-10-20")
    assess("cai", "2025-11-11", "m1", "W")
    for n in range(1, 6):
        assess("dee", "2025-05-10", f"m{n}", "A")
    assess("dee", "2025-11-01", "n1", "A")
    assess("dee", "2025-11-01", "n2", "A")
    assess("dee", "2025-11-01", "n3", "W")
    return school
