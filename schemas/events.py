"""The catalogue of facts: one frozen, tagged Struct for each, and nothing else.

A fact is in the past tense, is never changed, and holds no name, no reference and no free text about a pupil.
Encoding and decoding live in `schemas.codec`; what a fact means for a report lives in `services.domain`.
Adding a field with a default is the same version; any other change is a new version with an upcaster; a change of
meaning is a new type.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """The envelope that every fact carries.

    `event_id`: the fact's identity; of two facts of one school with one id the first in the log stands.
    `school`: the partition key; all that decides a school's numbers is in that school's own order.
    `recorded_at`: when the ledger was told, UTC, whole seconds (a migration may bring its own).
    `sequence`: orders two facts of one day; missing = 0. `batch_id`: the import that brought it.
    `key`: for a row of a file, the keyed hash of source, kind, school and row key (32 hex digits); of the facts of one
    key the last told that stands counts. `revision`: counts the facts of a key from 1 (0 = no key).
    `content`: for a row of a file, the keyed hash of the whole row as sent, names included (32 hex digits).
    `given_id`: the event id was chosen by the client. `migrated`: `recorded_at` was given by the client.
    """

    event_id: str
    school: str
    recorded_at: Annotated[datetime, msgspec.Meta(tz=True)]
    version: int = 1
    source: str = "default"
    sequence: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] = 0
    actor: str = ""
    batch_id: str = ""
    key: str = ""
    revision: int = 0
    content: str = ""
    given_id: bool = False
    migrated: bool = False


# --- School ------------------------------------------------------------------------------------------------------


class SchoolRegistered(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="SchoolRegistered", gc=False):
    """A school is known, from now on in every report; None means that this fact says nothing about the field.

    With `trust` it also says a membership from `joined_on` (None = always) to `left_on`, inclusive.
    """

    name: str = ""
    nation: str | None = None
    year_starts: int | None = None
    time_zone: str | None = None
    trust: str | None = None
    joined_on: date | None = None
    left_on: date | None = None


class SchoolJoinedTrust(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="SchoolJoinedTrust", gc=False):
    """The school is a member of `trust` from `joined_on` (None = always) to `left_on`, inclusive."""

    trust: str
    joined_on: date | None = None
    left_on: date | None = None


class SchoolLeftTrust(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="SchoolLeftTrust", gc=False):
    """Closes the membership of `trust` (None = of any) with the latest start not after `left_on`, its last day."""

    left_on: date
    trust: str | None = None


# --- Roster ------------------------------------------------------------------------------------------------------


class YearGroupFrom(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A year group and its first day, as said by an enrolment row."""

    year_group: str
    starts_on: date


class PupilEnrolled(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="PupilEnrolled", gc=False):
    """A pupil is on roll from `enrolled_on` to `left_on`, inclusive.

    `year_groups`: all that rows of this key said so far, each with its first day. `sex` is also the characteristic
    `sex` from `enrolled_on`. `same_person`: a keyed hash of the pupil's UPN (empty = none told): two pupils of one
    school whose standing enrolments have an equal one are one pupil (decision 0004).
    """

    pupil: str
    enrolled_on: date
    left_on: date | None = None
    year_groups: tuple[YearGroupFrom, ...] = ()
    sex: str = ""
    same_person: str = ""


class PupilLeft(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="PupilLeft", gc=False):
    """Closes the enrolment with the latest start not after `left_on`, which is the last day on roll."""

    pupil: str
    left_on: date


class YearGroupSet(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="YearGroupSet", gc=False):
    """The pupil is in `year_group` from `starts_on`, until a later one starts."""

    pupil: str
    year_group: str
    starts_on: date


class GroupJoined(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="GroupJoined", gc=False):
    """The pupil is in a class or user group from `joined_on` to `left_on`, inclusive."""

    pupil: str
    group: str
    joined_on: date
    kind: str = "class"
    left_on: date | None = None


class GroupLeft(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="GroupLeft", gc=False):
    """Closes the membership with the latest start not after `left_on`, its last day."""

    pupil: str
    group: str
    left_on: date


class CharacteristicSet(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="CharacteristicSet", gc=False):
    """The characteristic `name` of the pupil is `value` from `starts_on` to `ends_on`, inclusive."""

    pupil: str
    name: str
    value: str
    starts_on: date
    ends_on: date | None = None


