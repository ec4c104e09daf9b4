"""The OULAD import files: made by the shared tool, sent in some order, and what came of it.

It knows where `../shared` is and how the files follow each other; what they mean is in `oulad_oracle.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from tests.end_to_end.product import import_bytes
from tests.servers.process import REQUIRE_VARIABLE

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
DATA = SHARED / "data" / "oulad"
TOOL = SHARED / "tools" / "oulad_to_markledger.py"
KINDS = ("schools", "pupils", "groups", "characteristics", "curriculum", "assessments", "results")
ROWS_WITHOUT_SCORE = 173
ROWS_ASSESSED = 168_953
ROWS_OF_EXAMS = 4_959
PUPILS = 28_785
SHUFFLE_SEED = 31


@dataclass
class Sending:
    """What came of sending all files once."""

    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows were sent."""
        return sum(answer["rows"] for answer in self.counts.values())

    def rate(self, *kinds: str) -> float:
        """Rows a second of these kinds, or of all."""
        chosen = kinds or tuple(self.counts)
        return sum(self.counts[kind]["rows"] for kind in chosen) / sum(self.seconds[kind] for kind in chosen)


def require_shared() -> None:
    """Skip the test where `../shared` is absent, or fail where it is required."""
    if TOOL.exists() and DATA.exists():
        return
    reason = f"{SHARED} is not here: the open data that this test compares with is missing"
    if "shared" in os.environ.get(REQUIRE_VARIABLE, "").replace(" ", "").split(","):
        pytest.fail(f"{REQUIRE_VARIABLE} wants shared: {reason}", pytrace=False)
    pytest.skip(reason)


def make_files(directory: Path, *, recorded_at: bool) -> Path:
    """The import files in `directory`."""
    command = [sys.executable, str(TOOL), *(["--recorded-at"] if recorded_at else []), str(directory)]
    subprocess.run(command, check=True)
    return directory


def in_order(content: bytes, order: str) -> bytes:
    """The same file with its rows in `order`: file, reversed, shuffled."""
    header, *rows = content.splitlines(keepends=True)
    if order == "reversed":
        rows.reverse()
    elif order == "shuffled":
        Random(SHUFFLE_SEED).shuffle(rows)
    return header + b"".join(rows)


def send_all(client: httpx.Client, directory: Path, order: str = "file") -> Sending:
    """Send every file, one after the other."""
    sending = Sending()
    for kind in KINDS:
        content = in_order((directory / f"{kind}.csv").read_bytes(), order)
        parameters = {"states": "marks:100"} if kind == "curriculum" else {}
        started = time.monotonic()
        sending.counts[kind] = import_bytes(client, kind, content, source="oulad", **parameters)
        sending.seconds[kind] = time.monotonic() - started
    return sending
