"""The forms of score tracking and the matrix: what their fields send becomes the report's own parameters, and back.

Each field is a parameter; empty ones are left out, and the day of a side of a matrix is a field of its own. Pure;
whether the parameters are right is for `services.query.parameters`.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.query.pages.overview_form import MARK, Pairs

SIDES = ("first", "second")
_DAY_FIELD = {f"{side}_day": side for side in SIDES}


def parameters_of_plain_form(pairs: Pairs) -> list[tuple[str, str]]:
    """The parameters that the fields stand for, without what was left empty."""
    filled = [(name, value.strip()) for name, value in pairs if name != MARK and value.strip()]
    days = {_DAY_FIELD[name]: value for name, value in filled if name in _DAY_FIELD}
    return [
        (name, f"{value}@{days[name]}" if name in days else value) for name, value in filled if name not in _DAY_FIELD
    ]


def fields_of_parameters(pairs: Pairs) -> Mapping[str, tuple[str, ...]]:
    """The content of the fields by name, for the parameters of an address, right or wrong."""
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in SIDES:
            value, at, day = value.partition("@")
            fields.setdefault(f"{name}_day", []).extend([day] if at else [])
        fields.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in fields.items()}
