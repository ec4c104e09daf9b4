"""The query strings of ingest: what is taken, and that everything else is refused by its name."""

from __future__ import annotations

import pytest

from services.access.problems import Problem
from services.ingest import parameters

CSV = "text/csv; charset=utf-8"


def read(query: str, content_type: str = CSV) -> parameters.ImportRequest:
    return parameters.read_import(query.encode(), content_type, "imp_new")


def test_everything_that_an_import_may_be_told() -> None:
    asked = read("kind=pupils&source=mis.1&import_id=imp_A1&dry_run=true&ignore=Notes&ignore=Fr%C3%BCh")
    assert (asked.kind, asked.source, asked.import_id, asked.dry_run) == ("pupils", "mis.1", "imp_A1", True)
    assert asked.ignored == ("Notes", "Früh")
    assert read("kind=curriculum&states=marks:40", "application/json").states == "marks:40"


def test_what_is_not_said_has_its_default() -> None:
    asked = read("kind=pupils")
    assert (asked.source, asked.import_id, asked.dry_run, asked.ignored) == ("default", "imp_new", False, ())


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "kind"),
        ("kind=pupil", "kind"),
        ("kind=pupils&kind=schools", "kind"),
        ("kind=pupils&sauce=x", "sauce"),
        ("kind=pupils&source=", "source"),
        ("kind=pupils&source=a%20b", "source"),
        ("kind=pupils&dry_run=1", "dry_run"),
        ("kind=pupils&import_id=imp_", "import_id"),
        ("kind=pupils&import_id=imp_a-b", "import_id"),
        (f"kind=pupils&import_id=imp_{'a' * 61}", "import_id"),
        ("kind=pupils&states=marks:40", "states"),
    ],
)
def test_a_wrong_parameter_is_named(query: str, parameter: str) -> None:
    with pytest.raises(Problem) as raised:
        read(query)
    assert raised.value.status == 422
    assert [error.parameter for error in raised.value.errors] == [parameter]


@pytest.mark.parametrize("query", ["kind=%ff", "kind=\xff", "&".join(["ignore=a"] * 300)])
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    with pytest.raises(Problem) as raised:
        parameters.read_import(query.encode("latin-1"), CSV, "imp_new")
    assert raised.value.status == 422


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [("pupils", ""), ("pupils", "application/json"), ("curriculum", "text/plain"), ("pupils", "text/csvx")],
)
def test_a_type_that_is_not_taken_is_415(kind: str, content_type: str) -> None:
    with pytest.raises(Problem) as raised:
        read(f"kind={kind}", content_type)
    assert raised.value.status == 415


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=-1", "cursor=nothing", "page=2"])
def test_a_wrong_page_is_refused(query: str) -> None:
    with pytest.raises(Problem) as raised:
        parameters.read_page(query.encode())
    assert raised.value.status == 422


def test_a_page_has_a_limit_and_perhaps_a_cursor() -> None:
    assert parameters.read_page(b"") == parameters.Page(50, None)
    assert parameters.read_page(b"limit=5&cursor=imp_a") == parameters.Page(5, "imp_a")


@pytest.mark.parametrize("header", ["", "a" * 256, "a b", "a\x00", "é"])
def test_a_wrong_idempotency_key_is_refused(header: str) -> None:
    with pytest.raises(Problem):
        parameters.read_idempotency_key(header)


def test_an_idempotency_key_may_be_left_out() -> None:
    assert parameters.read_idempotency_key(None) is None
    assert parameters.read_idempotency_key("a" * 255) == "a" * 255
