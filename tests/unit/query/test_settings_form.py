"""The form of attainment settings: what is typed becomes the document of the API, and its faults find their fields."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec

from schemas.definitions import SettingsEntry, SettingsSaved
from services.query.directory import Choices, Entry
from services.query.pages.render import render
from services.query.pages.settings_form import document_of, fields_of, fields_sent, form_context, save
from services.query.pages.settings_page import pattern_words, settings_choices, settings_context

SAVED = SettingsSaved(
    event_id="e1",
    definition="set_a",
    number=3,
    recorded_at=datetime(2026, 1, 5, 9, tzinfo=UTC),
    actor="key_1",
    name="Spring <b>",
    kind="bands",
    school="oak",
    valid_from=date(2026, 1, 1),
    entries=(
        SettingsEntry(measure="markbook:*:own-year:overall", bands="21,36,51,66"),
        SettingsEntry(measure="test:ks2:maths:-:scaled", bands="80,100,110,-", year_group="6"),
    ),
)
CHOICES = Choices((Entry("oak", "Oak", (), {"maths": ("Y3",)}, frozenset(), ("3",), (), ()),), ("woods",))
TYPED = [
    ("settings", ""),
    ("version", ""),
    ("name", " Autumn "),
    ("owner", "trust:woods"),
    ("valid_from", ""),
    ("valid_to", "2026-12-31"),
    *(("entry_measure", each) for each in ("markbook:*:*:overall", "", "judgement:maths:effort")),
    *(("entry_year_group", each) for each in ("", "", "6")),
    *(("cut_offs", each) for each in ("21", " 36", "51", "66", "", "", "", "", "2", "3", "4", "-")),
]


def test_what_is_typed_becomes_a_document_without_spare_lines() -> None:
    assert document_of(fields_sent(TYPED)) == {
        "name": "Autumn",
        "valid_to": "2026-12-31",
        "trust": "woods",
        "kind": "bands",
        "entries": [
            {"measure": "markbook:*:*:overall", "bands": "21,36,51,66"},
            {"measure": "judgement:maths:effort", "bands": "2,3,4,-", "year_group": "6"},
        ],
    }


def test_saved_settings_fill_the_form_that_says_them_again() -> None:
    fields = fields_of(SAVED)
    assert (fields.settings, fields.version, fields.owner) == ("set_a", "3", "school:oak")
    document = document_of(fields)
    assert [each["bands"] for each in document["entries"]] == [each.bands for each in SAVED.entries]
    assert document["valid_from"] == "2026-01-01" and "valid_to" not in document


async def test_a_change_names_its_version_and_faults_go_to_their_fields() -> None:
    asked: list[tuple[str, str, dict[str, str], bytes]] = []
    errors = [
        {"pointer": "/entries/1/bands", "detail": "Rising."},
        {"pointer": "/valid_to", "detail": "Too early."},
        {"pointer": "/school", "detail": "Unknown."},
        {"pointer": "", "detail": "Another version."},
    ]

    async def tell(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        asked.append((method, path, headers, body))
        return 422, msgspec.json.encode({"title": "t", "errors": errors})

    faults = await save(tell, "KEY", fields_of(SAVED))
    method, path, headers, body = asked[0]
    assert (method, path, headers["If-Match"]) == ("PUT", "/v1/settings/set_a", '"3"')
    assert headers["Authorization"] == "Bearer KEY" and msgspec.json.decode(body)["name"] == "Spring <b>"
    assert [(fault.anchor, fault.field) for fault in faults] == [
        ("entry-1", "Line 2"),
        ("valid_to", "Valid to"),
        ("owner", "School"),
        ("settings-form", "These settings"),
    ]
    page = render("settings_edit.html", who="x", **form_context(fields_of(SAVED), CHOICES, faults)).decode()
    assert all(f'id="{fault.anchor}"' in page for fault in faults) and "Spring &lt;b&gt;" in page


def test_settings_are_shown_with_what_they_hold_and_when() -> None:
    context = settings_context([SAVED], CHOICES, date(2026, 2, 1))
    page = render("settings.html", who="x", may_save=True, **context).decode()
    for words in (
        "Every subject, own year, overall %",
        "21 to 35",
        "not used",
        "valid from 1 January 2026",
        "Version 3",
    ):
        assert words in page
    assert "valid today" in page and "/settings/edit?settings=set_a" in page
    assert settings_choices([SAVED]) == [("set_a", "Spring <b>, version 3 (valid from 1 January 2026)")]
    assert not settings_context([SAVED], CHOICES, date(2025, 12, 31))["saved"][0]["now"]


def test_patterns_in_words() -> None:
    assert pattern_words("test:ks2:*:-:scaled") == "Test: KS2, any subject, Scaled"
    assert pattern_words("markbook:maths:*:assessed") == "Maths, every ability, % of assessed"
