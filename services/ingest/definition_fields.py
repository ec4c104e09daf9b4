"""The members of JSON objects of a definition, taken out one by one, so that every fault is found, by its pointer.

Pure. What the documents mean is read in `definition_bodies`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

from services.ingest.body_faults import BodyFault, Fault
from services.ingest.columns import nearest
from services.ingest.fields import FieldError, parse_day, shown
from services.ingest.strict_json import escape_pointer

T = TypeVar("T")


class Members:
    """One object and what was found wrong below it; `faults` is one list for the whole document."""

    def __init__(self, value: Any, pointer: str, faults: list[Fault], known: tuple[str, ...] | None) -> None:
        """`known`: the members that it may have; None = any."""
        self.pointer = pointer
        self._faults = faults
        self._members: Mapping[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self._faults.append(Fault(pointer, "not_an_object", "A JSON object is expected here."))
        elif known is not None:
            for name in [each for each in value if each not in known]:
                detail = f"There is no member '{shown(name)}'; did you mean '{nearest(name, known)}'?"
                self.fail(name, "unknown_field", detail)

    def fail(self, name: str, code: str, detail: str) -> None:
        """Note a fault of a member, or of the object itself where there is no name."""
        self._faults.append(Fault(f"{self.pointer}/{escape_pointer(name)}" if name else self.pointer, code, detail))

    def has(self, name: str) -> bool:
        """Whether the member was sent, and not as null."""
        return self._members.get(name) is not None

    def text(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """What the text or number of a member says; the default if it is missing, empty or wrong."""
        value = self._members.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            self.fail(name, "wrong_type", f"{shown(name)} is a text.")
            return default
        if not value.strip():
            return default
        try:
            return parse(value.strip())
        except FieldError as error:
            self.fail(name, error.code, error.detail)
            return default

    def needed(self, name: str, parse: Callable[[str], str]) -> str:
        """The same of a member that must be there."""
        value = self._members.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            self.fail(name, "missing_value", f"{name} is missing or empty: give it.")
            return ""
        return self.text(name, parse, "")

    def flag(self, name: str, default: bool | None = None) -> bool:
        """A member that is true or false; without a default it must be there."""
        value = self._members.get(name, default)
        if isinstance(value, bool):
            return value
        self.fail(name, "invalid_flag", f"{name} is true or false.")
        return False

    def day(self, name: str, today: date) -> date | None:
        """A day of the contract's range, or None."""
        found = self.text(name, lambda text: parse_day(text, today), None)
        return found.date() if isinstance(found, datetime) else found

    def texts(self, name: str, parse: Callable[[str], T], most: int) -> tuple[T, ...]:
        """A list of different texts."""
        found: list[T] = []
        for index, value in enumerate(self._list(name, most)):
            at = f"{name}/{index}"
            if not isinstance(value, str) or not value.strip():
                self._at(at, "wrong_type", "A text is expected here.")
                continue
            try:
                read = parse(value.strip())
            except FieldError as error:
                self._at(at, error.code, error.detail)
                continue
            if read in found:
                self._at(at, "repeated_value", f"'{shown(value)}' stands here twice: keep one.")
            found.append(read)
        return tuple(found)

    def objects(self, name: str, known: tuple[str, ...], most: int) -> Iterator[Members]:
        """The objects of a list."""
        for index, value in enumerate(self._list(name, most)):
            yield Members(value, f"{self.pointer}/{name}/{index}", self._faults, known)

    def named(
        self, name: str, parse: Callable[[str], str], known: tuple[str, ...], most: int
    ) -> Iterator[tuple[str, Members]]:
        """The objects under the members of an object, whose names are read by `parse`."""
        value = self._members.get(name)
        if value is None:
            return
        inside = Members(value, f"{self.pointer}/{name}", self._faults, None)
        if len(inside._members) > most:
            self.fail(name, "out_of_range", f"{name} has {len(inside._members):,} members; at most {most} are taken.")
            return
        for key, each in inside._members.items():
            try:
                yield parse(key), Members(each, f"{inside.pointer}/{escape_pointer(key)}", self._faults, known)
            except FieldError as error:
                inside.fail(key, error.code, error.detail)

    def finish(self) -> None:
        """Raise BodyFault if anything in the document is wrong."""
        if self._faults:
            raise BodyFault(422, tuple(self._faults))

    def _list(self, name: str, most: int) -> list[Any]:
        value = self._members.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fail(name, "wrong_type", f"{name} is a list.")
            return []
        if len(value) > most:
            self.fail(name, "out_of_range", f"{name} has {len(value):,} members; at most {most} are taken.")
            return []
        return value

    def _at(self, place: str, code: str, detail: str) -> None:
        self._faults.append(Fault(f"{self.pointer}/{place}", code, detail))