class CharacteristicEnded(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="CharacteristicEnded", gc=False):
    """Closes the value of `name` with the latest start not after `ends_on`, its last day."""

    pupil: str
    name: str
    ends_on: date


class PupilsMerged(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="PupilsMerged", gc=False):
    """`pupil` and `other` are one pupil, for all dates, from the moment that this is told."""

    pupil: str
    other: str


class PupilsSplit(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="PupilsSplit", gc=False):
    """Undoes what was told before it and merged `pupil` and `other`."""

    pupil: str
    other: str


# --- Curriculum --------------------------------------------------------------------------------------------------


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """A named state of assessment. `weight`: a decimal string in 0..1; None for one that counts as not assessed."""

    state: str
    weight: str | None
    name: str = ""
    colour: str = ""
    meaning: str = ""


class Objective(msgspec.Struct, frozen=True, omit_defaults=True):
    """One objective of a subject. `weight`: a decimal string in 0..1000; 0 is out of scope."""

    objective: str
    ability: str
    year_group: str = ""
    strand: str = ""
    text: str = ""
    weight: str = "1"


class Subject(msgspec.Struct, frozen=True, omit_defaults=True):
    """A subject of a framework version and its objectives, in the order of the source."""

    subject: str
    objectives: tuple[Objective, ...]
    title: str = ""


class CurriculumPublished(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="CurriculumPublished"):
    """A whole framework version for one school, in force from `effective_on` (None = always) until the next one.

    Either `states` (named) or `marks_max` (states are marks 0..MAX, worth mark ÷ MAX) is given.
    """

    framework: str
    framework_version: str
    subjects: tuple[Subject, ...]
    effective_on: date | None = None
    title: str = ""
    states: tuple[State, ...] = ()
    marks_max: int | None = None


# --- What pupils have learned ------------------------------------------------------------------------------------


class ObjectiveAssessed(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="ObjectiveAssessed", gc=False):
    """An objective of a subject was assessed as `state` (a name, or a mark as a canonical decimal string)."""

    pupil: str
    subject: str
    objective: str
    state: str
    assessed_on: date


class ResultRecorded(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="ResultRecorded", gc=False):
    """A sitting of a test gave `score` (a canonical decimal string) on `sat_on`; every sitting is kept.

    `component` is empty if the test has none. `date_precision`: how exactly the day is known (`day`, `month`, `year`).
    """

    pupil: str
    test: str
    subject: str
    score_type: str
    score: str
    sat_on: date
    component: str = ""
    date_precision: str = "day"


class JudgementRecorded(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="JudgementRecorded", gc=False):
    """A teacher judged the pupil's work in a subject (empty = none in particular) as `value` of `scale`.

    `name` tells several judgements of one day apart, such as effort and attainment.
    """

    pupil: str
    scale: str
    value: str
    judged_on: date
    subject: str = ""
    name: str = ""


# --- Imports, and any fact ---------------------------------------------------------------------------------------


class ImportStarted(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="ImportStarted", gc=False):
    """The audit record that an import began to touch this school; `batch_id` names it."""

    kind: str


class ImportCompleted(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="ImportCompleted", gc=False):
    """The audit record that an import ended; `accepted` counts the facts of this school."""

    kind: str
    accepted: int


class ImportReversed(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="ImportReversed", gc=False):
    """The audit record of a reversal; the effect is one FactWithdrawn for each fact."""

    withdrawn: int


class FactWithdrawn(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="FactWithdrawn", gc=False):
    """The fact `withdraws` was never there, as known from now on. One that names an unknown id waits for it.

    `withdraws_key`: the key of that fact, if it has one, so that the fold need not look for it.
    """

    withdraws: str
    reason: str = ""
    withdraws_key: str = ""


AnyFact = (
    SchoolRegistered
    | SchoolJoinedTrust
    | SchoolLeftTrust
    | PupilEnrolled
    | PupilLeft
    | YearGroupSet
    | GroupJoined
    | GroupLeft
    | CharacteristicSet
    | CharacteristicEnded
    | PupilsMerged
    | PupilsSplit
    | CurriculumPublished
    | ObjectiveAssessed
    | ResultRecorded
    | JudgementRecorded
    | ImportStarted
    | ImportCompleted
    | ImportReversed
    | FactWithdrawn
)

ALWAYS = date(1990, 1, 1)
"""The day that an absent `effective_on` or `joined_on` stands for; no contract date lies before it."""
