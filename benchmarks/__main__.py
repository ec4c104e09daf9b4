"""`python -m benchmarks [--full] [NAME...] [--schools N]`: claims measured on this machine, now, beside their goals.

Without names all of them, and benchmarks/RESULTS.md (`--full`, and the tables of docs/performance.md) or
RESULTS-small.md is written. Sides that answer otherwise end the run; a claim that cannot be measured for another reason
says so and the next one follows.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from benchmarks.claims import FULL, NAMES, ON_STAGE, SMALL, Scale, measure_of
from benchmarks.document import write_document
from benchmarks.figures import Figure, UnequalAnswers, not_measured, print_figures
from benchmarks.reasons import reason_of
from benchmarks.results import FULL as FULL_RESULTS
from benchmarks.results import SMALL as SMALL_RESULTS
from benchmarks.results import Row, Run, processor_ticks, render, say


def main() -> None:
    """Measure, print, and write the table if everything was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all without")
    parser.add_argument("--full", action="store_true", help="200 schools, 10 million judgements")
    parser.add_argument("--schools", type=int, help="another number of schools")
    parser.add_argument("--output", type=Path, help="where the table goes")
    parser.add_argument(
        "--document", action="store_true", help="tables of docs/performance.md, too, as a full run does"
    )
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(NAMES)):
        parser.error(f"there is no claim {', '.join(unknown)}")
    scale = FULL if arguments.full else SMALL
    scale = scale._replace(schools=arguments.schools or scale.schools)
    output = arguments.output or (None if arguments.names else FULL_RESULTS if scale.full else SMALL_RESULTS)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it waits for the leaders of a new topic, and says so
    document = arguments.document or (scale.full and not arguments.names)
    Measuring(scale, arguments.names or NAMES, output, document=document).run()


class Measuring:
    """One run of some claims; the table is written again after each of them."""

    def __init__(self, scale: Scale, names: Sequence[str], output: Path | None, *, document: bool) -> None:
        self._scale = scale
        self._names = names
        self._output = output
        self._document = document
        heading = "Results of a full run" if scale.full else "Results of a SMALL run, for the shape alone"
        started_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        command = " ".join(["python -m benchmarks", *sys.argv[1:]])
        self._run = Run(heading, command, started_at, processor_ticks())
        self._rows: list[Row] = []

    def run(self) -> None:
        """Measure the claims of the stage, then the others. Raises UnequalAnswers."""
        on_stage = [name for name in self._names if name in ON_STAGE]
        if on_stage:
            self._attempt("stage", lambda: asyncio.run(self._on_stage(on_stage)))
        for name in self._names:
            if name not in ON_STAGE:
                self._attempt(name, lambda name=name: self._note(name, measure_of(name)(self._scale)))  # type: ignore[misc]
        print()
        print_figures(row.figure for row in self._rows)

    async def _on_stage(self, names: Sequence[str]) -> None:
        from benchmarks.stage import staged

        async with staged(self._scale.schools, self._scale.rounds) as stage:
            for name in names:
                started = time.perf_counter()
                try:
                    self._note(name, await measure_of(name)(stage))
                except UnequalAnswers:
                    raise
                except Exception as error:
                    self._failed(name, error)
                _tell_seconds(name, started)

    def _attempt(self, name: str, measure: Callable[[], None]) -> None:
        started = time.perf_counter()
        try:
            measure()
        except UnequalAnswers:
            raise
        except Exception as error:  # the next claim is measured all the same
            self._failed(name, error)
        _tell_seconds(name, started)

    def _failed(self, name: str, error: Exception) -> None:
        traceback.print_exception(error)
        self._note(name, [not_measured(name, f"{type(error).__name__}: {str(error)[:200]}")])

    def _note(self, name: str, figures: Iterable[Figure]) -> None:
        command = f"python -m benchmarks {name}{' --full' if self._scale.full else ''}"
        if self._scale.schools != (FULL if self._scale.full else SMALL).schools:
            command += f" --schools {self._scale.schools}"
        for figure in figures:
            say(figure)
            self._rows.append(Row(figure, command, reason_of(name, figure)))
        if self._output is not None:
            self._output.write_text(render(self._run, self._rows), encoding="utf-8")
        if self._document:
            write_document(self._run, self._rows)


def _tell_seconds(name: str, started: float) -> None:
    print(f"-- {name}: {time.perf_counter() - started:,.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
