"""Many blocks added up at once say what the plain reading says of each by itself (`schemas.blocks.totals_at`)."""

from __future__ import annotations

import os
import random
from datetime import date

import numpy as np
import pytest

from schemas import blocks
from services.domain.calendar import month_number, year_start
from services.query import addition
from services.query.addition import Placed, add_up
from services.query.stored import Stored

STREAMS = 4
QUESTIONS = 40
KEYS = 50
YEAR_STARTS = 9
FIRST_MONTH = month_number(date(2023, 9, 1))
EPOCH_DAY = date(1970, 1, 1).toordinal()


def random_stream(rng: np.random.Generator, starts: int, parts: int) -> tuple[bytes | None, list[bytes]]:
    """A block and its tails with changes of any size and day, in one part or in two."""

    def pack(*, with_base: bool) -> bytes:
        size = int(rng.integers(1, 60))
        bound = int(rng.choice([100, 2**20, 2**45]))
        changes = rng.integers(-bound, bound, (2, parts, size))
        changes[1] = np.where(rng.random(size) < 0.5, changes[0], changes[1] * (rng.random(size) < 0.7))
        told = (blocks.start_day(starts) - EPOCH_DAY) * 86_400 + rng.integers(0, 200 * 86_400, size)
        days = np.where(rng.random(size) < 0.9, rng.integers(0, 700, size), blocks.DAY_MAX)
        entries = blocks.reduce_entries([blocks.Entries(told, rng.integers(0, KEYS, size), days, *changes)])
        based = size if with_base else 0
        sums = rng.integers(-bound, bound, (2, parts, based))
        return blocks.pack(starts, blocks.reduce_base([blocks.Base(rng.integers(0, KEYS, based), *sums)]), entries)

    if rng.random() < 0.1:
        return None, []
    return pack(with_base=rng.random() < 0.8), [pack(with_base=False) for _ in range(rng.integers(0, 4))]


def differences(seed: int) -> int:
    """How many sums of keys differ over some random questions to the blocks of several streams."""
    print(f"MARKLEDGER_SEED={seed}")
    rng = np.random.default_rng(seed)
    return sum(_differences_at(rng, parts) for _ in range(QUESTIONS) for parts in (1, 2))


def _differences_at(rng: np.random.Generator, parts: int) -> int:
    assessed = bool(rng.random() < 0.5)
    first = blocks.start_day(FIRST_MONTH)
    known_at = (first - EPOCH_DAY) * 86_400 + int(rng.integers(0, 900 * 86_400))
    placed, expected = [], []
    for number in range(STREAMS):
        block, tails = random_stream(rng, FIRST_MONTH + int(rng.integers(0, 14)), parts)
        day = first + int(rng.integers(0, 900))
        began = year_start(date.fromordinal(day), YEAR_STARTS).toordinal()
        segment = Stored(block, tails).segment
        if segment is not None:
            placed.append(Placed(segment, number * KEYS, day, began))
        expected.append(
            blocks.totals_at(
                block,
                tails,
                keys=KEYS,
                parts=parts,
                day=day,
                known_at=known_at,
                year_start=began,
                assessed=assessed,
            )
        )
    found = add_up(placed, size=STREAMS * KEYS, parts=parts, known_at=known_at, assessed=assessed)
    return int((found != np.concatenate(expected, axis=1)).sum())


def test_blocks_added_up_at_once_say_what_each_says_by_itself() -> None:
    seed = int(os.environ.get("MARKLEDGER_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    assert differences(seed) == 0


@pytest.mark.parametrize("rule", ["ASSESSED", "OVERALL", "_KNOWN_MAX", "_shifted"])
def test_a_rule_of_the_addition_that_is_broken_is_found_out(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = addition._shifted
    broken = {
        "ASSESSED": addition.OVERALL,
        "OVERALL": addition.ASSESSED,
        "_KNOWN_MAX": 0,
        "_shifted": lambda keys, placed: right(keys, placed) * 0,
    }
    monkeypatch.setattr(addition, rule, broken[rule])
    assert differences(20261125) > 0


def test_a_year_that_is_not_reset_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    right = addition.add_entries
    monkeypatch.setattr(
        addition,
        "add_entries",
        lambda totals, placed, **named: right(totals, [one._replace(year_start=0) for one in placed], **named),
    )
    assert differences(20261125) > 0
