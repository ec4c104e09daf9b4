"""Sealing: only the same key at the same place opens, and nothing of what was sealed can be seen."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from services.access import identities, sealing
from services.access.identities import ToldIdentity
from services.access.sealing import Damaged

KEY = bytes(range(32))
PLACE = ("oak", "pup_a", "event-1")


def test_what_was_sealed_opens_at_its_place_alone() -> None:
    sealed = sealing.seal(KEY, b"Amy", *PLACE)
    assert sealing.unseal(KEY, sealed, *PLACE) == b"Amy"
    for place in (
        ("elm", "pup_a", "event-1"),
        ("oak", "pup_b", "event-1"),
        ("oak", "pup_a", "event-2"),
        ("oak", "pup_a"),
        ("oakp", "up_a", "event-1"),
    ):
        with pytest.raises(Damaged):
            sealing.unseal(KEY, sealed, *place)
    with pytest.raises(Damaged):
        sealing.unseal(bytes(32), sealed, *PLACE)


def test_a_single_changed_bit_is_noticed_wherever_it_is() -> None:
    sealed = sealing.seal(KEY, b"Amy", *PLACE)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(Damaged):
            sealing.unseal(KEY, bytes(changed), *PLACE)
    for length in range(len(sealed)):
        with pytest.raises(Damaged):
            sealing.unseal(KEY, sealed[:length], *PLACE)


def test_the_same_is_never_sealed_the_same_way() -> None:
    assert len({sealing.seal(KEY, b"Amy", *PLACE) for _ in range(50)}) == 50


def test_each_purpose_has_a_key_of_its_own() -> None:
    secret = b"i" * 40
    keys = {sealing.derive_key(secret, purpose) for purpose in ("identity keys", "erasure receipts")}
    assert len(keys) == 2 and all(len(key) == sealing.KEY_BYTES for key in keys)
    golden = "b06dfc754a7e9e3e"
    assert sealing.derive_key(secret, "identity keys").hex().startswith(golden), "else no name opens after an update"
    assert sealing.derive_key(b"j" * 40, "identity keys") not in keys


def test_a_sealed_identity_shows_nothing_of_the_person() -> None:
    told = ToldIdentity(
        *PLACE, datetime(2025, 9, 1, tzinfo=UTC), "REF-77", "Canary", "Byrd", date(2017, 5, 5), "H801200001001"
    )
    sealed = identities.seal_identity(KEY, told)
    for secret in (b"REF-77", b"Canary", b"Byrd", b"2017-05-05", b"H801200001001"):
        assert secret in sealing.unseal(KEY, sealed.sealed, *PLACE) and secret not in sealed.sealed
    assert "Canary" not in repr(sealed)
