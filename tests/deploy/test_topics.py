"""deploy/topics.yaml says of every topic what schemas/topics.py says, and what the product makes a topic with."""

from __future__ import annotations

from schemas.topics import KAFKA_PARTITIONS, TOPICS
from services.runtime.log.interface import RECORD_BYTES_MAX
from services.runtime.log.kafka_topics import BATCH_OVERHEAD_BYTES, REPLICAS_MAX
from tests.deploy.deploy_files import DEPLOY, documents


def test_the_topics_are_those_of_the_schemas() -> None:
    told = {topic["spec"]["topicName"]: topic["spec"] for topic in documents(DEPLOY / "topics.yaml")}
    expected = {
        topic.name: {
            "topicName": topic.name,
            "partitions": KAFKA_PARTITIONS,
            "replicas": REPLICAS_MAX,
            "config": {
                "retention.ms": topic.retention_ms,
                "cleanup.policy": "compact" if topic.compacted else "delete",
                "min.insync.replicas": REPLICAS_MAX - 1,
                "max.message.bytes": RECORD_BYTES_MAX + BATCH_OVERHEAD_BYTES,
                "message.timestamp.type": "LogAppendTime",
                "compression.type": "producer",
            },
        }
        for topic in TOPICS
    }
    assert told == expected
