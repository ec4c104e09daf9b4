"""From a source's own reference of a pupil to the opaque id that the ledger holds.

The ids are keyed hashes (`schemas.identifiers`), so nothing is stored to find them again; which ids are one person is
decided in the fold (decision 0004). A reference never leaves this room but into `services.access.identities`.
"""

from __future__ import annotations

from schemas import identifiers

_REMEMBERED_MAX = 200_000
_UPN_PREFIX = "upn:"


class PupilIds:
    """Makes pupil ids under one secret, and remembers the latest: a file names the same pupils again and again."""

    def __init__(self, pupil_key: bytes) -> None:
        self.pupil_key = pupil_key
        self._made: dict[tuple[str, str], str] = {}

    def pupil(self, school: str, reference: str) -> str:
        """The id of the pupil that a school calls `reference`."""
        made = self._made.get((school, reference))
        if made is None:
            if len(self._made) >= _REMEMBERED_MAX:
                self._made.clear()
            made = self._made[school, reference] = identifiers.pupil_id(self.pupil_key, school, reference)
        return made

    def person(self, reference: str, upn: str | None) -> str:
        """The id of the person behind an enrolment, by the UPN told with it or in it; "" if none is."""
        known = upn or (reference.removeprefix(_UPN_PREFIX) if reference.startswith(_UPN_PREFIX) else "")
        return identifiers.person_id(self.pupil_key, known) if known else ""
