"""Pure steps that bring an old fact to the next version of its type, before anything else sees it.

One function `upcast_<type>_v<n>_v<n+1>(raw) -> raw` for each step, registered under (type, version it takes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

RawFact = dict[str, Any]

UPCASTERS: dict[tuple[str, int], Callable[[RawFact], RawFact]] = {}


def upcast(raw: RawFact) -> RawFact:
    """Apply every step that stands between the fact's version and the current one."""
    step = UPCASTERS.get((raw["type"], raw.get("version", 1)))
    while step is not None:
        raw = step(raw)
        step = UPCASTERS.get((raw["type"], raw.get("version", 1)))
    return raw


def current_version(type_name: str) -> int:
    """The version of a fact type that this release writes."""
    return 1 + sum(of_type == type_name for of_type, _ in UPCASTERS)
