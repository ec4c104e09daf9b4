"""The timeline projection: what reports read, for any day as known at any instant (`docs/architecture.md`).

`load_school` → `fold` a batch of facts → read the blocks it `needs` → `place` → rows to store. Everything is a function
of the school's facts in order, whatever the batches. Pure: reading and writing rows is `services.projector.store`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from schemas.blocks import Entries
from schemas.documents import SchoolDocument, encode_document
from schemas.events import AnyFact
from services.domain.curriculum import grid, lane_months
from services.domain.schools import details, memberships
from services.projector.projections.timeline import detail as packing
from services.projector.projections.timeline.emissions import Emitted
from services.projector.projections.timeline.folding import SchoolFold, is_lane_sum, subject_sum
from services.projector.projections.timeline.lanes import column_entries, roster_entries
from services.projector.projections.timeline.placement import (
    begins,
    bundle,
    deal,
    empty_block,
    next_block,
    tail_of,
    unbundle,
    visible,
)
from services.projector.projections.timeline.school import ROSTER, SchoolState, Span

NAME = "timeline"
VERSION = 1


class BlockKey(NamedTuple):
    """A block of a school: the stream, and the month at which it starts."""

    stream: str
    starts: int


class Stored(msgspec.Struct, frozen=True):
    """A block's row and its tails, in the order of their seq."""

    block: bytes
    tails: tuple[bytes, ...]


class StreamWork(msgspec.Struct, frozen=True):
    """What a batch does to one stream: `entries` (absolute days) go to the blocks `starts`, those in `made` are new.

    `existing`: blocks before the batch. `nexts`: for each of `starts`, where the next block of the sum starts.
    """

    stream: str
    parts: int
    year_month: int | None
    entries: Entries
    starts: tuple[int, ...]
    nexts: tuple[int | None, ...]
    existing: tuple[int, ...]


class Folded(msgspec.Struct, frozen=True):
    """A folded batch: blocks that have to be read before `place`, and the rest of what `place` needs."""

    needs: tuple[BlockKey, ...]
    work: tuple[StreamWork, ...]
    dropped_streams: tuple[str, ...]
    detail: bytes
    document: bytes | None
    trusts: tuple[str, ...]


class Changes(msgspec.Struct, frozen=True):
    """The rows of a batch. Streams are dropped first; the tails of a block that is replaced go with it."""

    dropped_streams: tuple[str, ...]
    blocks: tuple[tuple[BlockKey, bytes], ...]
    tails: tuple[tuple[BlockKey, bytes], ...]
    detail: bytes
    document: bytes | None
    trusts: tuple[str, ...]


def load_school(school: str, detail: Sequence[bytes]) -> SchoolState:
    """The state of a school from its detail rows in the order of their seq; none = a school not seen before."""
    state = SchoolState(school)
    packing.load(state, detail)
    if detail:
        _lay_grid(state)
        state.document = encode_document(_document(state))
    return state


def fold(state: SchoolState, records: Sequence[tuple[int, AnyFact]]) -> Folded:
    """Fold the next facts of the school (offset, fact), in order; changes `state`."""
    before, sizes = packing.mark(state), _sizes(state)
    folding = SchoolFold(state)
    folding.fold_all(records)
    old_lanes = {lane: (content.lane.subject, state.spans[lane]) for lane, content in state.contents.items()}
    if folding.grid_changed:
        _lay_grid(state)
    emitted = {name: emission.arrays() for name, emission in folding.emissions.items()}
    for name, changes in emitted.items():
        months = {*state.boundaries.get(name, ()), *begins(changes.days, changes.recorded_at, yearly=name == ROSTER)}
        state.boundaries[name] = tuple(sorted(months))
    work, dropped = _work(state, folding, emitted, before, old_lanes)
    document = state.document
    if not document or folding.grid_changed or state.groups or _sizes(state) != sizes:
        document = encode_document(_document(state))
    changed = document if document != state.document else None
    state.document = document
    return Folded(
        needs=tuple(key for stream in work for key in _needs(stream)),
        work=work,
        dropped_streams=dropped,
        detail=packing.pack_since(state, before),
        document=changed,
        trusts=_trusts(state),
    )


def place(state: SchoolState, folded: Folded, found: Mapping[BlockKey, Stored]) -> Changes:
    """The rows of a folded batch. `found`: the blocks that it needs, as stored before the batch."""
    made: list[tuple[BlockKey, bytes]] = []
    tails: list[tuple[BlockKey, bytes]] = []
    for streams in _alike(folded.work):
        one, dealt = streams[0], deal([stream.entries for stream in streams])
        earliest = dealt.earliest
        for starts, next_starts in zip(one.starts, one.nexts, strict=True):
            keys = [BlockKey(stream.stream, starts) for stream in streams]
            if starts not in one.existing:
                made += zip(keys, _made(streams, starts, found), strict=True)
            if next_starts is not None and next_starts <= earliest:
                continue
            bundled = tail_of(starts, next_starts, dealt, one.year_month)
            tails += [(keys[number], tail) for number, tail in unbundle(bundled or b"")]
    return Changes(
        dropped_streams=folded.dropped_streams,
        blocks=tuple(made),
        tails=tuple(tails),
        detail=folded.detail,
        document=folded.document,
        trusts=folded.trusts,
    )


