"""The form by which a school or trust saves attainment settings, or a new version of them. Pure, but for `save`.

What was typed becomes the document of `POST /v1/settings`, which the ingest service judges; its faults go back to the
fields.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from schemas.definitions import SettingsSaved
from services.query.directory import Choices
from services.query.pages.addresses import Pairs, many, one
from services.query.pages.forms import CUT_OFFS, EXAMPLE_CUT_OFFS, boxes_of
from services.query.pages.settings_page import pattern_words
from services.query.pages.wording import in_words

Told: TypeAlias = Callable[[str, str, dict[str, str], bytes], Awaitable[tuple[int, bytes]]]
"""Sends a request (method, path, headers, body) to the ingest service: status and body of the answer."""
ENTRIES_SPARE = 2
_NEW = "/v1/settings"


class EntryFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a line."""

    measure: str
    year_group: str
    cut_offs: tuple[str, ...]


class SettingsFields(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the form. `version`: of the settings that are changed; empty for new ones."""

    settings: str = ""
    version: str = ""
    name: str = ""
    owner: str = ""
    valid_from: str = ""
    valid_to: str = ""
    entries: tuple[EntryFields, ...] = ()


class FormFault(msgspec.Struct, frozen=True):
    """A fault: the field's name, where it is, what to do."""

    field: str
    anchor: str
    detail: str


def fields_sent(pairs: Pairs) -> SettingsFields:
    """What was typed."""
    cuts = many(pairs, "cut_offs")
    lines = zip(many(pairs, "entry_measure"), many(pairs, "entry_year_group"), strict=False)
    entries = [
        EntryFields(measure=measure, year_group=group, cut_offs=cuts[CUT_OFFS * n : CUT_OFFS * (n + 1)])
        for n, (measure, group) in enumerate(lines)
    ]
    return SettingsFields(
        settings=one(pairs, "settings"),
        version=one(pairs, "version"),
        name=one(pairs, "name").strip(),
        owner=one(pairs, "owner"),
        valid_from=one(pairs, "valid_from"),
        valid_to=one(pairs, "valid_to"),
        entries=tuple(each for each in entries if each.measure or any(each.cut_offs)),  # spare lines are none
    )


def fields_of(saved: SettingsSaved | None) -> SettingsFields:
    """The form of settings that are to be changed, or of new ones."""
    if saved is None:
        first = EntryFields(measure="markbook:*:own-year:overall", year_group="", cut_offs=EXAMPLE_CUT_OFFS)
        return SettingsFields(entries=(first,))
    return SettingsFields(
        settings=saved.definition,
        version=str(saved.number),
        name=saved.name,
        owner=f"trust:{saved.trust}" if saved.trust else f"school:{saved.school}",
        valid_from=saved.valid_from.isoformat() if saved.valid_from else "",
        valid_to=saved.valid_to.isoformat() if saved.valid_to else "",
        entries=tuple(
            EntryFields(measure=each.measure, year_group=each.year_group, cut_offs=boxes_of(each.bands))
            for each in saved.entries
        ),
    )


def document_of(fields: SettingsFields) -> dict[str, Any]:
    """The document of the API, without what was left empty."""
    kind, _, owner = fields.owner.partition(":")
    filled = {"name": fields.name, "valid_from": fields.valid_from, "valid_to": fields.valid_to}
    document: dict[str, Any] = {name: value for name, value in filled.items() if value}
    document |= {kind: owner} if owner else {}
    entries = [
        {
            "measure": each.measure,
            "bands": ",".join(box.strip() for box in each.cut_offs),
            **({"year_group": each.year_group} if each.year_group else {}),
        }
        for each in fields.entries
    ]
    return {**document, "kind": "bands", "entries": entries}


async def save(tell: Told, key: str, fields: SettingsFields) -> list[FormFault]:
    """Save what was typed by the key of who typed it; what is wrong with it, if anything."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    method, path = "POST", _NEW
    if fields.settings:
        method, path = "PUT", f"{_NEW}/{fields.settings}"
        headers["If-Match"] = f'"{fields.version}"'
    status, body = await tell(method, path, headers, msgspec.json.encode(document_of(fields)))
    return [] if status < 300 else _faults(msgspec.json.decode(body))


def form_context(fields: SettingsFields, choices: Choices, faults: Sequence[FormFault]) -> dict[str, Any]:
    """What `settings_form.html` shows."""
    blank = EntryFields(measure="", year_group="", cut_offs=("",) * CUT_OFFS)
    owners = [(f"school:{entry.school}", entry.name) for entry in choices.schools]
    owners += [(f"trust:{trust}", f"Trust {trust}") for trust in choices.trusts]
    wrong: dict[str, list[str]] = {}
    for fault in faults:
        wrong.setdefault(fault.anchor, []).append(fault.detail)
    return {
        "fields": fields,
        "entries": [*fields.entries, *[blank] * ENTRIES_SPARE],
        "owners": owners,
        "patterns": _patterns(choices, fields),
        "year_group_options": choices.year_groups(),
        "errors": list(faults),
        "wrong": wrong,
    }


def _patterns(choices: Choices, fields: SettingsFields) -> list[tuple[str, str]]:
    """The measures that a line may be for: of every subject, of each subject, of the tests that there are."""
    found = [f"markbook:*:{ability}:{percent}" for ability in ("own-year", "*") for percent in ("overall", "assessed")]
    found += [
        f"markbook:{subject}:own-year:{percent}"
        for subject in choices.subjects()
        for percent in ("overall", "assessed")
    ]
    found += [measure for measure in choices.measures() if not measure.startswith("markbook:")]
    found += [each.measure for each in fields.entries if each.measure]
    return [(pattern, pattern_words(pattern)) for pattern in dict.fromkeys(found)]


def _faults(problem: dict[str, Any]) -> list[FormFault]:
    errors = problem.get("errors") or [{"detail": problem.get("detail", problem.get("title", "It was refused."))}]
    return [_fault(str(each.get("pointer") or ""), str(each.get("detail", ""))) for each in errors]


def _fault(pointer: str, detail: str) -> FormFault:
    first, *rest = pointer.strip("/").split("/")
    if first == "entries":
        line = rest[0] if rest and rest[0].isdecimal() else "0"
        return FormFault(f"Line {int(line) + 1}", f"entry-{line}", detail)
    anchor = {"school": "owner", "trust": "owner"}.get(first, first) or "settings-form"
    named = anchor if anchor in ("name", "owner", "valid_from", "valid_to") else "settings-form"
    return FormFault(in_words(first.replace("_", " ")) if first else "These settings", named, detail)
