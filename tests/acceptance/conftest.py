"""Fixtures taken from their module."""

from __future__ import annotations

from tests.end_to_end.fresh_kafka import fresh_kafka

__all__ = ["fresh_kafka"]
