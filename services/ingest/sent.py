"""What a caller may send, read and checked but not yet decided: the same Structs for rows of files and for events.

A Sent holds what was said and nothing of what is known: no pupil ids, no defaults of a school, no clock. None means
"not given". A day may have been sent as an instant; `localise` turns it into the school's local date, and
`row_key_parts` and `content_parts` want that done before.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, Self
from zoneinfo import ZoneInfo

import msgspec

from schemas.events import State, Subject

SentDay = date | datetime
"""A date, or an instant (with its offset) that becomes the school's local date."""

_NO_CONTENT = frozenset({"source", "recorded_at", "event_id", "type_version"})


def resolve_day(sent_day: SentDay, time_zone: str) -> date:
    """The date that was meant: an instant becomes the date of the wall clock in `time_zone` (an IANA name)."""
    if isinstance(sent_day, datetime):
        return sent_day.astimezone(ZoneInfo(time_zone)).date()
    return sent_day


class Sent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The common part. `recorded_at`: given by a migration, UTC, whole seconds; `event_id`: only events bring one.

    `DAYS` names the fields that hold a SentDay, `PERIOD` those of the start and the inclusive end of a period,
    `DONE_ON` the day of a pupil's work, which cannot lie ahead ("" = it has none).
    """

    DAYS: ClassVar[tuple[str, ...]] = ()
    PERIOD: ClassVar[tuple[str, str] | None] = None
    DONE_ON: ClassVar[str] = ""

    school: str
    source: str = "default"
    reference: str | None = None
    sequence: int = 0
    recorded_at: datetime | None = None
    event_id: str | None = None
    type_version: int = 1

    def has_instants(self) -> bool:
        """Whether a day was sent as an instant, so that the row means nothing before `localise`."""
        for name in self.DAYS:  # noqa: SIM110 - of each row: a generator would cost more than all its days
            if isinstance(getattr(self, name), datetime):
                return True
        return False

    def localise(self, time_zone: str) -> Self:
        """The same with each day as a date; itself if none was sent as an instant."""
        resolved = {
            name: day.astimezone(ZoneInfo(time_zone)).date()
            for name in self.DAYS
            if isinstance(day := getattr(self, name), datetime)
        }
        return msgspec.structs.replace(self, **resolved) if resolved else self


class SentRow(Sent, frozen=True, kw_only=True, gc=False):
    """A Sent that a row of a file of `KIND` can say (an event of the same fields can, too)."""

    KIND: ClassVar[str] = ""

    def row_key_parts(self) -> tuple[str, ...]:
        """What follows source, kind and school in the row's key: the reference if given, else the natural key.

        Without `recorded_at`. The first part tells the two apart, so that they never meet.
        """
        if self.reference is not None:
            return ("reference", self.reference)
        return ("natural", *self._natural_key())

    def content_parts(self) -> tuple[str, ...]:
        """The whole row as sent, normalised, names included, without source and `recorded_at`; "" = not given."""
        values = _content_of(type(self))(self)
        return tuple([value if type(value) is str else _as_text(value) for value in values])

    def _natural_key(self) -> tuple[str, ...]:
        raise NotImplementedError


@cache
def _content_of(row_type: type[SentRow]) -> Callable[[SentRow], tuple[Any, ...]]:
    return attrgetter(*(name for name in row_type.__struct_fields__ if name not in _NO_CONTENT))


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        raise TypeError("a day sent as an instant has no text before it is localised")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


# --- Rows of files, and the events of the same fields ------------------------------------------------------------


class SentSchool(SentRow, frozen=True, kw_only=True, gc=False):
    """A row of `schools`, or SchoolRegistered."""

    KIND = "schools"
    DAYS = ("joined_on", "left_on")
    PERIOD = ("joined_on", "left_on")

    name: str
    trust: str | None = None
    joined_on: SentDay | None = None
    left_on: SentDay | None = None
    nation: str | None = None
    year_starts: int | None = None
    time_zone: str | None = None

    def _natural_key(self) -> tuple[str, ...]:
        return (_as_text(self.joined_on),)


class SentPupil(SentRow, frozen=True, kw_only=True, gc=False):
    """A row of `pupils`, or PupilEnrolled. `pupil` is the source's own reference."""

    KIND = "pupils"
    DAYS = ("enrolled_on", "left_on", "date_of_birth")
    PERIOD = ("enrolled_on", "left_on")

    pupil: str
    enrolled_on: SentDay
    left_on: SentDay | None = None
    year_group: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    date_of_birth: SentDay | None = None
    sex: str | None = None
    upn: str | None = None

    def _natural_key(self) -> tuple[str, ...]:
        return (self.pupil, _as_text(self.enrolled_on))


class SentYearGroup(SentRow, frozen=True, kw_only=True, gc=False):
    """A row of `year-groups`, or YearGroupSet."""

    KIND = "year-groups"
    DAYS = ("starts_on",)

    pupil: str
    year_group: str
    starts_on: SentDay

    def _natural_key(self) -> tuple[str, ...]:
        return (self.pupil, _as_text(self.starts_on))


class SentGroup(SentRow, frozen=True, kw_only=True, gc=False):
    """A row of `groups`, or GroupJoined. `kind` None = class."""

    KIND = "groups"
    DAYS = ("joined_on", "left_on")
    PERIOD = ("joined_on", "left_on")

    group: str
    pupil: str
    joined_on: SentDay
    kind: str | None = None
    left_on: SentDay | None = None

    def _natural_key(self) -> tuple[str, ...]:
        return (self.group, self.pupil, _as_text(self.joined_on))


