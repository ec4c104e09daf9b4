"""The corpus of wrong input, as data: rows, whole files, JSON bodies and questions, each with what must be said of it.

`test_bad_input.py` sends them. Codes stand here only where the contract names them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

CSV = "text/csv"
NDJSON = "application/x-ndjson"
TOMORROW = str(date.today() + timedelta(days=2))
ASSESSMENT = "school,pupil,subject,objective,state,assessed_on\n"
MARK_BANDS = "bands=35,50,70,85"
MEASURE = "measure=markbook:maths:Y3:overall"
SCHOOL = f"school=elm&{MEASURE}&{MARK_BANDS}"


@dataclass(frozen=True)
class BadRow:
    """A file of one row, which must be rejected (201, rejected 1). `code` where the contract fixes it."""

    name: str
    kind: str
    content: bytes
    code: str = ""
    media_type: str = CSV


@dataclass(frozen=True)
class BadFile:
    """A file that is refused whole; the problem must say `words`. `further_on`: or an incomplete import."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    content: bytes
    words: tuple[str, ...] = ()
    media_type: str = CSV
    statuses: tuple[int, ...] = (400, 415, 422)
    further_on: bool = False


@dataclass(frozen=True)
class BadBody:
    """A JSON body that is refused whole, or of which every item is rejected."""

    name: str
    content: bytes
    path: str = "/v1/events"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BadReport:
    """A question that is refused; the problem must name `parameter`."""

    name: str
    query: str
    parameter: str = ""
    report: str = "overview"
    statuses: tuple[int, ...] = (422,)


def _assessment(name: str, row: str, code: str = "") -> BadRow:
    return BadRow(name, "assessments", (ASSESSMENT + row + "\n").encode(), code)


def _line(name: str, kind: str, line: bytes, code: str = "") -> BadRow:
    return BadRow(name, kind, line + b"\n", code, NDJSON)


