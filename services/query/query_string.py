"""A query string, decoded strictly, and read one parameter after the other so that every fault is named at once.

It knows no report: `services.query.parameters` says which parameters there are and what they mean.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from services.access.problems import Problem, ProblemError

PARAMETERS_MAX = 500
VALUE_LENGTH_MAX = 10_000
_CONTROLS = ("Cc", "Cs", "Zl", "Zp")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

T = TypeVar("T")


class Invalid(ValueError):
    """A value that cannot be read; `code` is for programs, `detail` says how to write it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def decode_escapes(text: str) -> str:
    """`text` without its %XX. Raises Invalid for a broken escape or one that is no UTF-8."""
    if "%" not in text:
        return text
    if _BROKEN_ESCAPE.search(text):
        raise Invalid("malformed_escape", "A % starts two hexadecimal digits; write a % itself as %25.")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid("malformed_escape", "The escapes are not UTF-8.") from None


def decode_query(query: bytes) -> list[tuple[str, str]]:
    """The (name, value) pairs of a query string, `+` standing for a space. Raises Problem 422."""
    pairs: list[tuple[str, str]] = []
    errors: list[ProblemError] = []
    parts = [part for part in query.decode("latin-1").split("&") if part]
    if len(parts) > PARAMETERS_MAX:
        raise refuse([_error("", "too_many_parameters", f"Send at most {PARAMETERS_MAX} parameters.")])
    for part in parts:
        name, _, value = part.encode("latin-1").decode("utf-8", "replace").replace("+", " ").partition("=")
        try:
            pairs.append((_printable(decode_escapes(name)), _printable(decode_escapes(value))))
        except Invalid as invalid:
            errors.append(_error(_shown(name), invalid.code, invalid.detail))
    if errors:
        raise refuse(errors)
    return pairs


def refuse(errors: Sequence[ProblemError]) -> Problem:
    """The 422 that names every fault; its own code is theirs if they share one."""
    codes = {error.code for error in errors}
    code = codes.pop() if len(codes) == 1 else "invalid_parameters"
    names = ", ".join(dict.fromkeys(error.parameter for error in errors if error.parameter))
    detail = errors[0].detail if len(errors) == 1 else f"Correct {names}."
    return Problem(422, code, "The parameters cannot be answered", detail, errors)


class Parameters:
    """The parameters of one request, taken out one by one; `finish` refuses what nobody took and what was wrong."""

    def __init__(self, pairs: Sequence[tuple[str, str]], known: Collection[str]) -> None:
        self._values: dict[str, list[str]] = {}
        self._errors: list[ProblemError] = []
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)
        for name in self._values:
            if name not in known:
                self._errors.append(_error(_shown(name), "unknown_parameter", _suggest(name, known)))
        for name, values in self._values.items():
            if name in known and not all(value.strip() for value in values):
                self.fail(name, "empty_parameter", "Give a value, or leave the parameter out.")

    def fail(self, parameter: str, code: str, detail: str) -> None:
        """Note a fault."""
        self._errors.append(_error(parameter, code, detail))

    def has(self, name: str) -> bool:
        """Whether the parameter was sent."""
        return name in self._values

    def many(self, name: str, read: Callable[[str], T]) -> tuple[T, ...]:
        """What the parameter's values say, in order; a wrong one is a fault and left out."""
        found = []
        for value in self._values.get(name, ()):
            if value.strip():
                try:
                    found.append(read(value.strip()))
                except Invalid as invalid:
                    self.fail(name, invalid.code, invalid.detail)
        return tuple(found)

    def distinct(self, name: str, read: Callable[[str], T]) -> tuple[T, ...]:
        """As `many`; what stands twice counts once."""
        return tuple(dict.fromkeys(self.many(name, read)))

    def one(self, name: str, read: Callable[[str], T], default: T) -> T:
        """What the parameter says; `default` if it was not sent or is wrong. Sent twice is a fault."""
        if len(self._values.get(name, ())) > 1:
            self.fail(name, "repeated_parameter", "Send this parameter once.")
            return default
        found = self.many(name, read)
        return found[0] if found else default

    def finish(self) -> None:
        """Raise Problem 422 if anything was wrong."""
        if self._errors:
            raise refuse(self._errors)


def choice(choices: Mapping[str, T]) -> Callable[[str], T]:
    """A reader of one of a few words."""

    def read(text: str) -> T:
        if text not in choices:
            raise Invalid("unknown_value", f"Use one of {', '.join(choices)}.")
        return choices[text]

    return read


def _printable(text: str) -> str:
    if len(text) > VALUE_LENGTH_MAX:
        raise Invalid("value_too_long", f"A value has at most {VALUE_LENGTH_MAX} characters.")
    if not text.isprintable() and any(unicodedata.category(character) in _CONTROLS for character in text):
        raise Invalid("unprintable_character", "Control characters are not taken.")
    return text


def _suggest(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    question = f"Did you mean {near[0]}? " if near else ""
    return f"{question}The parameters here are {', '.join(known)}."


def _shown(name: str) -> str:
    return name[:80]


def _error(parameter: str, code: str, detail: str) -> ProblemError:
    return ProblemError(code=code, detail=detail, parameter=parameter)
