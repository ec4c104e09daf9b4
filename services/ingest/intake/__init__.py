"""The intake: facts that information systems stream in by Kafka, by the same rules as those of POST /v1/events."""
