"""The body of POST /v1/keys: what makes a key, and what is refused with its place."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from services.access.key_requests import BODY_BYTES_MAX, read_key_request
from services.access.keys import KeyRequest
from services.access.problems import Problem

TODAY = date(2026, 3, 31)
GOOD: dict[str, Any] = {"name": "MIS", "schools": ["oak", "elm"], "can": ["write", "read"], "expires_on": "2026-03-31"}


def read(body: Any) -> KeyRequest:
    return read_key_request(body if isinstance(body, bytes) else json.dumps(body).encode(), TODAY)


def refused(body: Any) -> Problem:
    with pytest.raises(Problem) as raised:
        read(body)
    return raised.value


def faults(body: Any) -> set[tuple[str | None, str]]:
    return {(error.pointer, error.code) for error in refused(body).errors}


def test_a_key_for_schools() -> None:
    assert read(GOOD) == KeyRequest("MIS", False, ("oak", "elm"), (), ("read", "write"), TODAY)


def test_a_key_for_trusts_and_one_for_all() -> None:
    assert read({"name": "T", "trusts": ["woods"], "can": ["read"]}).trusts == ("woods",)
    everything = read({"name": "A", "all": True, "can": ["admin", "migrate", "names"]})
    assert (everything.all, everything.schools, everything.can) == (True, (), ("names", "migrate", "admin"))


def test_rights_of_later_reports_are_accepted() -> None:
    rights = ["settings", "import", "enter", "small_numbers"]
    assert set(read({**GOOD, "can": rights}).can) == set(rights)


def test_a_key_of_groups_reads_their_pupils_at_named_schools() -> None:
    asked = {"name": "Oak class", "schools": ["oak"], "groups": [" 4A", "Chess club", "4A"], "can": ["read", "names"]}
    assert read(asked).groups == ("4A", "Chess club")
    assert read(GOOD).groups == ()
    assert faults({**asked, "can": ["read", "write"]}) == {("/can", "right_of_no_group")}
    assert faults({**asked, "groups": []}) == {("/groups", "empty_scope")}
    assert faults({**asked, "groups": ["4A", ""]}) == {("/groups/1", "invalid_name")}
    everywhere = {"name": "x", "all": True, "groups": ["4A"], "can": ["read"]}
    assert faults(everywhere) == {("/groups", "invalid_scope")}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": " "}, ("/name", "invalid_name")),
        ({"name": 7}, ("/name", "invalid_name")),
        ({"name": "a\nb"}, ("/name", "invalid_name")),
        ({"name": "x" * 129}, ("/name", "invalid_name")),
        ({"schools": []}, ("/schools", "empty_scope")),
        ({"schools": "oak"}, ("/schools", "empty_scope")),
        ({"schools": ["oak", "o k"]}, ("/schools/1", "invalid_identifier")),
        ({"schools": [None]}, ("/schools/0", "invalid_identifier")),
        ({"trusts": ["woods"]}, ("", "invalid_scope")),
        ({"can": []}, ("/can", "missing_rights")),
        ({"can": "read"}, ("/can", "missing_rights")),
        ({"can": ["read", "fly"]}, ("/can/1", "unknown_right")),
        ({"can": [["read"]]}, ("/can/0", "unknown_right")),
        ({"expires_on": "2026-03-30"}, ("/expires_on", "date_out_of_range")),
        ({"expires_on": "2026-02-30"}, ("/expires_on", "invalid_date")),
        ({"expires_on": "20260401"}, ("/expires_on", "invalid_date")),
        ({"expires_on": 20260401}, ("/expires_on", "invalid_date")),
        ({"scope": "all"}, ("/scope", "unknown_field")),
        ({"a/b~c": 1}, ("/a~1b~0c", "unknown_field")),
    ],
)
def test_each_fault_is_named_with_its_place(change: dict[str, Any], fault: tuple[str, str]) -> None:
    problem = refused({**GOOD, **change})
    assert (problem.status, problem.code) == (422, "invalid_key_request")
    assert [(error.pointer, error.code) for error in problem.errors] == [fault]
    assert all(error.detail for error in problem.errors)


def test_all_can_only_be_true() -> None:
    assert faults({"name": "A", "all": False, "can": ["read"]}) == {("/all", "invalid_scope")}


def test_every_fault_is_named_at_once() -> None:
    assert faults({}) == {("/name", "invalid_name"), ("", "invalid_scope"), ("/can", "missing_rights")}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"name":"a","name":"b"}',
        b'{"name":NaN}',
        b"\xff\xfe",
        "{}".encode("utf-16"),
        b"[" * 60_000,
    ],
)
def test_a_body_that_is_no_object_is_malformed(body: bytes) -> None:
    problem = refused(body)
    assert (problem.status, problem.code) == (422, "malformed_body")


def test_a_large_body_is_refused_unread() -> None:
    assert refused(b" " * (BODY_BYTES_MAX + 1)).status == 413
