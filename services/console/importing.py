"""`markledger import`: files to `POST /v1/imports`, streamed, with a progress bar on a terminal.

One file is one import. It decides nothing about rows; it shows what the product answered.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from services.console.client import Client, RequestFailed
from services.console.failures import UsageError
from services.console.printing import clean

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_PARTLY_REJECTED = 3
CHUNK_BYTES = 256 * 1024
ERRORS_SHOWN_MAX = 5
STDIN = Path("-")
MEDIA_TYPES = {".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson", ".json": "application/json"}
COUNTS = ("rows", "accepted", "superseded", "duplicate", "rejected")

Answer = dict[str, Any]


@dataclass(frozen=True)
class ImportOrder:
    """What is to be imported, and how."""

    kind: str
    files: tuple[Path, ...]
    source: str | None = None
    dry_run: bool = False
    states: str | None = None
    ignore: tuple[str, ...] = ()

    def parameters(self) -> list[tuple[str, str]]:
        """The query string of the request."""
        given = [("kind", self.kind), ("source", self.source), ("states", self.states)]
        parameters = [(name, value) for name, value in given if value is not None]
        parameters += [("ignore", column) for column in self.ignore]
        return [*parameters, ("dry_run", "true")] if self.dry_run else parameters


def import_all(order: ImportOrder, url: str, key: str | None, *, as_json: bool) -> int:
    """Import each file; the exit code. Raises RequestFailed at the first that is refused whole, UsageError."""
    for path in order.files:
        if path != STDIN and not path.is_file():
            raise UsageError(f"{path}: no such file")
    answers = []
    with Client(url, key) as client:
        for path in order.files:
            answer = import_file(client, order, path)
            answers.append(answer)
            if as_json:
                print(json.dumps(answer), flush=True)
            else:
                _print_counts(client, path, answer, dry_run=order.dry_run)
    return exit_code_of(answers)


def exit_code_of(answers: Iterable[Answer]) -> int:
    """0 if every row stands, 3 if some were rejected, 1 if all were."""
    rejected = stands = 0
    for answer in answers:
        rejected += answer["rejected"]
        stands += answer["accepted"] + answer["duplicate"]
    if not rejected:
        return EXIT_OK
    return EXIT_PARTLY_REJECTED if stands else EXIT_FAILED


def import_file(client: Client, order: ImportOrder, path: Path) -> Answer:
    """The product's answer to one file. Raises RequestFailed that names the file."""
    with ExitStack() as stack:
        if path == STDIN:
            file: BinaryIO = sys.stdin.buffer
            size = None
        else:
            file = stack.enter_context(path.open("rb"))
            size = path.stat().st_size
        first = file.read(CHUNK_BYTES)
        media_type = MEDIA_TYPES.get(path.suffix.lower()) or _guess_media_type(first)
        progress = stack.enter_context(_progress())
        task = progress.add_task(clean(f"{order.kind} {path.name}").plain, total=size)

        def advance(count: int) -> None:
            progress.advance(task, count)

        try:
            answer = client.upload(
                "/v1/imports", order.parameters(), _chunks(first, file, advance), media_type, size
            ).json()
        except RequestFailed as error:
            raise RequestFailed(f"{path}: {error}", error.exit_code, error.body) from error
    assert isinstance(answer, dict)
    return answer


def _guess_media_type(first: bytes) -> str:
    """Of what has no telling name: lines of JSON objects, or CSV."""
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    return "application/x-ndjson" if text.startswith(b"{") else "text/csv"


def _chunks(first: bytes, file: BinaryIO, advance: Any) -> Iterator[bytes]:
    chunk = first
    while chunk:
        yield chunk
        advance(len(chunk))
        chunk = file.read(CHUNK_BYTES)


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _print_counts(client: Client, path: Path, answer: Answer, *, dry_run: bool) -> None:
    counts = ", ".join(f"{answer[name]:,} {name}" for name in COUNTS)
    note = " (dry run: nothing was changed)" if dry_run else ""
    print(f"{path}: {counts}{note}", flush=True)
    if answer["rejected"] and answer.get("errors"):
        _print_first_errors(client, answer)


def _print_first_errors(client: Client, answer: Answer) -> None:
    """The first rejected rows, so that the commonest fault is seen without another command."""
    try:
        text = client.get(answer["errors"], accept="text/csv").text
    except RequestFailed as error:
        print(f"  the rejected rows cannot be read: {error}", file=sys.stderr)
        return
    for number, error_row in enumerate(csv.DictReader(io.StringIO(text))):
        if number == ERRORS_SHOWN_MAX:
            print(f"  … all of them: {answer['errors']}", file=sys.stderr)
            return
        parts = (error_row.get(name) or "" for name in ("column", "code", "message"))
        print(clean(f"  row {error_row.get('row')}: {' '.join(filter(None, parts))}").plain, file=sys.stderr)
