"""`markledger erase`: the names of a pupil, for ever. It asks first, and prints the receipt."""

from __future__ import annotations

import json
import sys

from services.console.client import Client

EXIT_OK = 0
EXIT_NOT_CONFIRMED = 1


def erase(school: str, pupil: str, url: str, key: str | None, *, confirmed: bool, as_json: bool) -> int:
    """Erase a pupil, unless whoever is asked does not type the school's id. Raises RequestFailed."""
    if not confirmed and not _confirm(school):
        print("markledger: nothing was erased", file=sys.stderr)
        return EXIT_NOT_CONFIRMED
    with Client(url, key) as client:
        receipt = client.post("/v1/erasures", {"school": school, "pupil": pupil}).json()
    if as_json:
        print(json.dumps(receipt))
        return EXIT_OK
    print(f"erased {', '.join(receipt['pupils'])} of {receipt['school']}: {receipt['records']} records and their keys")
    print(f"receipt {receipt['erasure_id']}, {receipt['erased_at']}\nsignature {receipt['signature']}")
    return EXIT_OK


def _confirm(school: str) -> bool:
    print(
        "Name, date of birth, UPN and reference will be gone for ever; results and counts stay.\n"
        f"Type the id of the school ({school}) to go on: ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    return sys.stdin.readline().strip() == school
