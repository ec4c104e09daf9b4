"""The cut-offs and rules of a report: typed with it, saved under a name, or the schools' own that are valid that day.

Settings are those known at the report's own knowledge time. What an entry says is for `services.domain`; who is banded
by it, for `services.query.banding`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Literal

import msgspec
import numpy as np

from schemas.definitions import SettingsSaved
from services.access.keys import Access
from services.access.problems import Problem, ProblemError
from services.domain.attainment_settings import find_entry
from services.domain.bands import Bands, InvalidBands, bind_bands, parse_bands
from services.domain.progress import DEFAULT_RULE, ProgressRule, parse_rule
from services.query.answers import Provenance, SettingsUsed
from services.query.banding import Banding, Settled, Wish
from services.query.definitions import Chosen, Definitions, choose_settings, settings_of_fact
from services.query.population import gather_cohort
from services.query.questions import Question, Reading, knowledge_time
from services.query.school_index import SchoolIndex
from services.query.stored import WORD_BITS

Kind = Literal["bands", "progress"]
_NOBODY = ""
"""Stands for the school of a report without schools."""


class RuleWish(msgspec.Struct, frozen=True):
    """The progress rule that is asked for: typed, or that of the `settings` named, looked at on a day."""

    on: date
    rule: ProgressRule = DEFAULT_RULE
    settings: str = ""


class Attainment:
    """Settles by which cut-offs and rules a report is made. Each method raises Problem 422."""

    def __init__(self, definitions: Definitions | None) -> None:
        """Without `definitions` there are no settings."""
        self._definitions = definitions

    async def settle(self, access: Access, question: Question, reading: Reading, wishes: Sequence[Wish]) -> Settled:
        """The banding of each wish in its order, and the provenance with the settings that were used."""
        bandings: list[Banding] = []
        used: list[SettingsUsed] = []
        own: dict[str, list[SettingsSaved]] | None = None
        for wish in wishes:
            if wish.bands is not None:
                bandings.append(Banding(_bind(wish.bands, wish)))
                continue
            if wish.settings:
                fact = await self._named(access, question, reading, wish.settings, "bands", wish.named_by)
                chosen = _choose_named(fact, reading, wish)
            else:
                own = await self._own(question, reading) if own is None else own
                chosen = _choose_own(own, reading, wish)
            chosen = _of_those_there(chosen, question, reading, wish)
            bandings.append(_banding_of(chosen, wish))
            used += _used(chosen, wish)
        return Settled(tuple(bandings), _with_settings(reading.provenance, used))

    async def settle_rule(
        self, access: Access, question: Question, reading: Reading, wish: RuleWish, provenance: Provenance
    ) -> tuple[ProgressRule, Provenance]:
        """The rule, and the provenance with the settings that it is of."""
        if not wish.settings:
            return wish.rule, provenance
        fact = await self._named(access, question, reading, wish.settings, "progress", "rule")
        settings = settings_of_fact(fact)
        rule = parse_rule(fact.rule)
        told = SettingsUsed(
            id=settings.settings,
            version=settings.version,
            name=settings.name,
            measure=None,
            bands=None,
            warning=settings.warning(wish.on),
            on=wish.on,
            rule=rule.shown(),
        )
        return rule, msgspec.structs.replace(provenance, settings=[*provenance.settings, told])

    async def _named(
        self, access: Access, question: Question, reading: Reading, name: str, kind: Kind, parameter: str
    ) -> SettingsSaved:
        """The settings called so, if who asks may see them; all others look as if there were none."""
        known_at = question.clocks.as_known_at
        fact = None if self._definitions is None else await self._definitions.settings(name, known_at)
        if fact is None or not _may_see(access, question, reading, fact):
            detail = f"There are no settings {name[:80]}, or they were not known then: GET /v1/settings lists them."
            raise _refused("unknown_settings", detail, parameter)
        if fact.kind != kind:
            detail = f"{name} are settings of the kind {fact.kind}; here settings of the kind {kind} are needed."
            raise _refused("settings_of_other_kind", detail, parameter)
        return fact

    async def _own(self, question: Question, reading: Reading) -> dict[str, list[SettingsSaved]]:
        """Of each school its own settings and those of its trusts on the day of the roster."""
        trusts = {school.index.school: _trusts_of(school.index, question) for school in reading.schools}
        if not reading.schools:
            trusts[_NOBODY] = {question.population.trust or ""}
        every = frozenset[str]().union(*trusts.values())
        schools = [name for name in trusts if name != _NOBODY]
        facts: list[SettingsSaved] = []
        if self._definitions is not None:
            facts = await self._definitions.settings_of(schools, every, question.clocks.as_known_at)
        by_owner: dict[tuple[str, str], list[SettingsSaved]] = {}
        for fact in facts:
            by_owner.setdefault((fact.school, fact.trust), []).append(fact)
        return {
            school: [
                fact
                for owner in ((school, ""), *(("", trust) for trust in sorted(of) if trust))
                for fact in by_owner.get(owner, ())
            ]
            for school, of in trusts.items()
        }


def _trusts_of(index: SchoolIndex, question: Question) -> set[str]:
    day, known_at = question.on.toordinal(), knowledge_time(question.clocks)
    return {
        each.trust
        for each in index.document.memberships
        if each.known_from <= known_at < each.known_to and each.starts <= day <= each.ends
    }


def _may_see(access: Access, question: Question, reading: Reading, fact: SettingsSaved) -> bool:
    """Whether the key covers whose settings they are, or they govern a school that this report is about."""
    if access.all or fact.school in access.schools or fact.trust in access.trusts:
        return True
    indexes = [school.index for school in reading.schools]
    if fact.school:
        return any(index.school == fact.school for index in indexes)
    return any(fact.trust in _trusts_of(index, question) for index in indexes)


_Choices = Mapping[tuple[str, str | None], Chosen | None]
"""What was chosen for the pupils of each school and year group (None = not known), if anything."""


def _choose_named(fact: SettingsSaved, reading: Reading, wish: Wish) -> _Choices:
    settings = settings_of_fact(fact)

    def choose(_: Sequence[SettingsSaved], year_group: str | None) -> Chosen | None:
        entry = find_entry(settings.entries, wish.measure.undated, year_group)
        return None if entry is None else Chosen(settings, entry)

    found = _choose({school: [fact] for school in _schools(reading)}, reading, choose)
    if not any(found.values()):
        detail = f"The settings {settings.name} ({settings.settings}) say nothing of {wish.measure.text}."
        raise _refused("no_settings", detail, wish.named_by)
    return found


def _choose_own(own: Mapping[str, Sequence[SettingsSaved]], reading: Reading, wish: Wish) -> _Choices:
    """What each school's own settings say. A school of which they say nothing refuses the report."""

    def choose(facts: Sequence[SettingsSaved], year_group: str | None) -> Chosen | None:
        return choose_settings(facts, "bands", wish.measure.undated, wish.on, year_group)

    found = _choose(own, reading, choose)
    told = {school for (school, _), chosen in found.items() if chosen is not None}
    lacking = [school for school in own if school not in told]
    if lacking:
        whose = f"School {', '.join(lacking[:5])} has" if any(lacking) else "The trust has"
        detail = (
            f"{whose} no settings for {wish.measure.text} that are valid on {wish.on}: "
            f"give four cut-offs ({wish.parameter}=35,50,70,85) or name settings (settings=ID)."
        )
        raise _refused("no_settings", detail, wish.parameter)
    return found


