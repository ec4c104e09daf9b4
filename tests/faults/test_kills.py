"""SIGKILL of projector, log server and ingest at random points of an import: nothing acknowledged is lost or doubled.

MARKLEDGER_TEST_KILLS is the number of kills of each kind (2; `make test-faults` takes 10). Seeds are printed;
MARKLEDGER_TEST_SEED repeats one. The client sends the file again when it gets no answer, as the contract allows.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from tests.end_to_end.product import Product
from tests.faults.acknowledged import RETRY_SECONDS, AcknowledgedFacts, assert_all_are_there, prepare, wait_until_ready
from tests.faults.marks import ROWS, assert_marks_are, marks_file, send_rosters
from tests.servers.kafka import KafkaBroker
from tests.servers.process import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.end_to_end]

KILLS = int(os.environ.get("MARKLEDGER_TEST_KILLS", "2"))
SEED = int(os.environ.get("MARKLEDGER_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
BACK_SECONDS = 15.0
SEND_SECONDS = 180.0
VICTIMS = ("projector", "ingest", "log server")

Kill = Callable[[], None]


@pytest.mark.parametrize("victim", VICTIMS)
def test_killed_during_an_import(product: Product, back_end: str, broker: KafkaBroker | None, victim: str) -> None:
    chance = random.Random(f"{SEED} {back_end} {victim}")
    kill = _killer(product, broker, victim)
    acknowledged = 0
    with product.client() as client:
        send_rosters(client)
        prepare(client)
        started = time.monotonic()
        assert_marks_are(client, 0, _send(client, marks_file(0)))
        seconds = time.monotonic() - started
        for number in range(1, KILLS + 1):
            delay = chance.uniform(0.02, seconds)
            with AcknowledgedFacts(product) as facts:
                position, sent, back = _import_with_a_kill(product, marks_file(number), kill, delay, facts)
            assert_marks_are(client, number, position)
            assert_all_are_there(client, facts, acknowledged)
            acknowledged = max(acknowledged, facts.acknowledged)
            print(
                f"\nseed {SEED}: {victim} on {back_end} killed {delay:.2f} s into import {number}: sent {sent}x,"
                f" back after {back:.1f} s, {facts.acknowledged} single facts acknowledged, {facts.retries} retried"
            )
        verified = product.run_command("verify", "--json", timeout=300)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        result = json.loads(verified.stdout)
        assert result["equal"] is True and result["dead_letters"] == 0 and result["behind"] == 0, result


class _Sender:
    """Sends one file in a thread of its own, again and again until it is answered."""

    def __init__(self, product: Product, content: bytes) -> None:
        self._product = product
        self._content = content
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._failure: BaseException | None = None
        self._ended = threading.Event()
        self.sent = 0
        self.position = ""
        self._thread.start()

    def result(self) -> str:
        """The position after the import."""
        self._thread.join(timeout=SEND_SECONDS)
        assert self._failure is None, self._failure
        assert self.position, "the import was never answered"
        return self.position

    def _send(self) -> None:
        try:
            with self._product.client() as client:
                while not self.position:
                    self.sent += 1
                    self.position = _try_to_send(client, self._content)
                    if not self.position:
                        self._ended.wait(RETRY_SECONDS)
                        wait_until_ready(client)
        except (AssertionError, TimeoutError, httpx.HTTPError) as failure:
            self._failure = failure


def _import_with_a_kill(
    product: Product, content: bytes, kill: Kill, delay: float, facts: AcknowledgedFacts
) -> tuple[str, int, float]:
    """The position after the import, how often it was sent, and how long until facts were acknowledged again.

    The kill is made here, in the main thread: a server that a test starts ends with the thread that started it.
    """
    sender = _Sender(product, content)
    threading.Event().wait(delay)
    kill()
    before, up_again = facts.acknowledged, time.monotonic()
    with product.client() as watcher:
        wait_until_ready(watcher, BACK_SECONDS)
    wait_until(lambda: facts.acknowledged > before or facts.ended, "an acknowledged fact", BACK_SECONDS)
    back = time.monotonic() - up_again
    return sender.result(), sender.sent, back


def _killer(product: Product, broker: KafkaBroker | None, victim: str) -> Kill:
    """Kills the victim; returns when its server is there again (`up` starts its own children, a broker is ours)."""
    if victim == "log server" and broker is not None:

        def kill_broker() -> None:
            broker.kill()
            broker.start()

        return kill_broker
    child = {"projector": "projector", "ingest": "web", "log server": "postgres"}[victim]
    return lambda: product.child(child).kill()


def _try_to_send(client: httpx.Client, content: bytes) -> str:
    """The position if the whole file was answered, else nothing; only what a fault may cause is forgiven."""
    try:
        answer = client.post(
            "/v1/imports?kind=assessments&source=marks", content=content, headers={"Content-Type": "text/csv"}
        )
    except httpx.TransportError:
        return ""
    if answer.status_code == 503:
        return ""
    assert answer.status_code == 201, (answer.status_code, answer.text[:1000])
    counts = answer.json()
    assert counts["rejected"] == 0 and counts["accepted"] + counts["duplicate"] == ROWS, counts
    return str(counts["position"])


def _send(client: httpx.Client, content: bytes) -> str:
    position = _try_to_send(client, content)
    assert position
    return position
