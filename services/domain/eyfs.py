"""The Early Years Foundation Stage Profile: its goals, the total and the good level of development (`domain.md` 3.1).

The profiles until 2021 and since have the same codes for other goals, so a goal is named only beside its profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

GLD_GOALS = 12
"""The good level of development asks for the first twelve goals, in either profile."""
EXEMPT = "A"
EXPECTED = 2

Gld = Literal["yes", "no", "incomplete", "exempt"]


class InvalidProfile(ValueError):
    """A goal or value that a profile does not have. `code` is for programs, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Area(msgspec.Struct, frozen=True):
    """An area of learning and its goals, in the order of their codes."""

    area: str
    name: str
    prime: bool
    goals: tuple[str, ...]


class Profile(msgspec.Struct, frozen=True):
    """A profile: its areas in the order of the codes, and the highest value of a goal."""

    profile: str
    highest: int
    areas: tuple[Area, ...]

    def goals(self) -> dict[str, tuple[Area, str]]:
        """For each code the area and the name of the goal."""
        listed = [(area, goal) for area in self.areas for goal in area.goals]
        return {f"E{number:02}": found for number, found in enumerate(listed, 1)}


class ProfileResult(msgspec.Struct, frozen=True):
    """What the values of one pupil come to; total and goals expected only where all goals have a number."""

    gld: Gld
    total: int | None
    expected: int | None


EYFSP = Profile(
    "eyfsp",
    2,
    (
        Area(
            "communication", "Communication and language", True, ("Listening, attention and understanding", "Speaking")
        ),
        Area(
            "personal",
            "Personal, social and emotional development",
            True,
            ("Self-regulation", "Managing self", "Building relationships"),
        ),
        Area("physical", "Physical development", True, ("Gross motor skills", "Fine motor skills")),
        Area("literacy", "Literacy", False, ("Comprehension", "Word reading", "Writing")),
        Area("mathematics", "Mathematics", False, ("Number", "Numerical patterns")),
        Area(
            "world",
            "Understanding the world",
            False,
            ("Past and present", "People, culture and communities", "The natural world"),
        ),
        Area(
            "arts", "Expressive arts and design", False, ("Creating with materials", "Being imaginative and expressive")
        ),
    ),
)
EYFSP_2013 = Profile(
    "eyfsp-2013",
    3,
    (
        Area(
            "communication",
            "Communication and language",
            True,
            ("Listening and attention", "Understanding", "Speaking"),
        ),
        Area("physical", "Physical development", True, ("Moving and handling", "Health and self-care")),
        Area(
            "personal",
            "Personal, social and emotional development",
            True,
            ("Self-confidence and self-awareness", "Managing feelings and behaviour", "Making relationships"),
        ),
        Area("literacy", "Literacy", False, ("Reading", "Writing")),
        Area("mathematics", "Mathematics", False, ("Numbers", "Shape, space and measures")),
        Area("world", "Understanding the world", False, ("People and communities", "The world", "Technology")),
        Area(
            "arts",
            "Expressive arts and design",
            False,
            ("Exploring and using media and materials", "Being imaginative"),
        ),
    ),
)


PROFILES = (EYFSP, EYFSP_2013)
GOALS = tuple(EYFSP.goals())
"""The codes of the goals, E01 to E17, which are those of either profile."""


def judge_profile(values: Mapping[str, str], profile: Profile = EYFSP) -> ProfileResult:
    """The good level of development, the total and the goals expected of one pupil. Raises InvalidProfile.

    One exemption exempts from all goals. One of the first twelve below expected is a No, whatever is missing.
    """
    codes = list(profile.goals())
    allowed = (EXEMPT, *(str(value) for value in range(1, profile.highest + 1)))
    for code, value in values.items():
        if code not in codes:
            raise InvalidProfile("unknown_goal", f"{code[:40]!r} is no goal of {profile.profile}; they are E01 to E17")
        if value not in allowed:
            raise InvalidProfile("unknown_value", f"{value[:40]!r} is none of {', '.join(allowed)} ({profile.profile})")
    if EXEMPT in values.values():
        return ProfileResult("exempt", None, None)
    numbers = {code: int(value) for code, value in values.items()}
    complete = len(numbers) == len(codes)
    below = any(numbers.get(code, EXPECTED) < EXPECTED for code in codes[:GLD_GOALS])
    return ProfileResult(
        gld="no" if below else "yes" if complete else "incomplete",
        total=sum(numbers.values()) if complete else None,
        expected=sum(value >= EXPECTED for value in numbers.values()) if complete else None,
    )
