"""All areas of learning of one pupil: the profile of a year, and the markbooks of early years, age range by age range.

Pure. A profile that the year lacks still has its areas and goals, with no data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from services.domain.eyfs import GOALS, PROFILES, Gld, Profile
from services.domain.measures import Measure
from services.query.answers import Provenance, Pupil, Value
from services.query.external_requests import EyfsPupilRequest
from services.query.questions import SINGLE_FACTS, Moment, Question
from services.query.reports.gld import gld_of, profile_at, profile_of_year
from services.query.reports.listing import Column, Listed, values_of
from services.query.school_index import SchoolIndex

REPORT = "eyfs-pupil"
EARLY_YEARS = "eyfs"
"""How the frameworks of early years begin."""


class AreaValue(Value, frozen=True, kw_only=True, gc=False):
    """The value of a goal (`id` E01 …), or of an age range of a markbook (`id` its ability)."""

    id: str
    name: str


class AreaShown(msgspec.Struct, frozen=True):
    """An area of learning. `prime` None: of a markbook, which does not say."""

    area: str
    name: str
    prime: bool | None
    values: list[AreaValue]


class EyfsPupil(msgspec.Struct, frozen=True):
    """GET /v1/reports/eyfs-pupil. `total`, `gld`: of the profile."""

    report: str
    provenance: Provenance
    pupil: Pupil
    year: str
    framework: str
    areas: list[AreaShown]
    total: int | None
    gld: Gld


def question(request: EyfsPupilRequest) -> Question:
    """What the report needs of the views: the markbooks of early years, and single facts for the profile."""
    on = request.clocks.as_at

    def moments(indexes: Sequence[SchoolIndex]) -> Iterator[Moment]:
        yield Moment(on, column=SINGLE_FACTS)
        yield from (Moment(on, subject) for subject in dict.fromkeys(s for index in indexes for s in _subjects(index)))

    return Question(request.population, request.clocks, on, moments)


def answer(provenance: Provenance, request: EyfsPupilRequest, listed: Listed, pupil: Pupil) -> EyfsPupil:
    """The report of one pupil. `pupil`: as who asks may see the pupil."""
    school = listed.school
    found = profile_at(school, request.year, max(school.index.slots, listed.slot + 1))
    profile = profile_of_year(request.year)
    told: dict[str, str] = {}
    total, verdict = -1, "incomplete"
    if found is not None:
        values, judged = found
        told, total, verdict = values.of_slot(listed.slot), int(judged.total[listed.slot]), gld_of(judged, listed.slot)
        number = int(values.profiles[listed.slot])
        profile = PROFILES[number] if number >= 0 else profile
    return EyfsPupil(
        report=REPORT,
        provenance=provenance,
        pupil=pupil,
        year=request.year.label,
        framework=profile.profile,
        areas=[*_profile_areas(profile, told), *_markbook_areas(listed, request)],
        total=None if total < 0 else total,
        gld=verdict,  # type: ignore[arg-type]  # one of its words, from gld_of or above
    )


def _profile_areas(profile: Profile, told: dict[str, str]) -> Iterator[AreaShown]:
    codes = iter(GOALS)
    for area in profile.areas:
        values = [_goal(code, name, told.get(code)) for name, code in zip(area.goals, codes, strict=False)]
        yield AreaShown(area.area, area.name, area.prime, values)


def _goal(code: str, name: str, told: str | None) -> AreaValue:
    if told is None:
        return AreaValue("no_data", id=code, name=name)
    if told.isdecimal():
        return AreaValue("value", value=told, id=code, name=name)
    return AreaValue("excluded", code=told, id=code, name=name)


def _markbook_areas(listed: Listed, request: EyfsPupilRequest) -> Iterator[AreaShown]:
    """The subjects of the school's markbooks of early years, as on the day."""
    index, on = listed.school.index, request.clocks.as_at
    for subject in _subjects(index):
        lane = index.lane_at(subject, on.toordinal(), listed.school.known_at)
        if lane is None or not _is_early(lane.framework):
            continue
        abilities = list(dict.fromkeys(cell.ability for cell in lane.cells))
        columns = [Column(_measure(subject, ability), on) for ability in abilities]
        values = values_of((listed,), columns)[0]
        shown = [
            AreaValue(**msgspec.structs.asdict(value), id=ability, name=ability)
            for ability, value in zip(abilities, values, strict=True)
        ]
        yield AreaShown(subject, subject, None, shown)


def _subjects(index: SchoolIndex) -> list[str]:
    return list(dict.fromkeys(lane.subject for lane in index.document.lanes if _is_early(lane.framework)))


def _is_early(framework: str) -> bool:
    return framework.startswith(EARLY_YEARS) and framework not in {profile.profile for profile in PROFILES}


def _measure(subject: str, ability: str) -> Measure:
    text = f"markbook:{subject}:{ability}:overall"
    return Measure(kind="markbook", text=text, subject=subject, ability=ability, percent="overall")