def _choose(
    facts_of: Mapping[str, Sequence[SettingsSaved]],
    reading: Reading,
    choose: Callable[[Sequence[SettingsSaved], str | None], Chosen | None],
) -> _Choices:
    """The choice for each year group of each school. Schools with the same settings are looked at once."""
    made: dict[tuple[tuple[str, ...], str | None], Chosen | None] = {}
    found: dict[tuple[str, str | None], Chosen | None] = {}
    year_groups = {school.index.school: [name for _, name in school.index.year_groups] for school in reading.schools}
    for school, facts in facts_of.items():
        named = {entry.year_group for fact in facts for entry in fact.entries}
        ids = tuple(fact.event_id for fact in facts)
        for year_group in (None, *year_groups.get(school, ())):
            looked_at = (ids, year_group if year_group in named else None)
            if looked_at not in made:
                made[looked_at] = choose(facts, looked_at[1])
            found[school, year_group] = made[looked_at]
    return found


def _of_those_there(choices: _Choices, question: Question, reading: Reading, wish: Wish) -> _Choices:
    """What was chosen for the year groups that the report's pupils are in on the measure's day; all of it if it is one
    and the same, or if nobody is there."""
    if len(set(choices.values())) == 1:
        return choices
    cohort = gather_cohort(reading.schools, question.population, question.on, axis=reading.axis)
    numbers = cohort.axis.year_groups(wish.on)[cohort.places]
    names: dict[int, str | None] = {number: name for name, number in cohort.axis.year_group_names.items()}
    starts = np.searchsorted(cohort.places, np.array(cohort.axis.word_starts) * WORD_BITS)
    there = {
        (school.index.school, names.get(number))
        for school, first, last in zip(cohort.schools, starts, starts[1:], strict=False)
        for number in np.unique(numbers[first:last]).tolist()
    }
    return {group: chosen for group, chosen in choices.items() if group in there} or choices


