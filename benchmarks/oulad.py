"""OULAD through the running product: rows a second in, milliseconds of an overview out, today against past.

The first run sends everything without `recorded_at`, which is a whole back-fill recorded in one minute; the second
with it, so that past knowledge means something. DuckDB answers the same overview in the same minute.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path

import httpx

from benchmarks.duckdb_peer import Peer
from benchmarks.figures import Figure, interleaved_medians_ms
from tests.acceptance.oulad_files import DATA, make_files, send_all
from tests.end_to_end.product import Product, wait_for_position

MEASURES = ("markbook:FFF:any:overall", "markbook:BBB:any:overall", "markbook:CCC:any:overall")
BANDS = "20,40,60,80"
BY = ("characteristic:sex", "characteristic:send", "characteristic:disadvantaged")
ONE_SCHOOL = ("scotland",)
PAST_ON, PAST_KNOWN_AT = "2014-05-31", "2014-05-31T12:00:00Z"
GOAL_ROWS = "≥ 10,000"


def measure_oulad(rounds: int, environment: Mapping[str, str], back_end: str) -> Iterator[Figure]:
    """Both runs on one back end."""
    for recorded_at in (False, True):
        with tempfile.TemporaryDirectory(prefix="markledger-bench-") as directory:
            files = make_files(Path(directory) / "files", recorded_at=recorded_at)
            with Product(Path(directory) / "data", environment) as product, product.client() as client:
                yield from _measure_run(client, files, recorded_at, rounds, back_end)


def _measure_run(client: httpx.Client, files: Path, recorded_at: bool, rounds: int, back_end: str) -> Iterator[Figure]:
    how = f"{back_end}, {'with recorded_at' if recorded_at else 'back-fill'}"
    sending = send_all(client, files)
    yield Figure("OULAD import over HTTP", sending.rate(), "rows/s", GOAL_ROWS, f"{sending.rows:,} rows, {how}")
    assessments = sending.rate("assessments")
    yield Figure("  of it assessments", assessments, "rows/s", GOAL_ROWS, f"168,953 rows, {how}")
    peer = Peer(DATA)
    everything = tuple(peer.schools)
    wait_for_position(client, sending.counts["results"]["position"], everything, MEASURES[0])
    for schools, goal, count in ((ONE_SCHOOL, "≤ 10", rounds), (everything, "≤ 120", max(rounds // 5, 5))):
        yield from _measure_overviews(client, peer, schools, goal, count, how)


def _measure_overviews(
    client: httpx.Client, peer: Peer, schools: tuple[str, ...], goal: str, rounds: int, how: str
) -> Iterator[Figure]:
    works: dict[str, Callable[[], object]] = {
        "today": lambda: _overview(client, schools),
        "past date": lambda: _overview(client, schools, ("as_at", PAST_ON)),
        "past knowledge": lambda: _overview(client, schools, ("as_known_at", PAST_KNOWN_AT)),
        "both past": lambda: _overview(client, schools, ("as_at", PAST_ON), ("as_known_at", PAST_KNOWN_AT)),
        "DuckDB": lambda: peer.overview(list(schools), date.today()),
    }
    medians = interleaved_medians_ms(works, rounds)
    size = "1 school" if len(schools) == 1 else f"{len(schools)} schools"
    what = f"3 measures, 7 rows, {how}"
    inside = statistics.median(_ms_in_service(client, schools) for _ in range(rounds))
    yield Figure(f"overview of {size}, p50 in the service", inside, "ms", goal, f"Server-Timing; {what}")
    yield Figure("  the same over HTTP", medians["today"], "ms", "", what)
    for name in ("past date", "past knowledge", "both past"):
        yield Figure(f"  {name} ÷ today", medians[name] / medians["today"], "", "≤ 1.5", f"{medians[name]:.1f} ms")
    yield Figure("  DuckDB ÷ ours", medians["DuckDB"] / medians["today"], "", "", f"DuckDB {medians['DuckDB']:.1f} ms")


def _ms_in_service(client: httpx.Client, schools: tuple[str, ...]) -> float:
    return float(_overview(client, schools).headers["Server-Timing"].partition("dur=")[2])


def _overview(client: httpx.Client, schools: tuple[str, ...], *clocks: tuple[str, str]) -> httpx.Response:
    parameters = [*(("school", school) for school in schools), *(("measure", measure) for measure in MEASURES)]
    parameters += [("bands", BANDS), *(("by", by) for by in BY), *clocks]
    answer = client.get("/v1/reports/overview", params=parameters)
    return answer.raise_for_status()
