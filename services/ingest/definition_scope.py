"""What a key may do with definitions: its rights, and the schools and trusts it covers today, as for facts.

Pure over a snapshot of the schools. What is refused is a Problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import chain

from schemas.definitions import ReportSaved, SettingsSaved
from services.access.keys import Access
from services.access.problems import Problem, ProblemError
from services.domain.calendar import local_date
from services.ingest.knowledge import School

RIGHT = "settings"


class Scope:
    """One key beside the schools as they are known at one moment."""

    def __init__(self, access: Access, schools: Mapping[str, School], now: datetime) -> None:
        self.access = access
        self._schools = schools
        self._now = now

    def require_owner(self, school: str, trust: str) -> None:
        """Raise Problem unless the key may save what belongs to this school, or to this trust, and there is one."""
        if school:
            self.require_school(school)
        elif not self.covers_all((), (trust,)):
            raise refused("trust", "forbidden_school", "The trust has schools outside the scope of this key.", 403)
        elif not self._members_of(trust):
            raise refused(
                "trust", "unknown_trust", "No school is a member of the trust today: send the membership first."
            )

    def require_school(self, school: str) -> None:
        """Raise Problem 403 for a school outside the key, whether or not it exists, and 404 for an unknown one."""
        if not self._covers(school):
            raise forbidden()
        if school not in self._schools or not self._schools[school].registered:
            raise Problem(
                404, "unknown_school", "There is no such school", "Send it as schools or SchoolRegistered first."
            )

    def may_see(self, settings: SettingsSaved) -> bool:
        """Whether the settings govern a school that the key covers."""
        if settings.school:
            return self._covers(settings.school)
        return (
            self.access.all
            or settings.trust in self.access.trusts
            or any(self._covers(name) for name in self._members_of(settings.trust))
        )

    def govern(self, settings: SettingsSaved, school: str) -> bool:
        """Whether the settings are the school's own or those of its trust today."""
        if settings.school:
            return settings.school == school
        return settings.trust == self._trust_of(school)

    def may_open(self, report: ReportSaved, maker: str) -> bool:
        """Whether a saved report is the key's own, or shared and within what it covers."""
        return maker == self.access.key_id or (report.shared and self.covers_all(report.schools, report.trusts))

    def covers_all(self, schools: Iterable[str], trusts: Iterable[str]) -> bool:
        """Each of these schools, and each of these trusts: itself, or every member of it today."""
        if self.access.all:
            return True
        members = [self._members_of(trust) for trust in trusts if trust not in self.access.trusts]
        return all(members) and all(map(self._covers, chain(schools, *members)))

    def _covers(self, school: str) -> bool:
        access = self.access
        return access.all or school in access.schools or self._trust_of(school) in access.trusts

    def _members_of(self, trust: str) -> list[str]:
        return [name for name, school in self._schools.items() if school.registered and self._trust_of(name) == trust]

    def _trust_of(self, school: str) -> str | None:
        found = self._schools.get(school)
        return None if found is None else found.trust_on(local_date(self._now, found.time_zone))


def require_right(access: Access) -> None:
    """Raise Problem 403 unless the key may define and save."""
    if not access.may("admin"):
        access.require(RIGHT)


def require_reader(access: Access) -> None:
    """Raise Problem 403 unless the key may read what was defined."""
    if not access.may(RIGHT) and not access.may("admin"):
        access.require("read")


def require_everywhere(access: Access) -> None:
    """Raise Problem 403 unless the key may define what is meant at every school."""
    require_right(access)
    if not access.all:
        raise Problem(
            403,
            "scope_too_narrow",
            "This key may not define what is meant at every school",
            "A test or a scale is the same for all schools: it takes a key of all schools with the right settings.",
        )


def refused(field: str, code: str, detail: str, status: int = 422) -> Problem:
    """A Problem with one fault, at a member of the document."""
    error = ProblemError(code=code, detail=detail, pointer=f"/{field}")
    return Problem(status, code, "The document was refused", detail, [error])


def forbidden() -> Problem:
    """The same whether or not the school exists."""
    return Problem(403, "forbidden_school", "The key does not cover this school", "Use a key that does.")
