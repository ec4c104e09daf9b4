"""Which measures a school has on which days, as known now: the lanes in force, and what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from schemas.documents import FOREVER
from services.domain.curriculum import LAST_DAY, grid
from services.domain.measures import ANY, OWN_YEAR
from services.domain.schools import DEFAULT_NATION, DEFAULT_TIME_ZONE, DEFAULT_YEAR_STARTS, details, memberships
from services.projector.projections.reporting.rows import SchoolRow, ScopeRow
from services.projector.projections.reporting.scores import Segment
from services.projector.projections.timeline.school import SchoolState


def segments_of(state: SchoolState) -> dict[str, tuple[Segment, ...]]:
    """The lanes in force now, by subject, in the order of their days."""
    known = details(state.school_facts())
    rectangles, contents = grid(state.versions(), [(d.known_from, d.year_starts) for d in known])
    found: dict[str, list[Segment]] = {}
    for rectangle in sorted((r for r in rectangles if r.known_to == FOREVER), key=lambda r: r.starts):
        for lane in rectangle.lanes:
            content = contents[lane]
            segments = found.setdefault(content.lane.subject, [])
            if segments and segments[-1].ends == rectangle.starts and segments[-1].content is content:
                segments[-1] = Segment(segments[-1].starts, rectangle.ends, content)
            else:
                segments.append(Segment(rectangle.starts, rectangle.ends, content))
    return {subject: tuple(segments) for subject, segments in found.items()}


def lanes_of(segments: Sequence[Segment]) -> list[tuple[int, int, str]]:
    """What tells two lists of segments apart."""
    return [(segment.starts, segment.ends, segment.content.lane.lane) for segment in segments]


def scopes_of(segments: Mapping[str, Sequence[Segment]]) -> tuple[ScopeRow, ...]:
    """The measures that have objectives, and when."""
    rows: list[ScopeRow] = []
    for subject in sorted(segments):
        open_rows: dict[tuple[str, str], ScopeRow] = {}
        for segment in segments[subject]:
            for ability, year_group in _measures(segment):
                before = open_rows.pop((ability, year_group), None)
                if before is not None and before.ends == segment.starts:
                    row = ScopeRow(subject, ability, year_group, before.starts, segment.ends)
                else:
                    rows += [before] if before is not None else []
                    row = ScopeRow(subject, ability, year_group, segment.starts, segment.ends)
                open_rows[ability, year_group] = row
        rows += open_rows.values()
    return tuple(
        ScopeRow(r.subject, r.ability, r.year_group, r.starts, LAST_DAY if r.ends == LAST_DAY else r.ends - 1)
        for r in rows
    )


def school_of(state: SchoolState) -> SchoolRow:
    """What is known of the school itself."""
    facts = state.school_facts()
    known = details(facts)
    trusts = tuple((m.trust, m.starts, min(m.ends, LAST_DAY)) for m in memberships(facts) if m.known_to == FOREVER)
    if not known:
        return SchoolRow(True, "", DEFAULT_NATION, DEFAULT_TIME_ZONE, DEFAULT_YEAR_STARTS, trusts)
    last = known[-1]
    return SchoolRow(last.known_to == FOREVER, last.name, last.nation, last.time_zone, last.year_starts, trusts)


def _measures(segment: Segment) -> Iterable[tuple[str, str]]:
    cells = segment.content.lane.cells
    if cells:
        yield ANY, ""
    yield from ((ability, "") for ability in sorted({cell.ability for cell in cells} - {ANY, OWN_YEAR}))
    yield from ((OWN_YEAR, tag) for tag in sorted({cell.year_group for cell in cells} - {""}))
