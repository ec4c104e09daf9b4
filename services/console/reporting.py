"""`markledger report`: one report from the product, as a table, as JSON or as CSV."""

from __future__ import annotations

import json
import sys
from typing import Literal

from services.console.client import Client
from services.console.printing import print_report, terminal

Form = Literal["table", "json", "csv"]
CSV = "text/csv"


def print_report_of(
    name: str, parameters: tuple[tuple[str, str], ...], url: str, key: str | None, *, form: Form
) -> int:
    """Print the report `name`; the exit code. Raises RequestFailed."""
    path = f"/v1/reports/{name.strip('/')}"
    with Client(url, key) as client:
        if form == "csv":
            sys.stdout.write(client.get(path, parameters, accept=CSV).text)
            return 0
        answer = client.get(path, parameters).json()
    if form == "json":
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    print_report(name.strip("/"), answer, terminal())
    return 0
