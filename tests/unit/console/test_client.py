"""The client's failures: a problem becomes one line with place and reason, silence becomes `does not answer`."""

from __future__ import annotations

import httpx
import pytest

from services.console.client import Client, RequestFailed


def client_that_answers(answer: httpx.Response) -> Client:
    client = Client("http://127.0.0.1:1", "key")
    client._http = httpx.Client(transport=httpx.MockTransport(lambda _: answer), base_url="http://127.0.0.1:1")
    return client


def test_a_problem_is_told_with_its_places() -> None:
    body = {
        "title": "The request is not valid",
        "detail": "2 faults",
        "errors": [{"parameter": "bands", "code": "x", "detail": "four numbers"}, {"pointer": "/a", "detail": "no"}],
    }
    with pytest.raises(RequestFailed) as failed:
        client_that_answers(httpx.Response(422, json=body)).get("/v1/reports/overview")
    assert str(failed.value) == "The request is not valid: 2 faults [bands: four numbers] [/a: no]"
    assert failed.value.exit_code == 1
    assert failed.value.body == body


@pytest.mark.parametrize(("status", "code"), [(403, 1), (503, 4), (500, 4)])
def test_the_exit_code_follows_the_status(status: int, code: int) -> None:
    with pytest.raises(RequestFailed) as failed:
        client_that_answers(httpx.Response(status, text="<html>")).get("/")
    assert failed.value.exit_code == code


def test_nobody_there() -> None:
    with Client("http://127.0.0.1:1", None) as client, pytest.raises(RequestFailed) as failed:
        client.get("/healthz")
    assert failed.value.exit_code == 4
    assert "http://127.0.0.1:1 does not answer" in str(failed.value)
