"""What the oracle answers about one school: the shapes only, compared with what the product says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Value:
    """A pupil's value in a measure. `status`: value, no_data or not_applicable; the rest is None but for a value."""

    status: str
    numerator: Fraction | None = None
    denominator: Fraction | None = None
    percent: int | None = None


@dataclass(frozen=True)
class Pupil:
    """One pupil, merged or not. `members`: the ids that are this pupil; `shown`: the one whose reference is shown."""

    members: frozenset[str]
    shown: str
    on_roll: bool
    year_group: str | None
    groups: frozenset[str]
    characteristics: Mapping[str, str]


@dataclass(frozen=True)
class OracleAnswer:
    """All that reports can say about a school for one day and state of knowledge.

    `lanes`: subject → (framework, version) in force. `pupils`: every pupil that the log ever names, by the id first
    seen, on roll or not. `values`: (pupil, subject, ability | any | own-year, overall | assessed) → value, for every
    subject and ability that any version ever named.
    """

    name: str
    nation: str
    year_starts: int
    time_zone: str
    trust: str | None
    lanes: Mapping[str, tuple[str, str]]
    pupils: Mapping[str, Pupil]
    values: Mapping[tuple[str, str, str, str], Value]
