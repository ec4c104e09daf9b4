"""The file of a school: checkable without the product, and refused as soon as a byte of it is another."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from schemas.codec import encode_fact
from services.console.school_file import (
    Checked,
    Content,
    FileDamaged,
    Manifest,
    check_file,
    fingerprint,
    is_packed,
    put_together,
)
from services.console.school_import import check_fits
from services.console.zstd_frames import BLOCKS_MAX, FrameDamaged, pack, unpack
from services.ingest.adoption import AdoptionRefused
from tests.projector_bench import assessed

KEY = b"p" * 40
FACTS = 30


def make(path: Path, *, school: str = "oak", extra: bytes = b"", **changed: object) -> Manifest:
    """A file of assessments; `extra` is one more line's fact, `changed` what the manifest says otherwise."""
    spool = path.with_name("spool")
    values = [encode_fact(assessed(school, f"pup_{number}", number)) for number in range(FACTS)]
    values += [extra] if extra else []
    with spool.open("wb") as file:
        content = Content(file, packed=is_packed(path))
        for number, value in enumerate(values):
            content.add(number * 3, f"position{number}", value)
        content.flush()
    manifest = Manifest(
        school="oak",
        facts=len(values),
        types={"ObjectiveAssessed": FACTS} | ({"Yet": 1} if extra else {}),
        content_bytes=content.bytes,
        sha256=content.sha256,
        first_offset=0,
        last_offset=3 * len(values) - 3,
        first_position="a",
        last_position="b",
        log_id="log",
        partition=1,
        partitions=8,
        left_out=0,
        made_at="2026-03-02T09:00:00Z",
        product_version="1",
        pupil_key=fingerprint(KEY),
    )
    manifest = msgspec.structs.replace(manifest, **changed).sealed(KEY)
    put_together(path, manifest, spool)
    return manifest


@pytest.mark.parametrize("name", ["oak.ndjson", "oak.ndjson.zst"])
def test_a_file_is_read_as_it_was_made(tmp_path: Path, name: str) -> None:
    manifest = make(tmp_path / name)
    checked = check_file(tmp_path / name)
    assert checked == Checked(manifest, {})
    check_fits(checked, KEY)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_it_is_checked_without_the_product(tmp_path: Path) -> None:
    make(tmp_path / "oak.ndjson")
    head, _, content = (tmp_path / "oak.ndjson").read_bytes().partition(b"\n")
    told = json.loads(head)
    assert told["sha256"] == hashlib.sha256(content).hexdigest()
    lines = [json.loads(line) for line in content.splitlines()]
    assert [line["offset"] for line in lines] == [3 * number for number in range(FACTS)]
    assert all(line["fact"]["type"] == "ObjectiveAssessed" and line["position"] for line in lines)


@pytest.mark.skipif(shutil.which("zstd") is None, reason="no zstd on this machine")
def test_any_zstd_unpacks_it_and_what_it_packs_is_read(tmp_path: Path) -> None:
    make(tmp_path / "oak.ndjson.zst")
    subprocess.run(["zstd", "-q", "-d", "oak.ndjson.zst"], cwd=tmp_path, check=True)
    assert check_file(tmp_path / "oak.ndjson") == check_file(tmp_path / "oak.ndjson.zst")
    subprocess.run(["zstd", "-q", "-f", "oak.ndjson"], cwd=tmp_path, check=True)
    assert check_file(tmp_path / "oak.ndjson") == check_file(tmp_path / "oak.ndjson.zst")


def _without_a_line(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join(lines[:5] + lines[6:])


def _two_lines_swapped(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([*lines[:5], lines[6], lines[5], *lines[7:]])


def _summed_up_anew(content: bytes) -> bytes:
    """Edited by somebody who makes the sums right again."""
    head, _, rest = content.partition(b"\n")
    rest = rest.replace(b'"achieved"', b'"not_made"')
    manifest = json.loads(head) | {"sha256": hashlib.sha256(rest).hexdigest(), "content_bytes": len(rest)}
    return json.dumps(manifest).encode() + b"\n" + rest


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a fact changed": lambda content: content.replace(b'"pup_7"', b'"pup_8"'),
    "a line missing": _without_a_line,
    "two lines swapped": _two_lines_swapped,
    "a line twice": lambda content: content + content.splitlines(keepends=True)[-1],
    "cut in a line": lambda content: content[:-20],
    "cut after a line": lambda content: b"".join(content.splitlines(keepends=True)[:-1]),
    "no manifest": lambda content: content.partition(b"\n")[2],
    "the manifest alone": lambda content: content.partition(b"\n")[0] + b"\n",
    "another school in the manifest": lambda content: content.replace(b'"school":"oak"', b'"school":"elm"', 1),
    "another format": lambda content: content.replace(b"markledger.school/1", b"markledger.school/9", 1),
    "nothing": lambda _: b"",
    "no text at all": lambda _: b"\x00\xff" * 100,
    "edited, and summed up anew": _summed_up_anew,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "oak.ndjson"
    make(path)
    path.write_bytes(CHANGES[change](path.read_bytes()))
    with pytest.raises(FileDamaged):
        check_fits(check_file(path), KEY)


def test_no_byte_of_a_packed_file_may_go_or_change(tmp_path: Path) -> None:
    path = tmp_path / "oak.ndjson.zst"
    make(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :]):
            path.write_bytes(content)
            with pytest.raises((FileDamaged, AdoptionRefused)):
                check_fits(check_file(path), KEY)


def test_a_file_of_another_pupil_key_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "oak.ndjson")
    with pytest.raises(AdoptionRefused, match="MARKLEDGER_PUPIL_KEY"):
        check_fits(check_file(tmp_path / "oak.ndjson"), b"q" * 40)


def test_a_fact_of_a_later_release_is_exported_and_refused_where_it_is_not_known(tmp_path: Path) -> None:
    fact = b'{"type":"Yet","school":"oak","event_id":"e","recorded_at":"2026-01-01T00:00:00Z"}'
    make(tmp_path / "oak.ndjson", extra=fact)
    checked = check_file(tmp_path / "oak.ndjson")
    assert checked.unknown == {"Yet": 1}
    with pytest.raises(AdoptionRefused, match="upgrade"):
        check_fits(checked, KEY)


def test_facts_of_another_school_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "oak.ndjson", school="elm")
    with pytest.raises(FileDamaged, match="another school"):
        check_file(tmp_path / "oak.ndjson")


def test_a_frame_that_would_fill_the_memory_is_refused() -> None:
    bomb = pack(bytes((BLOCKS_MAX + 8) * 128 * 1024))
    with pytest.raises(FrameDamaged, match="too large"):
        list(unpack(io.BytesIO(bomb)))
