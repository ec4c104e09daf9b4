"""Files as they stream in: what is cut into rows, what is a wrong row, and what ends the reading of the file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.columns import HeaderFault
from services.ingest.files import CSV, NDJSON, FileFault, RawRow, read_rows

HEADER = b"school,pupil,enrolled_on\n"
GOOD = b"elm,N1,2025-09-01\n"
FIELDS = {"school": "elm", "pupil": "N1", "enrolled_on": "2025-09-01"}
LINE = json.dumps(FIELDS).encode() + b"\n"


class ConnectionCutOff(Exception):
    """As the server raises it when the client goes away."""


async def stream(content: bytes, size: int = 1 << 16, cut_off: bool = False) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]
    if cut_off:
        raise ConnectionCutOff


async def gather(
    chunks: AsyncIterator[bytes], media_type: str = CSV, ignored: Iterable[str] = (), kind: str = "pupils"
) -> tuple[list[RawRow], FileFault | ConnectionCutOff | None]:
    rows: list[RawRow] = []
    try:
        async for portion in read_rows(chunks, media_type, kind, list(ignored)):
            assert 0 < len(portion) <= 2000
            rows.extend(portion)
    except (FileFault, ConnectionCutOff) as error:
        return rows, error
    return rows, None


async def rows_of(content: bytes, media_type: str = CSV, size: int = 1 << 16) -> list[RawRow]:
    rows, fault = await gather(stream(content, size), media_type)
    assert fault is None, fault
    return rows


async def header_fault(content: bytes, media_type: str = CSV, kind: str = "pupils") -> HeaderFault:
    with pytest.raises(HeaderFault) as caught:
        await gather(stream(content), media_type, kind=kind)
    assert caught.value.detail.isprintable()
    return caught.value


def codes(rows: list[RawRow]) -> list[str | None]:
    return [None if row.fault is None else row.fault.code for row in rows]


# --- CSV that is read --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [b",", b";", b"\t"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("size", [1, 7, 1 << 16])
async def test_delimiters_ends_of_lines_and_byte_order_marks(
    delimiter: bytes, end: bytes, mark: bytes, size: int
) -> None:
    content = mark + (HEADER + GOOD + GOOD).replace(b",", delimiter).replace(b"\n", end)
    assert [row.fields for row in await rows_of(content, size=size)] == [FIELDS, FIELDS]


async def test_the_last_line_needs_no_end() -> None:
    assert [row.fields for row in await rows_of((HEADER + GOOD).rstrip())] == [FIELDS]


async def test_a_header_alone_is_a_file_without_rows() -> None:
    assert await rows_of(HEADER) == []
    assert await rows_of(HEADER.rstrip()) == []


async def test_quotes_newlines_and_numbers_of_rows_and_lines() -> None:
    content = b"\n" + HEADER + b'elm,"N ""1"", a\nb",2025-09-01\n\n' + GOOD
    first, second = await rows_of(content)
    assert first.fields["pupil"] == 'N "1", a\nb'
    assert [(row.number, row.line) for row in (first, second)] == [(1, 3), (2, 6)]


@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
async def test_only_newlines_end_lines(separator: str) -> None:
    (row,) = await rows_of(HEADER + f"elm,N{separator}1,2025-09-01\n".encode())
    assert row.fields["pupil"] == f"N{separator}1"


async def test_an_ignored_column() -> None:
    rows, _ = await gather(stream(b"surname,school,pupil,enrolled_on\nOak," + GOOD), ignored=["surname"])
    assert {name: rows[0].fields[name] for name in FIELDS} == FIELDS


@settings(max_examples=60, deadline=None)
@given(
    cells=st.lists(st.lists(st.text('a,;"\n\t é', max_size=6), min_size=3, max_size=3), min_size=1, max_size=8),
    size=st.integers(1, 40),
)
async def test_whatever_is_quoted_rightly_is_read_back(cells: list[list[str]], size: int) -> None:
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in cells]
    rows = await rows_of(HEADER + "".join(lines).encode(), size=size)
    assert [list(row.fields.values()) for row in rows] == cells


# --- CSV that is not ---------------------------------------------------------------------------------------------


async def test_a_line_with_another_number_of_fields_is_a_wrong_row() -> None:
    rows = await rows_of(HEADER + b"elm,N1\n" + GOOD + b"elm,N1,2025-09-01,more\n")
    assert codes(rows) == ["wrong_number_of_fields", None, "wrong_number_of_fields"]
    assert "Line 2" in rows[0].fault.detail  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\n\r\n", "empty_file"),
        (b"school,pupil,enroled_on\n" + GOOD, "unknown_column"),
        (b"school,pupil,enrolled_on,pupil\n", "repeated_column"),
        (b"school,pupil\n", "missing_column"),
        ((HEADER + GOOD).decode().encode("utf-16"), "encoding"),
        ((HEADER + GOOD).decode().encode("utf-16-le"), "encoding"),
        ((HEADER + GOOD).decode().encode("utf-16-be"), "encoding"),
        ((HEADER + GOOD).decode().encode("utf-32"), "encoding"),
        (b"PK\x03\x04rest of a workbook", "encoding"),
        (b"sch\xf6ol,pupil,enrolled_on\n" + GOOD, "undecodable"),
        (b'"school,pupil\n' + GOOD, "open_quote"),
        (b'"school"x,pupil\n', "bad_quoting"),
        (b"x" * 200_000 + b"\n", "field_too_long"),
        (b"x," * 600_000, "record_too_long"),
    ],
)
async def test_files_that_are_refused_whole(content: bytes, code: str) -> None:
    assert (await header_fault(content)).code == code


@pytest.mark.parametrize(
    ("media_type", "code"),
    [
        ("image/png", "unsupported_media_type"),
        ("", "unsupported_media_type"),
        ("text/csv; charset=utf-16", "encoding"),
        ("text/csv; charset=iso-8859-1", "encoding"),
    ],
)
async def test_media_types_that_are_refused(media_type: str, code: str) -> None:
    assert (await header_fault(HEADER + GOOD, media_type)).code == code


async def test_media_types_with_parameters() -> None:
    assert len(await rows_of(HEADER + GOOD, 'Text/CSV; charset="UTF-8"; header=present')) == 1


async def test_an_unknown_kind() -> None:
    assert (await header_fault(HEADER, kind="pupil")).code == "unknown_kind"


@pytest.mark.parametrize(
    ("tail", "code", "line"),
    [
        (b"elm,N\xff1,2025-09-01\n" + GOOD, "undecodable", 4),
        (b"elm,N\xc3", "undecodable", 4),
        (b'elm,"N1,2025-09-01\n' + GOOD, "open_quote", 4),
        (b'elm,"N1"x,2025-09-01\n', "bad_quoting", 4),
        (b"elm,N1", "truncated", 4),
        (b"elm,N1," + b"x" * 200_000 + b"\n", "field_too_long", 4),
        (b"x," * 700_000, "record_too_long", 4),
        (b'elm,"' + b"x\n" * 800_000, "open_quote", 4),
    ],
)
@pytest.mark.parametrize("size", [1000, 1 << 20])
async def test_faults_further_on_leave_the_rows_before(tail: bytes, code: str, line: int, size: int) -> None:
    rows, fault = await gather(stream(HEADER + GOOD + GOOD + tail, size))
    assert isinstance(fault, FileFault)
    assert (fault.code, fault.line) == (code, line)
    assert [row.fields for row in rows] == [FIELDS, FIELDS]


@pytest.mark.parametrize(("media_type", "head", "good"), [(CSV, HEADER, GOOD), (NDJSON, b"", LINE)])
async def test_a_connection_cut_off_leaves_the_complete_rows(media_type: str, head: bytes, good: bytes) -> None:
    rows, fault = await gather(stream(head + good * 3 + good[:-1], 100, cut_off=True), media_type)
    assert isinstance(fault, ConnectionCutOff)
    assert [row.fields for row in rows] == [FIELDS] * 3


async def test_a_nul_reaches_the_reader_of_the_field() -> None:
    (row,) = await rows_of(HEADER + b"elm,N\x001,2025-09-01\n")
    assert row.fields["pupil"] == "N\x001"


async def test_many_small_pieces_give_the_same_rows() -> None:
    content = HEADER + b"".join(b'elm,"N\n%d",2025-09-01\n' % number for number in range(9000))
    assert await rows_of(content, size=997) == await rows_of(content, size=len(content))


# --- NDJSON ------------------------------------------------------------------------------------------------------


async def test_objects_with_strings_numbers_and_null() -> None:
    line = b'{"school":"elm","pupil":17,"enrolled_on":"2025-09-01","sequence":2,"sex":null}\r\n'
    (row,) = await rows_of(b"\xef\xbb\xbf" + line + b"\n", NDJSON)
    assert row.fields == {"school": "elm", "pupil": "17", "enrolled_on": "2025-09-01", "sequence": "2"}


async def test_an_empty_ndjson_file_has_no_rows() -> None:
    assert await rows_of(b"", NDJSON) == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"[1,2]", "not_an_object"),
        (b"17", "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"school":"elm","pupil":', "invalid_json"),
        (b'{"school":"elm"} {"school":"oak"}', "invalid_json"),
        (b'{"school":"elm","sequence":NaN}', "invalid_json"),
        (b'{"school":"elm","sequence":-Infinity}', "invalid_json"),
        (b'{"school":"elm","school":"oak"}', "repeated_json_key"),
        (b'{"school":"elm","pupil":{"a":1}}', "wrong_type"),
        (b'{"school":"elm","pupil":["a"]}', "wrong_type"),
        (b'{"school":"elm","pupil":true}', "wrong_type"),
        (b'{"school":"elm","pupils":"a"}', "unknown_column"),
        (b'{"pupil":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep"),
        (b'{"a":' * 100_000, "too_deep"),
        (b'{"school":"el\x00m"}', "invalid_json"),
    ],
)
async def test_wrong_lines_are_wrong_rows(line: bytes, code: str) -> None:
    rows = await rows_of(LINE + line + b"\n" + LINE, NDJSON)
    assert codes(rows) == [None, code, None]
    assert [(row.number, row.line) for row in rows] == [(1, 1), (2, 2), (3, 3)]
    fault = rows[1].fault
    assert fault is not None and fault.value.isprintable() and fault.detail.isprintable()
    assert len(fault.value) + len(fault.detail) < 1000


async def test_an_unknown_key_can_be_ignored() -> None:
    rows, _ = await gather(stream(b'{"surname":{"a":1},' + LINE[1:]), NDJSON, ["surname"])
    assert rows[0].fault is None and rows[0].fields == FIELDS


@pytest.mark.parametrize("escape", [b"\\u0000", b"\\ud800"])
async def test_nul_and_lone_surrogates_reach_the_reader_of_the_field(escape: bytes) -> None:
    (row,) = await rows_of(b'{"pupil":"N' + escape + b'"}\n', NDJSON)
    assert not row.fields["pupil"].isprintable()


async def test_a_number_that_is_none_keeps_its_text() -> None:
    (row,) = await rows_of(b'{"sequence":1e400}\n', NDJSON)
    assert row.fields["sequence"] == "1e400"


@pytest.mark.parametrize(
    ("tail", "code"),
    [
        (LINE[:-10], "truncated"),
        (b'{"pupil":"\xff"}\n' + LINE, "undecodable"),
        (b'{"pupil":"' + b"x" * 1_500_000, "record_too_long"),
    ],
)
async def test_ndjson_that_cannot_be_read_on(tail: bytes, code: str) -> None:
    rows, fault = await gather(stream(LINE + LINE + tail), NDJSON)
    assert isinstance(fault, FileFault)
    assert (fault.code, fault.line, len(rows)) == (code, 3, 2)


async def test_ndjson_in_another_encoding() -> None:
    assert (await header_fault(LINE.decode().encode("utf-16"), NDJSON)).code == "encoding"
    assert (await header_fault(b'{"pupil":"\xff"}\n', NDJSON)).code == "encoding"


# --- Bounded memory ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("media_type", "head", "good"), [(CSV, HEADER, GOOD), (NDJSON, b"", LINE)])
async def test_rows_come_while_the_file_still_streams(media_type: str, head: bytes, good: bytes) -> None:
    sent = 0

    async def long_stream() -> AsyncIterator[bytes]:
        nonlocal sent
        yield head
        for _ in range(40):
            yield good * (100_000 // len(good))
            sent += 100_000 // len(good)

    received, ahead = 0, 0
    async for rows in read_rows(long_stream(), media_type, "pupils"):
        ahead = max(ahead, sent - received)
        received += len(rows)
    assert received == sent
    assert ahead * len(good) < 400_000, "a block, a chunk and a record may be held, not more"
