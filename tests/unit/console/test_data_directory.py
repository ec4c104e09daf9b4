"""Secrets are made once and for their owner only; the lock keeps a second process out and goes with the first."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from services.console.data_directory import (
    SECRETS,
    DataDirectoryInUse,
    DataDirectoryUnusable,
    ensure_secret,
    locked,
    prepare,
    read_secret,
    secret_path,
)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_made_once(tmp_path: Path, name: str) -> None:
    assert ensure_secret(tmp_path, name) is True
    secret = read_secret(tmp_path, name)
    assert secret is not None and len(secret) >= 32
    assert ensure_secret(tmp_path, name) is False
    assert read_secret(tmp_path, name) == secret
    assert stat.S_IMODE(secret_path(tmp_path, name).stat().st_mode) == 0o600
    assert not list(tmp_path.glob("*.new"))


def test_a_missing_secret_is_none(tmp_path: Path) -> None:
    assert read_secret(tmp_path / "nowhere", "admin") is None


def test_only_one_holds_the_directory_and_the_refusal_names_the_holder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(DataDirectoryInUse, match=r"process \d+"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    directory = prepare(tmp_path / "new" / "data")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DataDirectoryUnusable, match="data"):
        prepare(tmp_path / "data")