ROWS = (
    _assessment("no pupil", "elm,,maths,m1,achieved,2025-10-01"),
    _assessment("no state", "elm,A1,maths,m1,,2025-10-01"),
    _assessment("day that does not exist", "elm,A1,maths,m1,achieved,2025-02-29"),
    _assessment("day in another notation", "elm,A1,maths,m1,achieved,01/10/2025"),
    _assessment("year 1", "elm,A1,maths,m1,achieved,0001-01-01"),
    _assessment("before 1990", "elm,A1,maths,m1,achieved,1989-12-31", "date_out_of_range"),
    _assessment("in the future", f"elm,A1,maths,m1,achieved,{TOMORROW}"),
    _assessment("unknown school", "nowhere,A1,maths,m1,achieved,2025-10-01", "unknown_school"),
    _assessment("unknown pupil", "elm,Z9,maths,m1,achieved,2025-10-01", "unknown_pupil"),
    _assessment("pupil of another reference", "elm,a1,maths,m1,achieved,2025-10-01", "unknown_pupil"),
    _assessment("unknown subject", "elm,A1,music,m1,achieved,2025-10-01"),
    _assessment("unknown objective", "elm,A1,maths,m99,achieved,2025-10-01", "unknown_objective"),
    _assessment("unknown state", "elm,A1,maths,m1,brilliant,2025-10-01", "unknown_state"),
    _assessment("state with another case", "elm,A1,maths,m1,Achieved,2025-10-01", "unknown_state"),
    _assessment("school with odd characters", "el/m,A1,maths,m1,achieved,2025-10-01"),
    _assessment("school that is SQL", "' OR 1=1 --,A1,maths,m1,achieved,2025-10-01"),
    _assessment("too few fields", "elm,A1,maths"),
    _assessment("too many fields", "elm,A1,maths,m1,achieved,2025-10-01,more"),
    _assessment("quoted newline", 'elm,"A\n1",maths,m1,achieved,2025-10-01'),
    _assessment("NUL", "elm,A\x001,maths,m1,achieved,2025-10-01"),
    _assessment("too long", f"elm,{'A' * 129},maths,m1,achieved,2025-10-01"),
    BadRow("leaves before it joins", "pupils", b"school,pupil,enrolled_on,left_on\nelm,N1,2025-09-01,2025-08-01\n"),
    BadRow("far ahead", "pupils", b"school,pupil,enrolled_on\nelm,N1,2099-09-01\n", "date_out_of_range"),
    BadRow("born in 1850", "pupils", b"school,pupil,enrolled_on,date_of_birth\nelm,N1,2025-09-01,1850-01-01\n"),
    BadRow(
        "ends before it starts", "groups", b"school,group,pupil,joined_on,left_on\nelm,3A,A1,2025-09-02,2025-09-01\n"
    ),
    BadRow("unknown kind of group", "groups", b"school,group,kind,pupil,joined_on\nelm,3A,gang,A1,2025-09-02\n"),
    BadRow(
        "value Not known", "characteristics", b"school,pupil,name,value,starts_on\nelm,A1,sen,Not known,2025-09-01\n"
    ),
    BadRow("unknown nation", "schools", b"school,name,nation\nnew-school,New,atlantis\n"),
    BadRow("month 13", "schools", b"school,name,year_starts\nnew-school,New,13\n"),
    BadRow("unknown zone", "schools", b"school,name,time_zone\nnew-school,New,Mars/Olympus\n"),
    BadRow(
        "told before it happened",
        "assessments",
        b"school,pupil,subject,objective,state,assessed_on,recorded_at\n"
        b"elm,A1,maths,m1,achieved,2025-10-05,2025-10-01T10:00:00Z\n",
    ),
    BadRow(
        "told in the future",
        "pupils",
        f"school,pupil,enrolled_on,recorded_at\nelm,N1,2025-09-01,{TOMORROW}T10:00:00Z\n".encode(),
    ),
    BadRow(
        "instant without zone", "pupils", b"school,pupil,enrolled_on,recorded_at\nelm,N1,2025-09-01,2025-09-01T10:00\n"
    ),
    BadRow("sequence no integer", "pupils", b"school,pupil,enrolled_on,sequence\nelm,N1,2025-09-01,first\n"),
    BadRow("enormous sequence", "pupils", b"school,pupil,enrolled_on,sequence\nelm,N1,2025-09-01,1e400\n"),
    BadRow(
        "reserved ability",
        "curriculum",
        b"framework,version,subject,ability,objective\nother,1,art,own-year,a1\n",
    ),
    BadRow(
        "weight 1001",
        "curriculum",
        b"framework,version,subject,ability,objective,weight\nother,1,art,Y3,a1,1001\n",
        "out_of_range",
    ),
    BadRow("weight NaN", "curriculum", b"framework,version,subject,ability,objective,weight\nother,1,art,Y3,a1,NaN\n"),
    BadRow(
        "weight 1e400", "curriculum", b"framework,version,subject,ability,objective,weight\nother,1,art,Y3,a1,1e400\n"
    ),
    BadRow(
        "weight with 4 decimals",
        "curriculum",
        b"framework,version,subject,ability,objective,weight\nother,1,art,Y3,a1,1.0001\n",
    ),
    _line("a list instead of an object", "pupils", b"[1,2]"),
    _line("a number instead of an object", "pupils", b"17"),
    _line("broken JSON", "pupils", b'{"school":"elm","pupil":'),
    _line("a field twice", "pupils", b'{"school":"elm","pupil":"N1","pupil":"N2","enrolled_on":"2025-09-01"}'),
    _line("NUL in JSON", "pupils", b'{"school":"elm","pupil":"N\\u00001","enrolled_on":"2025-09-01"}'),
    _line("lone surrogate", "pupils", b'{"school":"elm","pupil":"N\\ud8001","enrolled_on":"2025-09-01"}'),
    _line("object as a value", "pupils", b'{"school":"elm","pupil":{"a":1},"enrolled_on":"2025-09-01"}'),
    _line("deep JSON", "pupils", b'{"school":"elm","pupil":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
)


def _file(name: str, kind: str, content: bytes, *words: str, **more: Any) -> BadFile:
    extra = more.pop("parameters", ())
    return BadFile(name, (("kind", kind), *extra), content, words, **more)


_GOOD_ROW = b"elm,N1,2025-09-01\n"
FILES = (
    _file("unknown kind", "pupil", b"school,pupil,enrolled_on\n" + _GOOD_ROW, "pupils"),
    BadFile("no kind", (), b"school,pupil,enrolled_on\n" + _GOOD_ROW, ("kind",)),
    _file("unknown column", "pupils", b"school,pupil,enrolled_on,surname\nelm,N1,2025-09-01,Oak\n", "surname"),
    _file("nearly a column", "pupils", b"school,pupil,enroled_on\n" + _GOOD_ROW, "enroled_on", "enrolled_on"),
    _file("missing column", "pupils", b"school,pupil\nelm,N1\n", "enrolled_on"),
    _file("column twice", "pupils", b"school,pupil,enrolled_on,pupil\nelm,N1,2025-09-01,N2\n", "pupil"),
    _file("nothing", "pupils", b""),
    _file("UTF-16", "pupils", ("school,pupil,enrolled_on\n" + _GOOD_ROW.decode()).encode("utf-16"), "UTF-8"),
    _file("not UTF-8", "pupils", b"sch\xf6ol,pupil,enrolled_on\n" + _GOOD_ROW),
    _file("not UTF-8 further on", "pupils", b"school,pupil,enrolled_on\nelm,N\xff1,2025-09-01\n", further_on=True),
    _file("open quote", "pupils", b'school,pupil,enrolled_on\nelm,"N1,2025-09-01\n', further_on=True),
    _file(
        "unknown parameter", "pupils", b"school,pupil,enrolled_on\n" + _GOOD_ROW, "sauce", parameters=(("sauce", "x"),)
    ),
    _file(
        "odd source", "pupils", b"school,pupil,enrolled_on\n" + _GOOD_ROW, "source", parameters=(("source", "a b/c"),)
    ),
    _file(
        "odd dry_run",
        "pupils",
        b"school,pupil,enrolled_on\n" + _GOOD_ROW,
        "dry_run",
        parameters=(("dry_run", "perhaps"),),
    ),
    _file("a picture", "pupils", b"\x89PNG\r\n\x1a\n\x00\x00", media_type="image/png"),
    _file(
        "marks without a maximum",
        "curriculum",
        b"framework,version,subject,ability,objective\nother,1,art,Y3,a1\n",
        "states",
        parameters=(("states", "marks:none"),),
    ),
    _file(
        "state weight 2",
        "curriculum",
        b"framework,version,subject,ability,objective\nother,1,art,Y3,a1\n",
        "states",
        parameters=(("states", "low:0,high:2"),),
    ),
)


def _events(*events: Mapping[str, Any]) -> bytes:
    return json.dumps({"events": list(events)}).encode()


_ASSESSED = {
    "type": "ObjectiveAssessed",
    "school": "elm",
    "pupil": "A1",
    "subject": "maths",
    "objective": "m1",
    "state": "achieved",
    "assessed_on": "2025-10-01",
}


def _without(name: str) -> dict[str, str]:
    return {field_name: value for field_name, value in _ASSESSED.items() if field_name != name}


BODIES = (
    BadBody("empty", b""),
    BadBody("not JSON", b"{events: []}"),
    BadBody("cut off", b'{"events":[{"type":"SchoolRegist'),
    BadBody("a list", b"[]"),
    BadBody("no events", b"{}"),
    BadBody("events no list", b'{"events":{}}'),
    BadBody("unknown field beside events", b'{"events":[],"mode":"fast"}'),
    BadBody("events twice", b'{"events":[],"events":[]}'),
    BadBody("too many events", _events(*({**_ASSESSED, "event_id": f"many-{n}"} for n in range(501)))),
    BadBody("more than a megabyte", _events({**_ASSESSED, "reference": "x" * (1024 * 1024 + 1)})),
    BadBody("UTF-16", '{"events":[]}'.encode("utf-16")),
    BadBody("hundred thousand deep", b'{"events":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    BadBody("item no object", b'{"events":[17,null,"x",[]]}'),
    BadBody("no type", _events(_without("type"))),
    BadBody("unknown type", _events({**_ASSESSED, "type": "ObjectiveAdored"})),
    BadBody("missing field", _events(_without("assessed_on"))),
    BadBody("unknown field", _events({**_ASSESSED, "mark": "10"})),
    BadBody(
        "field twice",
        b'{"events":[{"type":"PupilLeft","school":"elm","school":"oak","pupil":"A1","left_on":"2025-10-01"}]}',
    ),
    BadBody("null field", _events({**_ASSESSED, "state": None})),
    BadBody("number for text", _events({**_ASSESSED, "pupil": 17})),
    BadBody("NaN", b'{"events":[{"type":"ObjectiveAssessed","school":"elm","sequence":NaN}]}'),
    BadBody("1e400", b'{"events":[{"type":"ObjectiveAssessed","school":"elm","sequence":1e400}]}'),
    BadBody("day in the future", _events({**_ASSESSED, "assessed_on": TOMORROW})),
    BadBody("no such day", _events({**_ASSESSED, "assessed_on": "2025-02-30"})),
    BadBody("unknown school", _events({**_ASSESSED, "school": "nowhere"})),
    BadBody("odd school", _events({**_ASSESSED, "school": "../elm"})),
    BadBody("unknown state", _events({**_ASSESSED, "state": "brilliant"})),
    BadBody("NUL", _events({**_ASSESSED, "pupil": "A\x001"})),
    BadBody(
        "lone surrogate", b'{"events":[{"type":"PupilLeft","school":"elm","pupil":"\\ud800","left_on":"2025-10-01"}]}'
    ),
    BadBody("empty event id", _events({**_ASSESSED, "event_id": ""})),
    BadBody("long event id", _events({**_ASSESSED, "event_id": "x" * 129})),
    BadBody("withdraws nothing", _events({"type": "FactWithdrawn", "school": "elm", "reason": "x"})),
    BadBody(
        "merged with itself unknown", _events({"type": "PupilsMerged", "school": "elm", "pupil": "A1", "other": "Z9"})
    ),
    BadBody("type version 99", _events({**_ASSESSED, "type_version": 99})),
    BadBody("key without scope", b'{"name":"x","can":["read"]}', "/v1/keys"),
    BadBody("key with unknown right", b'{"name":"x","all":true,"can":["fly"]}', "/v1/keys"),
    BadBody("key not JSON", b"name=x", "/v1/keys"),
    BadBody("key expired at birth", b'{"name":"x","all":true,"can":["read"],"expires_on":"2020-01-01"}', "/v1/keys"),
)

REPORTS = (
    BadReport("no school", f"{MEASURE}&{MARK_BANDS}", "school"),
    BadReport("school and trust", f"{SCHOOL}&trust=woods", "trust"),
    BadReport("no measure", f"school=elm&{MARK_BANDS}", "measure"),
    BadReport("four measures", SCHOOL + f"&{MEASURE}" * 3, "measure"),
    BadReport("malformed measure", f"school=elm&measure=markbook:maths&{MARK_BANDS}", "measure"),
    BadReport("unknown kind of measure", f"school=elm&measure=horoscope:maths:Y3:overall&{MARK_BANDS}", "measure"),
    BadReport("five cut-offs", f"school=elm&{MEASURE}&bands=10,35,50,70,85", "bands"),
    BadReport("three cut-offs", f"school=elm&{MEASURE}&bands=35,50,70", "bands"),
    BadReport("cut-offs out of order", f"school=elm&{MEASURE}&bands=50,35,70,85", "bands"),
    BadReport("cut-offs no numbers", f"school=elm&{MEASURE}&bands=a,b,c,d", "bands"),
    BadReport("cut-off NaN", f"school=elm&{MEASURE}&bands=NaN,50,70,85", "bands"),
    BadReport("cut-off 1e400", f"school=elm&{MEASURE}&bands=35,50,70,1e400", "bands"),
    BadReport("two bands for one measure", f"{SCHOOL}&{MARK_BANDS}", "bands"),
    BadReport("no such day", f"{SCHOOL}&as_at=2025-02-30", "as_at"),
    BadReport("as_at twice", f"{SCHOOL}&as_at=2025-02-03&as_at=2025-02-04", "as_at"),
    BadReport("known in the future", f"{SCHOOL}&as_known_at=2099-01-01T00:00:00Z", "as_known_at"),
    BadReport("known without zone", f"{SCHOOL}&as_known_at=2025-01-01T00:00:00", "as_known_at"),
    BadReport("malformed position", f"{SCHOOL}&min_position=%00%ff", "min_position"),
    BadReport("position of another world", f"{SCHOOL}&min_position=AAAA", "min_position"),
    BadReport("waits too long", f"{SCHOOL}&wait_seconds=31", "wait_seconds"),
    BadReport("unknown parameter", f"{SCHOOL}&colour=red", "colour"),
    BadReport("unknown breakdown", f"{SCHOOL}&by=shoe-size", "by"),
    BadReport("filter without value", f"{SCHOOL}&filter=sex", "filter"),
    BadReport("odd school", f"school=el%00m&{MEASURE}&{MARK_BANDS}", "school"),
    BadReport("school that is SQL", f"school=elm'%20OR%201=1&{MEASURE}&{MARK_BANDS}", "school"),
    BadReport("unknown school", f"school=nowhere&{MEASURE}&{MARK_BANDS}", statuses=(404,)),
    BadReport("unknown trust", f"trust=nowhere&{MEASURE}&{MARK_BANDS}", statuses=(404,)),
    BadReport("no such report", SCHOOL, report="horoscope", statuses=(404,)),
    BadReport("limit 0", f"{SCHOOL}&row=whole&limit=0", "limit", "overview/members"),
    BadReport("limit 501", f"{SCHOOL}&row=whole&limit=501", "limit", "overview/members"),
    BadReport("odd cursor", f"{SCHOOL}&row=whole&cursor=%2e%2e", "cursor", "overview/members"),
    BadReport("odd cell", f"{SCHOOL}&row=whole&cell=0:brilliant", "cell", "overview/members"),
    BadReport("cell of another measure", f"{SCHOOL}&row=whole&cell=3:at", "cell", "overview/members"),
    BadReport("months backwards", f"school=elm&{MEASURE}&months=2025-12..2025-10", "months", "score-tracking"),
    BadReport("thirteen months", f"school=elm&{MEASURE}&months=2025-01..2026-01", "months", "score-tracking"),
    BadReport("month 13", f"school=elm&{MEASURE}&months=2025-13", "months", "score-tracking"),
    BadReport("matrix of one", f"school=elm&first=markbook:maths:Y3:overall&first_{MARK_BANDS}", "second", "matrix"),
    BadReport(
        "no such date of a measure",
        "school=elm&first=markbook:maths:Y3:overall@2025-02-30&second=markbook:maths:Y3:overall"
        "&first_bands=35,50,70,85&second_bands=35,50,70,85",
        "first",
        "matrix",
    ),
    BadReport("query no UTF-8", f"{SCHOOL}&group=%ff", "group"),
)
