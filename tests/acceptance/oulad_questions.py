"""The questions that the acceptance run asks the product and the oracle, and the comparison cell by cell.

A difference is an assertion that names the question; nothing here is tolerant.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import httpx

from tests.acceptance.oulad_oracle import (
    Clocks,
    Exam,
    Measure,
    Measured,
    Oracle,
    Result,
    Schools,
    Sitting,
    average_variance,
)
from tests.end_to_end.product import read_report

CUTS = (20, 40, 60, 80)
BY = (
    "school",
    "characteristic:sex",
    "characteristic:send",
    "characteristic:disadvantaged",
    "characteristic:age_band",
    "group",
)
MEASURES = (
    Measure("FFF", "2013J", "overall"),
    Measure("BBB", "any", "assessed"),
    Measure("CCC", "2014B", "assessed"),
)
WITH_EXAMS = (Exam("DDD", "2013J"), Measure("DDD", "2013J", "overall"), Exam("CCC", "2014B"))
MATRICES = (
    (Measure("FFF", "2013J", "overall"), date(2013, 12, 1), Measure("FFF", "2013J", "assessed"), (10, 25, 40, 70)),
    (Measure("DDD", "2013J", "overall"), date(2014, 5, 1), Exam("DDD", "2013J"), (40, 55, 70, 85)),
    (Exam("DDD", "2013B"), date(2013, 10, 31), Measure("DDD", "2013B", "overall"), (40, 55, 70, 85)),
)
TRACKED = (
    ("scotland", Measure("FFF", "2013J", "overall"), "2013-10..2014-09", date(2014, 6, 15)),
    ("wales", Measure("BBB", "any", "assessed"), "2013-07..2014-02", date(2014, 2, 28)),
    ("ireland", Measure("DDD", "2014J", "overall"), "2014-11,2015-01,2015-05", date(2015, 9, 30)),
)
AS_AT = (date(2013, 6, 30), date(2014, 2, 1), date(2014, 8, 31), date(2014, 9, 1), date(2015, 9, 30), date(2026, 11, 1))
AS_KNOWN_AT = (None, datetime(2014, 1, 15), datetime(2014, 6, 30, 12), datetime(2015, 12, 31, 23, 59, 59))
EXAMS_AT = (
    Clocks(date(2013, 10, 1), datetime(2013, 10, 9)),
    Clocks(date(2014, 6, 3)),
    Clocks(date(2014, 6, 3), datetime(2014, 6, 12)),
    Clocks(date(2014, 7, 31), datetime(2014, 6, 12)),
    Clocks(date(2014, 7, 31)),
    Clocks(date(2014, 8, 1)),
    Clocks(date(2014, 10, 1)),
    Clocks(date(2014, 10, 31), datetime(2014, 10, 15)),
)
"""While exams are being sat and marked, and where the year turns between Scotland and the rest."""
BEFORE_EVERYTHING = datetime(2012, 12, 31, 23, 59, 59)

Parameters = list[tuple[str, str]]


class Questioner:
    """Asks the product and the oracle the same, and counts the cells that agreed."""

    def __init__(self, client: httpx.Client, oracle: Oracle, *, recorded_at: bool) -> None:
        self._client = client
        self._oracle = oracle
        self._recorded_at = recorded_at
        self.cells = 0

    def ask_everything(self) -> None:
        """Every question; raises AssertionError at the first difference."""
        for clocks in self._clocks():
            self.ask_overview([("trust", "T1")], self._oracle.schools_of("T1"), clocks)
            self.ask_overview([("trust", "T3")], self._oracle.schools_of("T3"), clocks)
            self.ask_overview([("school", "london")], ("london",), clocks)
            several = ("scotland", "north-western")
            self.ask_overview([("school", school) for school in several], several, clocks)
            self.ask_about_exams(clocks)
        for clocks in EXAMS_AT:
            if self._recorded_at or clocks.as_known_at is None:
                self.ask_about_exams(clocks)
        for school, measure, months, as_at in TRACKED:
            for known in self._knowledge():
                self.ask_score_tracking(school, measure, months, Clocks(as_at, known))
        self.ask_members("wales", MEASURES[0], Clocks(date(2014, 2, 1)))
        for known in self._knowledge():
            self.ask_members("wales", WITH_EXAMS[0], Clocks(date(2014, 8, 31), known))

    def _knowledge(self) -> Sequence[datetime | None]:
        return AS_KNOWN_AT if self._recorded_at else (None,)

    def _clocks(self) -> Iterator[Clocks]:
        for as_at in AS_AT:
            for known in self._knowledge():
                yield Clocks(as_at, known)

    def ask_about_exams(self, clocks: Clocks) -> None:
        """Exams beside a markbook, and each against the other."""
        self.ask_overview([("trust", "T3")], self._oracle.schools_of("T3"), clocks, WITH_EXAMS)
        self.ask_overview([("school", "london")], ("london",), clocks, WITH_EXAMS)
        for first, first_on, second, cuts in MATRICES:
            self.ask_matrix(("scotland", "wales"), (first, first_on), second, cuts, clocks)

    def ask_overview(
        self,
        population: Parameters,
        schools: Schools,
        clocks: Clocks,
        measures: tuple[Measured, ...] = MEASURES,
    ) -> None:
        """The overview of three measures by school, characteristics and groups, row by row, in order."""
        parameters = [*population, *_clock_parameters(clocks)]
        parameters += [("measure", measure.id) for measure in measures]
        parameters += [("bands", ",".join(map(str, CUTS))), *(("by", by) for by in BY)]
        told = read_report(self._client, "overview", parameters)
        expected = self._oracle.overview(schools, measures, CUTS, BY, clocks)
        assert [row["row"] for row in told["rows"]] == [row["row"] for row in expected], parameters
        for row, right in zip(told["rows"], expected, strict=True):
            assert row == right, (parameters, row["row"])
            self.cells += 8 * len(right["cells"]) + 3

    def ask_matrix(
        self,
        schools: Schools,
        first_at: tuple[Measured, date],
        second: Measured,
        cuts: tuple[int, ...],
        clocks: Clocks,
    ) -> None:
        """A measure on a day against another on the day of the report."""
        first, first_on = first_at
        bands = ",".join(map(str, cuts))
        parameters = [("school", school) for school in schools] + _clock_parameters(clocks)
        parameters += [("first", f"{first.id}@{first_on}"), ("second", second.id)]
        parameters += [("first_bands", bands), ("second_bands", bands)]
        told = read_report(self._client, "matrix", parameters)
        before = Clocks(first_on, clocks.as_known_at)
        right = self._oracle.matrix(schools, (first, before), (second, clocks), cuts)
        assert told["counts"] == right["counts"], parameters
        unplotted = {(entry["first"], entry["second"]): entry["pupils"] for entry in told["unplotted"]}
        assert unplotted == right["unplotted"], parameters
        assert told["overlay"] == right["overlay"], parameters
        self.cells += 25 + len(unplotted) + 3

    def ask_score_tracking(self, school: str, measure: Measure, months: str, clocks: Clocks) -> None:
        """Every pupil of a school through the months: values exactly, variances, averages."""
        parameters = [("school", school), ("measure", measure.id), ("months", months), *_clock_parameters(clocks)]
        told = self._all_pages("score-tracking", parameters)
        firsts = list(_month_firsts(months))
        ends = [_month_end(first) for first in firsts]
        assert told["months"] == [str(end) for end in ends], parameters
        start_on = self._oracle.year_start(school, firsts[0])
        days: list[date | None] = [
            min(end, clocks.as_at) if first <= clocks.as_at else None
            for first, end in zip([start_on, *firsts], [start_on, *ends], strict=True)
        ]
        moments = [None if day is None else Clocks(day, clocks.as_known_at) for day in days]
        columns = [
            (moment, {} if moment is None else self._oracle.values((school,), measure, moment)) for moment in moments
        ]
        expected = {pupil["student"] for pupil in self._oracle.pupils((school,), clocks)}
        assert {pupil["reference"] for pupil in told["pupils"]} == expected, parameters
        assert len(told["pupils"]) == len(expected), parameters
        for pupil in told["pupils"]:
            key = (school, pupil["reference"])
            shown = [
                None if moment is None else _value(column.get(key), in_scope=moment.in_scope)
                for moment, column in columns
            ]
            assert [pupil["start"], *pupil["values"]] == shown, (parameters, key)
            percents = [None if value is None else value["percent"] for value in shown]
            variances = [
                None if before is None or after is None else after - before for before, after in pairwise(percents)
            ]
            assert pupil["variances"] == variances, (parameters, key)
            assert pupil["average_variance"] == average_variance(variances), (parameters, key)
            self.cells += 2 * len(shown)

    def ask_members(self, school: str, measure: Measured, clocks: Clocks) -> None:
        """The pupils behind one count are those whom the oracle puts there."""
        parameters = [("school", school), ("measure", measure.id), ("bands", "20,40,60,80"), ("row", "whole")]
        parameters += [("cell", "0:below"), ("cell", "0:no_data"), *_clock_parameters(clocks)]
        told = self._all_pages("overview/members", parameters)
        found = self._oracle.sittings if isinstance(measure, Exam) else self._oracle.values
        values = found((school,), measure, clocks)
        bands = self._oracle.bands((school,), measure, CUTS, clocks)
        expected = {
            pupil["student"]
            for pupil in self._oracle.pupils((school,), clocks)
            if bands.get((school, pupil["student"])) in ("below", None)
        }
        assert {pupil["reference"] for pupil in told["pupils"]} == expected
        assert told["total"] == len(expected) == len(told["pupils"])
        for pupil in told["pupils"]:
            key = (school, pupil["reference"])
            assert pupil["values"][0] == {**_value(values.get(key)), "band": bands.get(key)}
        self.cells += len(expected)

    def ask_before_everything(self) -> None:
        """Nothing was known then: an empty report, not an error."""
        told = read_report(
            self._client,
            "overview",
            [
                *(("school", "wales"), ("measure", MEASURES[0].id), ("bands", "20,40,60,80")),
                *_clock_parameters(Clocks(date(2014, 2, 1), BEFORE_EVERYTHING)),
            ],
        )
        assert [(row["row"], row["pupils"]) for row in told["rows"]] == [("whole", 0)]

    def _all_pages(self, report: str, parameters: Parameters) -> dict[str, Any]:
        told: dict[str, Any] = {}
        cursor: Parameters = []
        while True:
            page = read_report(self._client, report, [*parameters, ("limit", "500"), *cursor])
            told = {**page, "pupils": [*told.get("pupils", []), *page["pupils"]]}
            if page["next"] is None:
                return told
            cursor = [("cursor", page["next"])]


def _clock_parameters(clocks: Clocks) -> Parameters:
    known = clocks.as_known_at
    return [("as_at", str(clocks.as_at)), *([("as_known_at", f"{known.isoformat()}Z")] if known else [])]


def _value(result: Result | Sitting | None, *, in_scope: bool = True) -> dict[str, Any]:
    """A VALUE as the contract writes it."""
    value: dict[str, Any] = dict.fromkeys(("percent", "numerator", "denominator", "score", "value", "band", "on"))
    if result is None:
        return {"status": "no_data" if in_scope else "not_applicable", **value}
    if isinstance(result, Sitting):
        return {"status": "value", **value, "score": str(result.score), "on": str(result.sat_on)}
    exact = {"numerator": str(result.numerator), "denominator": str(result.denominator)}
    return {"status": "value", **value, "percent": result.percent, **exact}


def _month_firsts(months: str) -> Iterator[date]:
    if ".." not in months:
        for month in months.split(","):
            yield date.fromisoformat(f"{month}-01")
        return
    first, last = (date.fromisoformat(f"{month}-01") for month in months.split(".."))
    while first <= last:
        yield first
        first = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def _month_end(first: date) -> date:
    return first.replace(day=monthrange(first.year, first.month)[1])
