"""The table of the benchmarks: goals and ratios, rows without a figure, and a module for every name of the command."""

from __future__ import annotations

import math
from importlib.util import find_spec

import pytest

from benchmarks.claims import ADAPTED, NAMES
from benchmarks.figures import Figure, not_measured, ratio
from benchmarks.reasons import NOT_LOOKED_INTO, reason_of
from benchmarks.results import Row, Run, processor_ticks, render


@pytest.mark.parametrize(
    ("value", "goal", "reached"),
    [(1.5, "≤ 1.5", "yes"), (1.51, "≤ 1.5", "no"), (60_000, ">= 50,000", "yes"), (500, "< 500", "no"), (1, "", "")],
)
def test_a_goal_is_reached_or_not(value: float, goal: str, reached: str) -> None:
    assert Figure("claim", value, "ms", goal).reached == reached


def test_a_ratio_says_how_many_times_better_ours_is() -> None:
    assert ratio("peer", 60.0, 2.0, "≥ 20", unit="ms").value == 30
    assert ratio("peer", 500.0, 100_000.0, "≥ 200", unit="facts/s").value == 200


def test_what_could_not_be_measured_stays_in_the_table_with_its_reason() -> None:
    figure = not_measured("claim", "no Java on the path", "≥ 1")
    assert math.isnan(figure.value) and figure.reached == "not measured"
    run = Run("Results", "python -m benchmarks", "2026-11-25 08:00 UTC", processor_ticks())
    text = render(run, [Row(figure, "python -m benchmarks claim"), Row(Figure("other", 1234.5, "/s", "≥ 1,000"), "")])
    assert (
        "| claim | - |  | ≥ 1 | not measured | not measured: no Java on the path | `python -m benchmarks claim` |"
        in text
    )
    assert "| other | 1,234 /s |  | ≥ 1,000 | yes |" in text


def test_every_name_of_the_command_has_a_module() -> None:
    missing = [name for name in NAMES if name not in ADAPTED and find_spec(f"benchmarks.{name}") is None]
    assert missing == []


def test_a_goal_that_is_missed_says_what_limits_and_one_that_is_reached_does_not() -> None:
    missed, reached = Figure("projection of facts", 5, "/s", "≥ 10"), Figure("projection of facts", 15, "/s", "≥ 10")
    assert reason_of("projection", missed).startswith("the fold in Python")
    assert reason_of("projection", reached) == ""
    assert reason_of("command", Figure("other", 5, "/s", "≥ 10")) == NOT_LOOKED_INTO
    run = Run("Results", "python -m benchmarks", "2026-11-25 08:00 UTC", processor_ticks())
    assert "Not reached: it is slow." in render(run, [Row(missed, "", "it is slow")])
