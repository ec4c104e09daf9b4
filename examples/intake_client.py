"""Send two facts to Markledger by Kafka and wait for its answer.

pip install 'aiokafka[zstd]'; python examples/intake_client.py localhost:9092 TOPIC-FOR-ANSWERS
"""

import asyncio
import json
import secrets
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

EVENTS = [
    {"type": "SchoolRegistered", "school": "oakfield", "name": "Oakfield Primary"},
    {"type": "PupilEnrolled", "school": "oakfield", "pupil": "P1", "enrolled_on": "2025-09-01", "year_group": "3"},
]


async def tell(bootstrap, answers, events):
    """The ledger's answer, the same as that of POST /v1/events. Without one, send again: nothing counts twice."""
    request = secrets.token_hex(16).encode()
    headers = [("content-type", b"application/json"), ("correlation_id", request), ("reply_to", answers.encode())]
    consumer = AIOKafkaConsumer(answers, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    async with consumer, producer:
        value = json.dumps({"events": events}).encode()
        await producer.send_and_wait("markledger.intake.v1", value, key=b"oakfield", headers=headers)
        while True:
            message = await consumer.getone()
            if dict(message.headers).get("correlation_id") == request:
                return json.loads(message.value)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(tell(*sys.argv[1:3], EVENTS)), indent=2))