def _schools(reading: Reading) -> list[str]:
    return [school.index.school for school in reading.schools] or [_NOBODY]


def _banding_of(choices: _Choices, wish: Wish) -> Banding:
    bands = {group: _read_bands(chosen, wish) for group, chosen in choices.items() if chosen is not None}
    distinct = set(bands.values())
    return Banding(distinct.pop()) if len(distinct) == 1 and len(bands) == len(choices) else Banding(None, bands)


def _read_bands(chosen: Chosen, wish: Wish) -> Bands:
    try:
        return _bind(parse_bands(chosen.entry.bands, whole_percent=wish.measure.kind == "markbook"), wish)
    except InvalidBands as invalid:
        detail = f"The bands {chosen.entry.bands} of the settings {chosen.settings.name} do not fit: {invalid.detail}."
        raise _refused(invalid.code, detail, wish.parameter) from None


def _bind(bands: Bands, wish: Wish) -> Bands:
    """The bands with the places of the values of a scale that they name."""
    try:
        return bind_bands(bands, wish.measure.scoring, wish.measure.text)
    except InvalidBands as invalid:
        raise _refused(invalid.code, f"{invalid.detail[:1].upper()}{invalid.detail[1:]}.", wish.parameter) from None


def _used(choices: _Choices, wish: Wish) -> list[SettingsUsed]:
    """The entries that were chosen, each once."""
    return [
        SettingsUsed(
            id=chosen.settings.settings,
            version=chosen.settings.version,
            name=chosen.settings.name,
            measure=wish.measure.text,
            bands=_read_bands(chosen, wish).shown(),
            warning=chosen.settings.warning(wish.on),
            on=wish.on,
            year_group=chosen.entry.year_group or None,
        )
        for chosen in dict.fromkeys(choices.values())
        if chosen is not None
    ]


def _with_settings(provenance: Provenance, used: Sequence[SettingsUsed]) -> Provenance:
    """The provenance with settings, each once."""
    if not used:
        return provenance
    settings = [each for number, each in enumerate(used) if each not in used[:number]]
    return msgspec.structs.replace(provenance, settings=settings)


def _refused(code: str, detail: str, parameter: str) -> Problem:
    errors = [ProblemError(code=code, detail=detail, parameter=parameter)]
    return Problem(422, code, "The parameters cannot be answered", detail, errors)
