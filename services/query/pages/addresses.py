"""Addresses of pages: a path with parameters, and the parameters of a report without those of one request or list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import urlencode

Pairs: TypeAlias = Sequence[tuple[str, str]]

_OF_ONE_REQUEST = ("min_position", "wait_seconds", "cursor")
_OF_A_LIST = ("row", "cell", "in", "limit", "sort")
_OF_EVERY_REPORT = ("school", "trust", "year_group", "group", "filter", "as_at", "as_known_at")


def address(path: str, pairs: Pairs) -> str:
    """The address of a path with parameters."""
    return f"{path}?{urlencode(pairs)}" if pairs else path


def report_pairs(pairs: Pairs) -> list[tuple[str, str]]:
    """The parameters of a report, without those of one request or of a list of its pupils."""
    return without(pairs, *_OF_ONE_REQUEST, *_OF_A_LIST)


def same_pupils(pairs: Pairs) -> list[tuple[str, str]]:
    """The parameters that every report takes: the pupils and both clocks."""
    return [(name, value) for name, value in pairs if name in _OF_EVERY_REPORT]


def without(pairs: Pairs, *names: str) -> list[tuple[str, str]]:
    """The parameters but those of these names."""
    return [(name, value) for name, value in pairs if name not in names]


def many(pairs: Pairs, name: str) -> tuple[str, ...]:
    """The values of a parameter."""
    return tuple(value for other, value in pairs if other == name)


def one(pairs: Pairs, name: str, default: str = "") -> str:
    """The first value of a parameter."""
    return next(iter(many(pairs, name)), default)
