"""A client that posts one fact after the other, whatever happens, and remembers which were acknowledged.

It retries as the contract allows: the same request again after no answer or a 503. Anything else is a failure.
"""

from __future__ import annotations

import threading
from types import TracebackType

import httpx

from tests.end_to_end.product import Product, read_report
from tests.servers.process import wait_until

SCHOOL = "acknowledged"
OBJECTIVES = 400
READY_SECONDS = 90.0
RETRY_SECONDS = 1.0
"""How long a client waits before it sends again; the product's Retry-After is of that order."""


class AcknowledgedFacts:
    """Posts in a thread of its own while the block runs. Each fact is one objective of one pupil, achieved."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._post_all, daemon=True)
        self._product_away = threading.Event()  # nobody sets it: waiting on it is waiting for a while
        self._failure: str | None = None
        self.acknowledged = 0
        self.retries = 0
        self.position = ""

    def __enter__(self) -> AcknowledgedFacts:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(timeout=READY_SECONDS * 2)
        assert self._failure is None, self._failure

    @property
    def ended(self) -> bool:
        """Whether nothing more will be posted."""
        return not self._thread.is_alive()

    def _post_all(self) -> None:
        with self._product.client() as client:
            for number in range(OBJECTIVES):
                if self._stopping.is_set() or not self._post(client, number):
                    return

    def _post(self, client: httpx.Client, number: int) -> bool:
        """Post fact `number` until it is acknowledged."""
        event = {
            "type": "ObjectiveAssessed",
            "school": SCHOOL,
            "pupil": "P1",
            "subject": "maths",
            "objective": f"o{number}",
            "state": "achieved",
            "assessed_on": "2025-10-01",
            "event_id": f"fact-{number}",
        }
        while True:
            try:
                answer = client.post("/v1/events", json={"events": [event]}, timeout=30)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 202:
                self.acknowledged += 1
                self.position = answer.json()["position"]
                return True
            if answer is not None and answer.status_code != 503:
                self._failure = f"fact {number}: {answer.status_code} {answer.text[:500]}"
                return False
            self.retries += 1
            self._product_away.wait(RETRY_SECONDS)
            wait_until_ready(client)


def prepare(client: httpx.Client) -> None:
    """The school, the pupil and the objectives."""
    objectives = [{"objective": f"o{number}", "ability": "Y3"} for number in range(OBJECTIVES)]
    events = [
        {"type": "SchoolRegistered", "school": SCHOOL, "name": "Acknowledged"},
        {"type": "PupilEnrolled", "school": SCHOOL, "pupil": "P1", "enrolled_on": "2025-09-01"},
        {
            "type": "CurriculumPublished",
            "school": SCHOOL,
            "framework": "primary",
            "version": "1",
            "states": [{"state": "achieved", "weight": "1"}],
            "subjects": [{"subject": "maths", "objectives": objectives}],
        },
    ]
    answer = client.post("/v1/events", json={"events": events})
    assert answer.status_code == 202, answer.text


def assert_all_are_there(client: httpx.Client, facts: AcknowledgedFacts, earlier: int) -> None:
    """As many objectives count as were ever acknowledged; `earlier` in rounds before."""
    if not facts.position:
        return
    parameters = [("school", SCHOOL), ("measure", "markbook:maths:Y3:overall"), ("bands", "20,40,60,80")]
    parameters += [("as_at", "2025-10-01"), ("row", "whole"), ("min_position", facts.position), ("wait_seconds", "30")]
    report = read_report(client, "overview/members", parameters)
    value = report["pupils"][0]["values"][0]
    assert int(value["numerator"]) == max(facts.acknowledged, earlier)


def wait_until_ready(client: httpx.Client, seconds: float = READY_SECONDS) -> None:
    """Until the product says that it is ready."""

    def ready() -> bool:
        try:
            return client.get("/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(ready, "readiness", seconds)