def next_starts(state: SchoolState, key: BlockKey) -> int | None:
    """Where the block after this one starts, as compaction needs it; None for the last."""
    name = key.stream.rpartition(":")[0] if is_lane_sum(key.stream) else key.stream
    return next((month for month in state.boundaries.get(name, ()) if month > key.starts), None)


def lane_stream(subject: str, lane: str) -> str:
    """The stream of a lane."""
    return f"{subject_sum(subject)}:{lane}"


def _lay_grid(state: SchoolState) -> None:
    known = details(state.school_facts())
    state.rectangles, state.contents = grid(state.versions(), [(d.known_from, d.year_starts) for d in known])
    state.spans = dict(lane_months(state.rectangles))


def _work(
    state: SchoolState,
    folding: SchoolFold,
    emitted: Mapping[str, Emitted],
    before: packing.Mark,
    old_lanes: Mapping[str, tuple[str, Span]],
) -> tuple[tuple[StreamWork, ...], tuple[str, ...]]:
    work: list[StreamWork] = []
    opened: dict[str, Emitted] = {}
    dropped = [lane_stream(subject, lane) for lane, (subject, _) in old_lanes.items() if lane not in state.spans]
    for lane, content in state.contents.items():
        subject = content.lane.subject
        name = subject_sum(subject)
        starts = visible(state.boundaries.get(name, ()), state.spans[lane])
        _, old_span = old_lanes.get(lane, ("", None))
        existing = () if old_span is None else visible(before.boundaries.get(name, ()), old_span)
        if old_span != state.spans[lane] or not set(existing) <= set(starts):
            if old_span is not None:
                dropped.append(lane_stream(subject, lane))
            existing = ()
            if subject not in opened:
                opened[subject] = folding.subject_emission(subject).arrays()
            changes = opened[subject]
        elif name in emitted:
            changes = emitted[name]
        else:
            continue
        worth = state.worths.of(lane, content, state.objectives, state.states)
        year_index = state.year_months.index(content.lane.year_starts)
        entries = worth.entries(changes, year_index)
        work.append(
            StreamWork(
                lane_stream(subject, lane),
                content.lane.parts,
                content.lane.year_starts,
                entries,
                starts,
                _nexts(state.boundaries.get(name, ()), starts),
                existing,
            )
        )
    for stream, changes in emitted.items():
        if not is_lane_sum(stream):
            starts, existing = state.boundaries[stream], before.boundaries.get(stream, ())
            entries = roster_entries(changes) if stream == ROSTER else column_entries(changes)
            work.append(StreamWork(stream, 1, None, entries, starts, _nexts(starts, starts), existing))
    return tuple(work), tuple(dropped)


def _nexts(boundaries: Sequence[int], starts: Sequence[int]) -> tuple[int | None, ...]:
    following: dict[int, int | None] = {**dict(pairwise(boundaries)), **({boundaries[-1]: None} if boundaries else {})}
    return tuple(following[month] for month in starts)


def _alike(work: Sequence[StreamWork]) -> list[list[StreamWork]]:
    """The streams in groups whose blocks begin in the same months, so that a group can be placed at once."""
    groups: dict[tuple[object, ...], list[StreamWork]] = {}
    for stream in work:
        key = (stream.parts, stream.year_month, stream.starts, stream.nexts, stream.existing)
        groups.setdefault(key, []).append(stream)
    return list(groups.values())


def _made(streams: Sequence[StreamWork], starts: int, found: Mapping[BlockKey, Stored]) -> list[bytes]:
    """The new blocks of some streams that are alike."""
    one = streams[0]
    if _source(one, starts) is None:
        return [empty_block(starts, one.parts)] * len(streams)
    stored = [found[source] for stream in streams if (source := _source(stream, starts)) is not None]
    tails = bundle((number, tail) for number, each in enumerate(stored) for tail in each.tails)
    made = next_block(bundle(enumerate(each.block for each in stored)), [tails], starts, one.year_month)
    return [data for _, data in unbundle(made)]


def _source(stream: StreamWork, starts: int) -> BlockKey | None:
    """The block that served the months of a new one before it, if there was one."""
    earlier = [month for month in stream.existing if month < starts]
    return BlockKey(stream.stream, earlier[-1]) if earlier else None


def _needs(stream: StreamWork) -> list[BlockKey]:
    sources = {_source(stream, starts) for starts in stream.starts if starts not in stream.existing}
    return sorted(source for source in sources if source is not None)


def _sizes(state: SchoolState) -> tuple[int, ...]:
    """How long the lists of the document are, which only grow: nothing else of it changes without grid or groups."""
    return len(state.pupils), len(state.values), len(state.columns), len(state.scores)


def _document(state: SchoolState) -> SchoolDocument:
    facts = state.school_facts()
    return SchoolDocument(
        school=state.school,
        pupils=tuple(state.pupils),
        values=tuple(state.values),
        details=details(facts),
        memberships=memberships(facts),
        lanes=tuple(state.contents[lane].lane for lane in sorted(state.contents)),
        rectangles=state.rectangles,
        aliases=state.aliases(),
        columns=tuple(state.columns),
        scores=tuple(state.scores),
    )


def _trusts(state: SchoolState) -> tuple[str, ...]:
    return tuple(sorted({membership.trust for membership in memberships(state.school_facts())}))
