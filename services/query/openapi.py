"""The HTTP interface as an OpenAPI 3.1 document, made from the tables and Structs that the routes use themselves.

What ingest takes is described here too, because one document describes the product; its bodies are the contract's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from services.access.problems import ProblemBody
from services.query.answers import Matrix, Members, Overview, ScoreTracking
from services.query.health import Readiness
from services.query.hidden_schemas import allow_hidden
from services.query.openapi_examples import read_examples
from services.query.reports.changes import Changes
from services.query.reports.curriculum import Curriculum
from services.query.reports.explain import Explain
from services.query.reports.external import External
from services.query.reports.eyfs_group import EyfsGroup
from services.query.reports.eyfs_pupil import EyfsPupil
from services.query.reports.framework import Framework
from services.query.reports.gld import GldReport
from services.query.reports.judgements import Judgements
from services.query.reports.multi_ability import MultiAbility
from services.query.reports.progress import Progress, ProgressMembers
from services.query.reports.recording import Recording
from services.query.routes import REPORTS
from services.query.sheets import SHEETS

_ANSWERS: Mapping[str, type[msgspec.Struct]] = {
    "overview": Overview,
    "overview/members": Members,
    "progress": Progress,
    "progress/members": ProgressMembers,
    "score-tracking": ScoreTracking,
    "score-tracking/members": ScoreTracking,
    "matrix": Matrix,
    "matrix/members": Members,
    "curriculum": Curriculum,
    "curriculum/members": Members,
    "multi-ability": MultiAbility,
    "multi-ability/members": MultiAbility,
    "explain": Explain,
    "framework": Framework,
    "recording": Recording,
    "changes": Changes,
    "external": External,
    "external/members": Members,
    "judgements": Judgements,
    "judgements/members": Judgements,
    "eyfs-group": EyfsGroup,
    "eyfs-pupil": EyfsPupil,
    "gld": GldReport,
    "gld/members": GldReport,
}
_EXAMPLES = read_examples()
_REPEATED = (
    "school", "year_group", "group", "filter", "by", "then", "measure", "bands", "start_bands", "cell",
)  # fmt: skip
_SINGLE_MEASURE = ("score-tracking", "score-tracking/members")
_REF = "#/components/schemas/{name}"

_PARAMETERS: Mapping[str, str] = {
    "school": "A school's id. Either schools or a trust.",
    "trust": "A trust's id: its members at the date of the roster.",
    "year_group": "Only pupils of any of these year groups.",
    "group": "Only pupils of any of these classes or user groups.",
    "filter": "NAME:VALUE of a characteristic: or inside a name, and between names.",
    "as_at": "What was true on this date, YYYY-MM-DD. Default: today.",
    "as_known_at": "What had been told by this instant, inclusive. Default: all that is known.",
    "min_position": "Wait until the views have come as far as this position of an answer of ingest.",
    "wait_seconds": "How long to wait for min_position, 0 to 30. Default: 2.",
    "measure": "markbook:SUBJECT:ABILITY:overall (or assessed), test:TEST:SUBJECT:COMPONENT:SCORE_TYPE (COMPONENT - if "
    "there is none) with :latest, :best or :first, judgement:SUBJECT:SCALE[:NAME], eyfs:E01|total|gld, "
    "combined:ks2-rwm:expected|higher, combined:phonics:year-1|end-of-year-2, combined:acel-literacy. Any may end "
    "@DATE, tests and judgements @FROM..TO.",
    "bands": "Four lower cut-offs, 35,50,70,85: once for all measures, or once for each; - = a band that is not used. "
    "Whole percents for markbooks; scores may have three decimals.",
    "test": "A test's id, as GET /v1/tests lists them.",
    "framework": "The framework that the subject belongs to.",
    "year": "An academic year, 2025/26. Default: that of as_at.",
    "compare": "national: the national figure beside the schools'.",
    "judgement": "SUBJECT:SCALE or SUBJECT:SCALE:NAME of the teacher's judgement (SUBJECT - if there is none).",
    "area": "An area of the profile: communication, personal, physical, literacy, mathematics, world or arts.",
    "settings": "The id of saved settings, set_… or a version of them, set_…@3, instead of bands. With neither, the "
    "schools' own that are valid on the measure's date.",
    "by": "Rows: school, year-group, group or characteristic:NAME.",
    "then": "By what each row of `by` is broken down again; such a row has `in`.",
    "in": "The row that `row` is a part of. Default: whole.",
    "sort": "name (for keys that may see names) or value, the lowest first. Default: as they stand in their schools.",
    "start": "From when progress is looked at; to as_at.",
    "start_bands": "The cut-offs of the start. Default: what is said of the end.",
    "start_settings": "The id of saved settings, instead of start_bands.",
    "rule": "Five rows (start, from Sig Below) of five digits (end), 1 Sig Below to 5 Sig Above, or the id of settings "
    "of the kind progress. Default: 34455,23445,22344,12234,11223.",
    "target": "The expected rise in points, from the start to the last month that has begun.",
    "type": "group (own-year measures of any two sources) or ability (one source on two dates). Default: neither is "
    "checked.",
    "denominator": "What percents divide by: row (default) or with_data.",
    "row": "A row id of the overview. Default: whole.",
    "cell": "INDEX:BAND or combined:PART of an overview; of progress INDEX:START:END too; BAND:BAND of a matrix. "
    "Several are joined by or.",
    "limit": "Pupils a page, 1 to 500. Default: 50.",
    "cursor": "The `next` of the page before.",
    "months": "2013-09..2014-08 or 2013-09,2013-10: 1 to 12 months. Default: the academic year of as_at.",
    "members": "now: the roster of as_at (default); then: everyone on roll at a listed month end.",
    "first": "MEASURE or MEASURE@DATE of the rows.",
    "second": "MEASURE or MEASURE@DATE of the columns.",
    "first_bands": "The cut-offs of the rows.",
    "second_bands": "The cut-offs of the columns.",
    "on": "Whose date gives roster, groups and filters: first or second (default).",
    "subject": "A subject's id.",
    "ability": "An ability, own-year or any; of several groups own-year. Multi-ability: 1 to 4.",
    "rows": "objective (default) or strand.",
    "column": "1 or 2 of @YYYY-MM-DD (the date of values), group:NAME, characteristic:NAME:VALUE. Default: @as_at.",
    "percent": "overall (default) or assessed.",
    "pupil": "A pupil's id, pup_….",
    "report": "The report that is compared with itself, asked for with its own parameters.",
    "known_from": "The earlier state of knowledge; the later one is as_known_at.",
    "since": "The first day of what is counted. Default: that of the academic year.",
    "minimum": "The share of objectives, in percent, that the school expects to be covered.",
}
_REQUIRED = ("measure", "first", "second", "start")


def build_document() -> dict[str, Any]:
    """The document. Component schemas come from msgspec, so that they are those of the answers."""
    types = [*dict.fromkeys(_ANSWERS.values()), ProblemBody, Readiness]
    _, schemas = msgspec.json.schema_components(types, schema_hook=_any_schema, ref_template=_REF)
    allow_hidden(schemas, dict.fromkeys(_ANSWERS[report].__name__ for report in SHEETS if report in _ANSWERS))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Markledger",
            "version": "1",
            "description": "Facts about what pupils have learned go in; reports for any date, as known at any time, "
            "come out. Every answer carries its provenance, every refusal is a problem of RFC 9457.",
        },
        "security": [{"key": []}],
        "paths": {**_report_paths(), **_ingest_paths(), **_operation_paths()},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "responses": {"problem": _response("A refusal", ProblemBody, "application/problem+json")},
        },
    }


def _any_schema(kind: type) -> dict[str, Any]:
    """The schema of what msgspec knows none for: settings in a provenance may hold anything."""
    if kind is object:
        return {"description": "Any JSON value."}
    raise NotImplementedError(kind)


def _report_paths() -> dict[str, Any]:
    return {
        f"/v1/reports/{report.path}": {
            "get": {
                "summary": report.title,
                "description": "End the path with .csv or .xlsx, or accept text/csv, for a table.",
                "operationId": report.path.replace("/", "-"),
                "tags": ["reports"],
                "parameters": [_parameter(name, report.path) for name in report.known],
                "responses": {
                    "200": {
                        "description": report.title,
                        "content": {
                            "application/json": _json_of(report.path),
                            "text/csv": {"schema": {"type": "string"}},
                        },
                    },
                    **_PROBLEMS,
                },
            }
        }
        for report in REPORTS
    }


def _json_of(path: str) -> dict[str, Any]:
    """The answer of a report, with its example if there is one."""
    told: dict[str, Any] = {"schema": _schema_of(_ANSWERS[path])}
    return told | ({"example": _EXAMPLES[path].answer} if path in _EXAMPLES else {})


def _parameter(name: str, path: str) -> dict[str, Any]:
    repeated = name in _REPEATED and not (name == "measure" and path in _SINGLE_MEASURE)
    kind = {"type": "integer", "minimum": 1, "maximum": 500} if name == "limit" else {"type": "string"}
    described = {
        "name": name,
        "in": "query",
        "required": name in _REQUIRED,
        "description": _PARAMETERS[name],
        "schema": {"type": "array", "items": kind} if repeated else kind,
    }
    given = _EXAMPLES[path].parameter(name) if path in _EXAMPLES else []
    if given:
        described["example"] = given if repeated else int(given[0]) if name == "limit" else given[0]
    return described


_PROBLEMS: dict[str, Any] = {
    status: {"$ref": "#/components/responses/problem"} for status in ("401", "403", "404", "406", "422", "503")
}


def _ingest_paths() -> dict[str, Any]:
    any_object = {"application/json": {"schema": {"type": "object"}}}
    file = {name: {"schema": {"type": "string"}} for name in ("text/csv", "application/x-ndjson")}
    return {
        "/v1/events": {
            "post": _operation("Send up to 500 facts", "202", "All accepted or known already", body=any_object)
        },
        "/v1/imports": {
            "post": _operation(
                "Send a file of facts, streamed, of any size",
                "201",
                "What became of its rows",
                body=file,
                parameters=_texts(
                    kind="schools, pupils, year-groups, groups, characteristics, curriculum, assessments, results or "
                    "judgements.",
                    source="Who says it. Default: default.",
                    dry_run="true changes nothing and answers the same counts and errors.",
                    import_id="A name for the import: imp_ and 1 to 60 letters and digits.",
                    ignore="A column to leave out.",
                    states="States of a curriculum: not_yet:0,achieved:1 or marks:100.",
                ),
            )
        },
        "/v1/imports/{id}": {"get": _operation("An import and its counts", "200", "The import", parameters=[_ID])},
        "/v1/imports/{id}/errors.csv": {
            "get": _operation("The rows that were rejected", "200", "row,column,value,code,message", parameters=[_ID])
        },
        "/v1/imports/{id}/reverse": {
            "post": _operation("Withdraw all facts of an import", "200", "How many were withdrawn", parameters=[_ID])
        },
        "/v1/keys": {
            "post": _operation("Make a key", "201", "The key, shown once", body=any_object),
            "get": _operation("List the keys", "200", "Keys without their secret"),
        },
        "/v1/erasures": {
            "post": _operation("Erase the name of a pupil for ever", "201", "The receipt", body=any_object),
        },
        **_definition_paths(any_object),
    }


def _definition_paths(document: Mapping[str, Any]) -> dict[str, Any]:
    match = {**_ID, "name": "If-Match", "in": "header", "description": "The version that is changed, as its ETag."}
    asked = {"school": "Its own and its trust's.", "kind": "bands or progress.", "as_at": "Valid on this day."}
    filters = [{**each, "required": False} for each in _texts(**asked)]
    paths: dict[str, Any] = {}
    for kind in ("test", "scale"):
        paths[f"/v1/{kind}s"] = {"get": _operation(f"List the {kind}s", "200", f"The standing version of each {kind}")}
        paths[f"/v1/{kind}s/{{id}}"] = {
            "get": _operation(f"A {kind}", "200", "Its standing version", parameters=[_ID]),
            "put": _operation(f"Define a {kind}", "201", "Its version", body=document, parameters=[_ID]),
        }
    return {
        **paths,
        "/v1/settings": {
            "post": _operation("Save attainment settings", "201", "Their id and version 1", body=document),
            "get": _operation("List attainment settings", "200", "Standing versions", parameters=filters),
        },
        "/v1/settings/{id}": {
            "get": _operation("Attainment settings; ID@3 is version 3", "200", "A version", parameters=[_ID]),
            "put": _operation("Change settings", "200", "The next version", body=document, parameters=[_ID, match]),
        },
        "/v1/settings/{id}/versions": {
            "get": _operation("All versions of settings", "200", "Oldest first", parameters=[_ID])
        },
        "/v1/saved-reports": {
            "post": _operation("Save a report to come back to", "201", "The saved report", body=document),
            "get": _operation("List saved reports", "200", "Those of the key, and those shared with it"),
        },
        "/v1/saved-reports/{id}": {"delete": _operation("Delete a saved report", "204", "Gone", parameters=[_ID])},
        "/v1/permalinks": {
            "post": _operation('Keep a report: {"path": "/v1/reports/…"}', "201", "Where it is", body=document)
        },
        "/v1/permalinks/{id}": {
            "get": _operation("A report as it was kept, and what came later", "200", "The report", parameters=[_ID])
        },
    }


def _operation_paths() -> dict[str, Any]:
    ready = {"200": _response("Ready", Readiness), "503": _response("Not ready, with reasons", Readiness)}
    return {
        "/healthz": {"get": {**_operation("Whether the process is alive", "200", "Alive"), "security": []}},
        "/readyz": {
            "get": {**_operation("Whether reports can be made", "200", "Ready"), "responses": ready, "security": []}
        },
        "/metrics": {"get": {**_operation("Metrics for Prometheus", "200", "Metrics"), "security": []}},
    }


_ID: dict[str, Any] = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The id of what is asked for.",
    "schema": {"type": "string"},
}


def _texts(**descriptions: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "required": name == "kind",
            "description": text,
            "schema": {"type": "array", "items": {"type": "string"}} if name == "ignore" else {"type": "string"},
        }
        for name, text in descriptions.items()
    ]


def _operation(
    summary: str,
    status: str,
    answer: str,
    *,
    body: Mapping[str, Any] | None = None,
    parameters: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "parameters": list(parameters),
        "responses": {status: {"description": answer}, **_PROBLEMS},
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": dict(body)}
    return operation


def _response(description: str, answer: type[msgspec.Struct], media_type: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": _schema_of(answer)}}}


def _schema_of(answer: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=answer.__name__)}


DOCUMENT = build_document()
