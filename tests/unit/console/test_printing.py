"""Answers as text: every report has its table, and no name can move the cursor or become markup."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from services.console.client import RequestFailed
from services.console.failures import UsageError, told
from services.console.importing import exit_code_of
from services.console.printing import clean, print_report
from services.runtime.postgres import PostgresError
from services.runtime.settings import InvalidSettings

BANDS = ("sig_below", "below", "at", "above", "sig_above")
PROVENANCE = {"as_at": "2026-03-31", "as_known_at": None, "stale": False}


def printed(name: str, answer: dict[str, Any]) -> str:
    console = Console(width=200, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as capture:
        print_report(name, answer, console)
    return capture.get()


def test_an_overview_is_a_table_with_counts_and_percents() -> None:
    cell = {
        "counts": dict(zip(BANDS, (1, 0, 2, 1, 0), strict=True)),
        "percents": dict(zip(BANDS, (20, 0, 40, 20, 0), strict=True)),
        "of": 5,
        "no_data": 1,
        "no_data_percent": 20,
        "not_applicable": 0,
    }
    row = {"row": "whole", "pupils": 5, "cells": [cell]}
    measure = {"id": "markbook:maths:Y3:overall", "bands": [35, 50, 70, 85]}
    text = printed("overview", {"measures": [measure], "rows": [row], "provenance": PROVENANCE})
    for part in ("markbook:maths:Y3:overall", "35,50,70,85", "whole", "2 (40%)", "Sig Below", "as at 2026-03-31"):
        assert part in text


def test_pupils_and_their_months() -> None:
    value = {"status": "value", "percent": 50}
    pupil = {
        "pupil": "pup_x",
        "name": "Amy [bold]Oak",
        "school": "elm",
        "year_group": "3",
        "start": None,
        "values": [value, {"status": "no_data", "percent": None}],
        "variances": [None, None],
        "average_variance": None,
    }
    answer = {"months": ["2025-09-30", "2025-10-31"], "pupils": [pupil], "next": "c1", "provenance": PROVENANCE}
    text = printed("score-tracking", answer)
    assert "Amy [bold]Oak" in text and "50%" in text and "no data" in text and "2025-09" in text
    assert "cursor=c1" in text
    members = printed("overview/members", {"total": 7, "pupils": [pupil], "next": None, "provenance": PROVENANCE})
    assert "1 of 7 pupils" in members


def test_a_matrix() -> None:
    answer = {
        "counts": [[0, 0, 0, 0, 0], [0, 3, 0, 0, 0], [0] * 5, [0] * 5, [0] * 5],
        "unplotted": [{"first": None, "second": "at", "pupils": 1}],
        "overlay": {"on": {"pupils": 3, "percent": 100}, "above": {"pupils": 0, "percent": 0}},
        "provenance": PROVENANCE,
    }
    text = printed("matrix", answer)
    assert "overlay: on 3 (100%), above 0 (0%)" in text and "none" in text


def test_an_unknown_report_is_json() -> None:
    assert '"later"' in printed("horoscope", {"later": 1})


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert clean("a\x1b[2Jb\r\n").plain == "a\ufffd[2Jb\ufffd\ufffd"


def test_exit_codes_of_imports() -> None:
    def counts(accepted: int, duplicate: int, rejected: int) -> dict[str, Any]:
        return {"accepted": accepted, "duplicate": duplicate, "rejected": rejected}

    assert exit_code_of([counts(1, 0, 0), counts(0, 5, 0)]) == 0
    assert exit_code_of([counts(0, 0, 0)]) == 0
    assert exit_code_of([counts(1, 0, 0), counts(0, 0, 2)]) == 3
    assert exit_code_of([counts(0, 1, 1)]) == 3
    assert exit_code_of([counts(0, 0, 1)]) == 1


def test_failures_are_one_line_with_a_code() -> None:
    assert told(RequestFailed("refused", 4)) == ("refused", 4)
    assert told(InvalidSettings("MARKLEDGER_URL: no")) == ("MARKLEDGER_URL: no", 2)
    assert told(UsageError("a\nb")) == ("a b", 2)
    assert told(PostgresError("gone"))[1] == 4
    assert told(KeyError("x")) == ("KeyError: 'x'", 1)
