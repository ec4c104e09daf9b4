"""Products on the embedded default, each with a data directory of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.product import Product


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A running product for a module of tests that do not disturb each other."""
    with Product(tmp_path_factory.mktemp("product") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def client(product: Product) -> Iterator[httpx.Client]:
    """A client with the admin key."""
    with product.client() as opened:
        yield opened


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Where a test's own product keeps its data."""
    return tmp_path / "data"
