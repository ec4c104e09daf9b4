"""By which settings a report is banded: named or the schools' own, as known, by year group, with their warnings."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from schemas.definitions import SettingsEntry, SettingsSaved
from schemas.documents import FOREVER, Membership
from services.access.keys import ADMINISTRATOR, Access
from services.access.problems import Problem
from services.domain.bands import Bands, parse_bands
from services.domain.measures import parse_measure
from services.domain.progress import DEFAULT_RULE
from services.query.attainment import Attainment, RuleWish
from services.query.banding import Settled, Wish
from services.query.questions import Question
from services.query.requests import Clocks, Population
from tests.unit.query.hand_made import HandMadeSchool, day, reading_of
from tests.unit.query.oak import make_oak

MATHS = "markbook:maths:own-year:overall"
ANY_MEASURE = "markbook:*:own-year:overall"
LOW, HIGH, TOP = "21,36,51,66", "35,50,70,85", "60,70,80,90"
ON = day("2025-11-30")
MAY_SEE_OAK = Access("k1", "oak", False, frozenset({"oak"}), frozenset(), frozenset({"read"}))


class Saved:
    """What was saved, told as the tables of definitions tell it."""

    def __init__(self, *facts: SettingsSaved) -> None:
        self.facts = facts
        self.asked: list[int | None] = []

    async def settings(self, reference: str, known_at: int | None) -> SettingsSaved | None:
        self.asked.append(known_at)
        name, _, version = reference.partition("@")
        found = [
            each for each in self.facts if each.definition == name and (not version or each.number == int(version))
        ]
        return found[-1] if found else None

    async def settings_of(self, schools: Any, trusts: Any, known_at: int | None) -> list[SettingsSaved]:
        self.asked.append(known_at)
        return [each for each in self.facts if each.school in schools or (each.trust and each.trust in trusts)]


def saved(name: str, *entries: tuple[str, str, str], **more: Any) -> SettingsSaved:
    """Settings of Oak, unless told otherwise; entries are (measure, year group, bands)."""
    fields = {"number": 1, "kind": "bands", **more}
    if "trust" not in fields:
        fields.setdefault("school", "oak")
    return SettingsSaved(
        event_id=f"{name}-{fields['number']}",
        definition=f"set_{name}",
        recorded_at=datetime(2025, 9, 1, tzinfo=UTC),
        actor="k1",
        name=name.title(),
        entries=tuple(SettingsEntry(measure=m, year_group=y, bands=b) for m, y, b in entries),
        **fields,
    )


async def settle(
    *facts: SettingsSaved,
    settings: str = "",
    schools: tuple[HandMadeSchool, ...] | None = None,
    access: Access = ADMINISTRATOR,
    on: date = ON,
    measures: tuple[str, ...] = (MATHS,),
    population: dict[str, Any] | None = None,
) -> Settled:
    schools = (make_oak(),) if schools is None else schools
    whom = Population(schools=tuple(s.school for s in schools), **(population or {}))
    question = Question(whom, Clocks(ON, 7), ON, lambda _: ())
    reading = reading_of(*(school.reading() for school in schools))
    definitions = Saved(*facts)
    wishes = [Wish(parse_measure(measure), on, None, settings) for measure in measures]
    settled = await Attainment(definitions).settle(access, question, reading, wishes)  # type: ignore[arg-type]
    assert set(definitions.asked) == {7}
    return settled


def shown(settled: Settled) -> list[tuple[str, int, str | None, str | None]]:
    return [
        (each.id, each.version, each.year_group, ",".join(map(str, each.bands or [])))
        for each in settled.provenance.settings
    ]


def bands(text: str) -> Bands:
    return parse_bands(text, whole_percent=True)


async def refusal(*facts: SettingsSaved, **more: Any) -> tuple[str, str | None]:
    with pytest.raises(Problem) as refused:
        await settle(*facts, **more)
    assert refused.value.status == 422
    return refused.value.code, refused.value.errors[0].parameter


async def test_one_entry_for_all_bands_everybody_and_stands_in_the_provenance() -> None:
    settled = await settle(saved("autumn", (ANY_MEASURE, "", LOW)))
    assert settled.bandings[0].everybody == bands(LOW)
    decoded = msgspec.json.decode(msgspec.json.encode(settled.provenance))["settings"]
    assert decoded == [
        {
            "id": "set_autumn",
            "version": 1,
            "name": "Autumn",
            "measure": MATHS,
            "bands": [21, 36, 51, 66],
            "warning": None,
            "on": "2025-11-30",
            "year_group": None,
        }
    ]


async def test_each_year_group_has_the_most_specific_entry() -> None:
    oak = make_oak()
    oak.enrol("fay")
    settled = await settle(saved("a", (ANY_MEASURE, "", LOW), (ANY_MEASURE, "4", HIGH)), schools=(oak,))
    banding = settled.bandings[0]
    assert banding.everybody is None
    assert (banding.of("oak", "3"), banding.of("oak", None), banding.of("oak", "4")) == (
        bands(LOW),
        bands(LOW),
        bands(HIGH),
    )
    assert shown(settled) == [("set_a", 1, None, LOW), ("set_a", 1, "4", HIGH)]
    named = await settle(saved("b", (ANY_MEASURE, "4", HIGH), (MATHS, "", TOP)))
    assert named.bandings[0].everybody == bands(TOP)


async def test_only_the_entries_of_pupils_who_are_there_count() -> None:
    by_year = saved("a", (ANY_MEASURE, "3", LOW), (ANY_MEASURE, "4", HIGH), (ANY_MEASURE, "6", TOP))
    everyone = await settle(by_year)
    assert shown(everyone) == [("set_a", 1, "3", LOW), ("set_a", 1, "4", HIGH)]
    fours = await settle(by_year, population={"year_groups": ("4",)})
    assert (fours.bandings[0].everybody, shown(fours)) == (bands(HIGH), [("set_a", 1, "4", HIGH)])
    boys = await settle(by_year, population={"filters": (("sex", ("M",)),)})
    assert boys.bandings[0].everybody == bands(LOW)
    nobody = await settle(by_year, population={"groups": ("Nobody",)})
    assert len(nobody.provenance.settings) == 2


async def test_only_some_year_groups_may_have_an_entry() -> None:
    banding = (await settle(saved("a", (ANY_MEASURE, "4", HIGH)))).bandings[0]
    assert (banding.everybody, banding.of("oak", "4"), banding.of("oak", "3")) == (None, bands(HIGH), None)


async def test_settings_by_name_warn_by_each_measures_own_date() -> None:
    fact = saved("spring", (ANY_MEASURE, "", LOW), valid_from=date(2026, 1, 1), valid_to=date(2026, 3, 31))
    for on, warning in ((ON, "outside_validity"), (date(2026, 3, 31), None), (date(2026, 4, 1), "outside_validity")):
        settled = await settle(fact, settings="set_spring", on=on)
        assert [each.warning for each in settled.provenance.settings] == [warning]


async def test_the_schools_own_have_to_be_valid_that_day() -> None:
    spring = saved("spring", (ANY_MEASURE, "", LOW), valid_from=date(2026, 1, 1))
    assert await refusal(spring) == ("no_settings", "bands")
    assert shown(await settle(spring, on=date(2026, 1, 1))) == [("set_spring", 1, None, LOW)]
    assert await refusal() == ("no_settings", "bands")
    assert await refusal(saved("a", ("markbook:*:Y3:overall", "", LOW))) == ("no_settings", "bands")
    assert await refusal(saved("rule", kind="progress", rule=DEFAULT_RULE.shown())) == ("no_settings", "bands")


async def test_a_version_is_named_by_its_number() -> None:
    facts = [saved("a", (MATHS, "", text), number=number) for number, text in ((1, LOW), (2, HIGH))]
    assert shown(await settle(*facts, settings="set_a@1")) == [("set_a", 1, None, LOW)]
    assert shown(await settle(*facts, settings="set_a")) == [("set_a", 2, None, HIGH)]
    assert await refusal(*facts, settings="set_a@3") == ("unknown_settings", "settings")


async def test_settings_of_others_look_as_if_there_were_none() -> None:
    elms = saved("elms", (MATHS, "", LOW), school="elm")
    of_trust = saved("trusts", (MATHS, "", HIGH), trust="woods")
    oak = make_oak()
    assert await refusal(elms, settings="set_elms", access=MAY_SEE_OAK) == ("unknown_settings", "settings")
    assert await refusal(of_trust, settings="set_trusts", access=MAY_SEE_OAK) == ("unknown_settings", "settings")
    oak.memberships.append(Membership(0, FOREVER, "woods", 0, FOREVER))
    member = await settle(of_trust, settings="set_trusts", access=MAY_SEE_OAK, schools=(oak,))
    assert member.bandings[0].everybody == bands(HIGH)
    assert (await settle(elms, settings="set_elms")).bandings[0].everybody == bands(LOW)


async def test_settings_of_the_other_kind_and_without_an_entry_are_refused() -> None:
    rule = saved("rule", kind="progress", rule=DEFAULT_RULE.shown())
    assert await refusal(rule, settings="set_rule") == ("settings_of_other_kind", "settings")
    reading = saved("reading", ("markbook:reading:*:overall", "", LOW))
    assert await refusal(reading, settings="set_reading") == ("no_settings", "settings")


async def test_each_school_has_its_own_before_its_trusts() -> None:
    oak, elm = make_oak(), make_oak()
    elm.school = "elm"
    for school in (oak, elm):
        school.memberships.append(Membership(0, FOREVER, "woods", 0, FOREVER))
    of_trust, of_elm = saved("t", (MATHS, "", LOW), trust="woods"), saved("e", (MATHS, "", HIGH), school="elm")
    banding = (await settle(of_trust, of_elm, schools=(elm, oak))).bandings[0]
    assert (banding.of("oak", "3"), banding.of("elm", "3")) == (bands(LOW), bands(HIGH))
    assert (await settle(of_trust, schools=(elm, oak))).bandings[0].everybody == bands(LOW)
    assert await refusal(of_elm, schools=(elm, oak)) == ("no_settings", "bands")


async def test_bands_of_settings_that_do_not_fit_the_measure_are_refused() -> None:
    decimals = saved("a", ("*:*:*:*", "", "80,99.5,100,110"))
    assert await refusal(decimals, settings="set_a") == ("not_whole", "bands")


async def test_a_rule_by_name() -> None:
    attainment = Attainment(Saved(saved("own", kind="progress", rule="33333,33333,33333,33333,33333")))  # type: ignore[arg-type]
    question = Question(Population(schools=("oak",)), Clocks(ON), ON, lambda _: ())
    reading = reading_of(make_oak().reading())
    rule, provenance = await attainment.settle_rule(
        ADMINISTRATOR, question, reading, RuleWish(ON, settings="set_own"), reading.provenance
    )
    assert rule.shown() == "33333,33333,33333,33333,33333"
    assert [(each.id, each.rule, each.measure, each.bands) for each in provenance.settings] == [
        ("set_own", rule.shown(), None, None)
    ]
    typed, same = await attainment.settle_rule(ADMINISTRATOR, question, reading, RuleWish(ON), reading.provenance)
    assert (typed, same.settings) == (DEFAULT_RULE, [])
