"""`markledger keys`: make, list and revoke keys through the HTTP interface."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from services.console.client import Client
from services.console.printing import table_of, terminal


def create(body: Mapping[str, Any], url: str, key: str | None, *, as_json: bool) -> None:
    """Make a key and show it. Raises RequestFailed."""
    with Client(url, key) as client:
        answer = client.post("/v1/keys", dict(body)).json()
    if as_json:
        print(json.dumps(answer))
    else:
        print(f"{answer['key_id']}  {answer['key']}")


def print_keys(url: str, key: str | None, *, as_json: bool) -> None:
    """List the keys. Raises RequestFailed."""
    with Client(url, key) as client:
        answer = client.get("/v1/keys").json()
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
        return
    rows = [
        [entry["key_id"], entry["name"], _scope(entry), ",".join(entry["can"]), entry.get("expires_on"), _state(entry)]
        for entry in answer["keys"]
    ]
    terminal().print(table_of(["key", "name", "covers", "can", "last day", "state"], rows))


def revoke(key_id: str, url: str, key: str | None, *, as_json: bool) -> None:
    """End a key. Raises RequestFailed."""
    with Client(url, key) as client:
        client.delete(f"/v1/keys/{quote(key_id, safe='')}")
    print(json.dumps({"key_id": key_id, "revoked": True}) if as_json else f"{key_id} is revoked")


def _scope(entry: Mapping[str, Any]) -> str:
    if entry.get("all"):
        return "all schools"
    groups = (f"group {group}" for group in entry.get("groups", ()))
    return ",".join([*entry.get("schools", ()), *(f"trust {trust}" for trust in entry.get("trusts", ())), *groups])


def _state(entry: Mapping[str, Any]) -> str:
    return "revoked" if entry.get("revoked_at") else ""