class SentCharacteristic(SentRow, frozen=True, kw_only=True, gc=False):
    """A row of `characteristics`, or CharacteristicSet."""

    KIND = "characteristics"
    DAYS = ("starts_on", "ends_on")
    PERIOD = ("starts_on", "ends_on")

    pupil: str
    name: str
    value: str
    starts_on: SentDay
    ends_on: SentDay | None = None

    def _natural_key(self) -> tuple[str, ...]:
        return (self.pupil, self.name, _as_text(self.starts_on))


class SentCurriculum(SentRow, frozen=True, kw_only=True):
    """A whole version of a framework: the rows of a file that share its key, a JSON document, or CurriculumPublished.

    For one `school`, for the schools of a `trust`, or (both not given: `school` is "") for every school that the key
    may write. Either `states` or `marks_max` is given.
    """

    KIND = "curriculum"
    DAYS = ("effective_on",)

    school: str = ""
    trust: str | None = None
    framework: str
    version: str
    subjects: tuple[Subject, ...]
    effective_on: SentDay | None = None
    title: str = ""
    states: tuple[State, ...] = ()
    marks_max: int | None = None

    def content_parts(self) -> tuple[str, ...]:
        """As of every row, without school and trust (a version for a trust says to each school what one for the
        school says) and whatever the order of subjects and objectives: a shuffled file says the same."""
        subjects = sorted(
            (
                Subject(item.subject, tuple(sorted(item.objectives, key=lambda each: each.objective)), item.title)
                for item in self.subjects
            ),
            key=lambda item: item.subject,
        )
        return (
            _as_text(self.reference),
            str(self.sequence),
            self.framework,
            self.version,
            _as_text(self.effective_on),
            self.title,
            _as_text(self.marks_max),
            msgspec.json.encode(self.states).decode(),
            msgspec.json.encode(subjects).decode(),
        )

    def _natural_key(self) -> tuple[str, ...]:
        return (self.framework, self.version)


class SentAssessment(SentRow, frozen=True, kw_only=True, gc=False):
    """A row of `assessments`, or ObjectiveAssessed. `state` is a name or a mark, as sent."""

    KIND = "assessments"
    DAYS = ("assessed_on",)
    DONE_ON = "assessed_on"

    pupil: str
    subject: str
    objective: str
    state: str
    assessed_on: SentDay
    framework: str | None = None
    ability: str | None = None

    def _natural_key(self) -> tuple[str, ...]:
        return (self.pupil, self.subject, self.objective, _as_text(self.assessed_on), str(self.sequence))


class SentResult(SentRow, frozen=True, kw_only=True, gc=False):
    """A row of `results`, or ResultRecorded. `score` is canonical; `component` "" = the test has none."""

    KIND = "results"
    DAYS = ("sat_on",)
    DONE_ON = "sat_on"

    pupil: str
    test: str
    subject: str
    score_type: str
    score: str
    sat_on: SentDay
    component: str = ""
    date_precision: str = "day"

    def _natural_key(self) -> tuple[str, ...]:
        return (self.pupil, self.test, self.subject, self.component, self.score_type, _as_text(self.sat_on))


class SentJudgement(SentRow, frozen=True, kw_only=True, gc=False):
    """A row of `judgements`, or JudgementRecorded. `value` as sent, a number or not; `name` may be ""."""

    KIND = "judgements"
    DAYS = ("judged_on",)
    DONE_ON = "judged_on"

    pupil: str
    subject: str
    scale: str
    value: str
    judged_on: SentDay
    name: str = ""

    def _natural_key(self) -> tuple[str, ...]:
        return (self.pupil, self.subject, self.scale, self.name, _as_text(self.judged_on))


# --- Only events -------------------------------------------------------------------------------------------------


class SentTrustJoined(Sent, frozen=True, kw_only=True, gc=False):
    """SchoolJoinedTrust; `joined_on` None = always."""

    DAYS = ("joined_on", "left_on")
    PERIOD = ("joined_on", "left_on")

    trust: str
    joined_on: SentDay | None = None
    left_on: SentDay | None = None


class SentTrustLeft(Sent, frozen=True, kw_only=True, gc=False):
    """SchoolLeftTrust; `trust` None = any."""

    DAYS = ("left_on",)

    left_on: SentDay
    trust: str | None = None


class SentPupilLeft(Sent, frozen=True, kw_only=True, gc=False):
    """PupilLeft; `left_on` is the last day on roll."""

    DAYS = ("left_on",)

    pupil: str
    left_on: SentDay


class SentGroupLeft(Sent, frozen=True, kw_only=True, gc=False):
    """GroupLeft; `left_on` is the last day."""

    DAYS = ("left_on",)

    group: str
    pupil: str
    left_on: SentDay


class SentCharacteristicEnded(Sent, frozen=True, kw_only=True, gc=False):
    """CharacteristicEnded; `ends_on` is the last day."""

    DAYS = ("ends_on",)

    pupil: str
    name: str
    ends_on: SentDay


class SentMerge(Sent, frozen=True, kw_only=True, gc=False):
    """PupilsMerged: two references of one pupil."""

    pupil: str
    other: str


class SentSplit(Sent, frozen=True, kw_only=True, gc=False):
    """PupilsSplit: undoes what merged these two."""

    pupil: str
    other: str


class SentWithdrawal(Sent, frozen=True, kw_only=True, gc=False):
    """FactWithdrawn: `withdraws` is an event id."""

    withdraws: str
    reason: str = ""


AnySent = (
    SentSchool
    | SentPupil
    | SentYearGroup
    | SentGroup
    | SentCharacteristic
    | SentCurriculum
    | SentAssessment
    | SentResult
    | SentJudgement
    | SentTrustJoined
    | SentTrustLeft
    | SentPupilLeft
    | SentGroupLeft
    | SentCharacteristicEnded
    | SentMerge
    | SentSplit
    | SentWithdrawal
)
