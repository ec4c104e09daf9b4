"""SIGKILL of the intake at random points while it takes messages: nothing is lost, nothing doubled, the views verify.

MARKLEDGER_TEST_KILLS is the number of kills (1); the seed is printed and MARKLEDGER_TEST_SEED repeats it. Each
costs six seconds, after which the broker gives the partitions of the killed one to the next.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections import Counter
from pathlib import Path

import pytest

from schemas.topics import FACTS, INTAKE, INTAKE_DEAD
from tests.end_to_end import streams
from tests.end_to_end.product import Product
from tests.servers.kafka import KafkaBroker
from tests.servers.process import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.end_to_end, pytest.mark.kafka]

KILLS = int(os.environ.get("MARKLEDGER_TEST_KILLS", "1"))
SEED = int(os.environ.get("MARKLEDGER_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
SCHOOLS = ("ash", "birch", "cedar")
OBJECTIVES = 50
MESSAGES_PER_KILL = 100
EVENTS_PER_MESSAGE = 40
MEASURE = "markbook:maths:Y3:overall"
SECONDS = 90.0


def test_killed_while_it_takes_messages(fresh_kafka: KafkaBroker, tmp_path: Path) -> None:
    chance = random.Random(f"{SEED} intake")
    with Product(tmp_path / "data", {"MARKLEDGER_KAFKA_BOOTSTRAP": fresh_kafka.bootstrap}) as product:
        wait_until(lambda: {INTAKE.name, INTAKE_DEAD.name} <= streams.topics(fresh_kafka.bootstrap), "topics", SECONDS)
        streams.send(fresh_kafka.bootstrap, [streams.body(*_rosters())])
        wait_until(lambda: _covered(product) == ["0"] * len(SCHOOLS), "the schools", SECONDS)
        expected: set[str] = set()
        poison: list[str] = []
        for number in range(KILLS):
            bodies = _bodies(number, expected)
            place = chance.randrange(len(bodies))
            streams.send(fresh_kafka.bootstrap, bodies[:place])
            poison += streams.send(fresh_kafka.bootstrap, [b"poison"])
            streams.send(fresh_kafka.bootstrap, bodies[place:])
            delay = chance.uniform(0.0, 1.5)
            threading.Event().wait(delay)
            product.child("intake").kill()
            print(f"\nseed {SEED}: intake killed {delay:.2f} s after message {(number + 1) * (len(bodies) + 1)}")
        everything = len(_rosters()) + len(expected)
        wait_until(lambda: streams.count(fresh_kafka.bootstrap, FACTS.name) >= everything, "the facts", SECONDS)
        wait_until(lambda: _origins(fresh_kafka) >= set(poison), "the letters", SECONDS)
        assert _origins(fresh_kafka) == set(poison)
        wait_until(lambda: _covered(product) == [str(OBJECTIVES)] * len(SCHOOLS), "the views", SECONDS)
        verified = product.run_command("verify", "--json", timeout=300)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert json.loads(verified.stdout)["equal"] is True
        facts = [json.loads(record.value) for record in streams.read(fresh_kafka.bootstrap, FACTS.name)]
        found = [fact["event_id"] for fact in facts if fact["type"] == "ObjectiveAssessed"]
        doubled = [event_id for event_id, count in Counter(found).items() if count > 1]
        assert not doubled and set(found) == expected


def _rosters() -> list[dict[str, object]]:
    objectives = [{"objective": f"o{number}", "ability": "Y3"} for number in range(OBJECTIVES)]
    events: list[dict[str, object]] = []
    for school in SCHOOLS:
        events += [
            {"type": "SchoolRegistered", "school": school, "name": school.title()},
            {"type": "PupilEnrolled", "school": school, "pupil": "P1", "enrolled_on": "2025-09-01"},
            {
                "type": "CurriculumPublished",
                "school": school,
                "framework": "nc",
                "version": "1",
                "states": [{"state": "achieved", "weight": "1"}],
                "subjects": [{"subject": "maths", "objectives": objectives}],
            },
        ]
    return events


def _bodies(number: int, expected: set[str]) -> list[bytes]:
    """Messages whose events are all new; their ids, chosen here, join `expected`."""
    bodies = []
    for message in range(MESSAGES_PER_KILL):
        events = []
        for place in range(EVENTS_PER_MESSAGE):
            event_id = f"{number}-{message}-{place}"
            expected.add(event_id)
            count = message * EVENTS_PER_MESSAGE + place
            events.append(
                {
                    "type": "ObjectiveAssessed",
                    "event_id": event_id,
                    "school": SCHOOLS[count % len(SCHOOLS)],
                    "pupil": "P1",
                    "subject": "maths",
                    "objective": f"o{count // len(SCHOOLS) % OBJECTIVES}",
                    "state": "achieved",
                    "assessed_on": "2025-10-01",
                    "sequence": number,
                }
            )
        bodies.append(streams.body(*events))
    return bodies


def _origins(broker: KafkaBroker) -> set[str]:
    """Where the messages came from that were set aside; one that is told twice is one."""
    return {streams.header(each, "markledger-origin") for each in streams.read(broker.bootstrap, INTAKE_DEAD.name)}


def _covered(product: Product) -> list[str]:
    values = []
    with product.client() as client:
        for school in SCHOOLS:
            parameters = [("school", school), ("measure", MEASURE), ("bands", "20,40,60,80"), ("row", "whole")]
            answer = client.get("/v1/reports/overview/members", params=parameters)
            if answer.status_code == 200 and (pupils := answer.json()["pupils"]):
                values.append(str(pupils[0]["values"][0].get("numerator") or 0))
    return values
