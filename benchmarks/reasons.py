"""Why a goal is not reached, where it is not: what limits, as the other rows of the table show it.

A reason is told beside the figure as long as the figure misses its goal, and only then.
"""

from __future__ import annotations

from benchmarks.figures import Figure

NOT_LOOKED_INTO = "what limits it was not looked into"

_READ = (
    "half of it is counting 50 rows by bands in numpy calls of microseconds each, the other half round trips, "
    "decompressing and decoding blocks (rows `request`)"
)
_SMALL_QUESTION = (
    "PostgreSQL finds some thirty pupils by its index and reads nothing else; ours reads the blocks of the whole "
    "school for each month and then leaves most of it out"
)
_FOLD = (
    "the fold in Python takes most of a fact's time (rows `breakdown`): both clocks, curricula and late facts cost "
    "more than the columns of the prototype did"
)
_LATEST_ONLY = "the peer keeps one state a pupil and objective, of which nothing can be asked for another day"
_CORES = "broker, database, projector and the client that sends share the two cores with ingest, which they keep busy"

REASONS: dict[tuple[str, str], str] = {
    ("reads", "overview of one school"): _READ,
    ("reads", "against"): _READ,
    (
        "trust",
        "overview of a trust",
    ): "a new reader reads and decodes the documents of all schools; in service it has them",
    ("trust", "in service"): "every date has other blocks, which are read and decoded for each school",
    ("trust", "against"): "as above; the ratio grows with the schools, whose rows the peers sort and hash",
    ("trust", "new cut-offs"): "every row of every school's breakdown is counted again, and encoded",
    ("tracking", "against"): _SMALL_QUESTION,
    (
        "http_reads",
        "overviews over HTTP",
    ): "reading and counting alone take the time of `request, one school`, which the "
    "two cores share with PostgreSQL and the client",
    ("disk_and_wal", "disk"): "a school's blocks hold a vector of all its pupils for every month and lane; pages, row "
    "headers, index and tails come on top",
    (
        "disk_and_wal",
        "write-ahead log",
    ): "pages are written whole after a checkpoint, and a batch of one school is small for the rows it touches",
    ("rebuild", "rebuild"): f"{_FOLD}; one core takes its share of them",
    ("rebuild", "against"): _FOLD,
    (
        "history",
        "overview, 8 years",
    ): "the school's document has all pupils that ever were, and is decoded anew when cold",
    ("history", "overview, back-fill"): "what was told in one day is in each later month as changes of that instant, "
    "which an answer for a past date adds up",
    ("projection", "projection"): _FOLD,
    ("projection", "against eventsourcing"): _FOLD,
    ("projection", "against upsert per batch"): f"{_FOLD}; {_LATEST_ONLY}",
    ("http_ingest", "HTTP ingest"): _CORES,
    ("http_ingest", "by one"): _CORES,
    (
        "http_ingest",
        "against",
    ): "1,000 events in one save or transaction, of one aggregate or statement, neither checked "
    "for being known already nor validated nor sent over HTTP",
    ("visible", "fact"): "the cores are shared with the client and the rows for SQL",
    ("reporting", "reporting"): "rows and their indexes are kept for SQL, by one statement for each table",
    ("oulad", "OULAD"): "one client sends one file after another: reading, validating and the log take turns",
    ("oulad", "of it"): "one client sends one file after another: reading, validating and the log take turns",
}


def reason_of(name: str, figure: Figure) -> str:
    """Why the figure of a claim misses its goal; nothing if it does not."""
    if figure.reached != "no":
        return ""
    claim = figure.claim.strip()
    found = [reason for (of, begins), reason in REASONS.items() if of == name and claim.startswith(begins)]
    return found[-1] if found else NOT_LOOKED_INTO
