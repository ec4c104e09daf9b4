"""Where the time goes: microseconds of processor time a fact on its way in, milliseconds a request on its way out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from benchmarks.claims import Scale
from benchmarks.figures import Figure
from benchmarks.load import make_school
from schemas.codec import encode_fact
from schemas.topics import EMBEDDED_PARTITIONS, partition_for
from services.projector.decoding import Decoded, decode_records
from services.projector.projections import timeline
from services.projector.replay import SchoolViews
from services.runtime.log.interface import Record

BATCH, SEED = 10_000, 3


def measure(scale: Scale) -> Iterator[Figure]:
    """The parts of the fold of one school, in batches of 10,000."""
    school = make_school(0, SEED)
    key = school.name.encode()
    spent = dict.fromkeys(("encode", "decode", "fold", "place"), 0.0)

    def timed(part: str, work: Callable[[], object]) -> object:
        started = time.process_time()
        made = work()
        spent[part] += time.process_time() - started
        return made

    facts = list(school.facts())
    values = timed("encode", lambda: [encode_fact(fact) for fact in facts])
    assert isinstance(values, list)
    records = [Record(offset, 0, key, value) for offset, value in enumerate(values)]
    partition = partition_for(key, EMBEDDED_PARTITIONS)
    views = SchoolViews(timeline.load_school(school.name, []))
    for at in range(0, len(records), BATCH):
        batch = records[at : at + BATCH]
        decoded = timed("decode", lambda batch=batch: decode_records(batch, partition, EMBEDDED_PARTITIONS))  # type: ignore[misc]
        assert isinstance(decoded, Decoded)
        told = decoded.schools[school.name]
        folded = timed("fold", lambda told=told: timeline.fold(views.state, told))  # type: ignore[misc]
        assert isinstance(folded, timeline.Folded)
        found = {need: views.blocks[need] for need in folded.needs if need in views.blocks}
        changes = timed("place", lambda f=folded, b=found: timeline.place(views.state, f, b))  # type: ignore[misc]
        assert isinstance(changes, timeline.Changes)
        views.apply(changes)
    note = f"{len(records):,} facts of one school, batches of {BATCH:,}, processor time of this process"
    for part, seconds in spent.items():
        yield Figure(f"breakdown: {part}", seconds / len(records) * 1e6, "µs/fact", "", note)
