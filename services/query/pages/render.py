"""Templates to bytes. Everything that goes into a page is escaped; a template that lacks a value fails its test.

The addresses of the style sheet and the script hold a digest of their content, so that browsers may keep them for ever.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.query.pages import wording
from services.query.pages.blocks import BAND_COLOURS, Chart

_ROOT = Path(__file__).parent
STYLE_SHEET = (_ROOT / "static" / "markledger.css").read_bytes()
SCRIPT = (_ROOT / "static" / "markledger.js").read_bytes()
ICON = (_ROOT / "static" / "markledger.svg").read_bytes()
SVG_MEDIA_TYPE = "image/svg+xml; charset=utf-8"
HTML_MEDIA_TYPE = "text/html; charset=utf-8"


def _address(name: str, content: bytes) -> str:
    return f"/static/{name}?v={hashlib.blake2b(content, digest_size=6).hexdigest()}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        style_sheet=_address("markledger.css", STYLE_SHEET),
        script=_address("markledger.js", SCRIPT),
        bands=wording.BANDS,
        band_colours=BAND_COLOURS,
        with_none=lambda values, nothing: [("", nothing), *((value, value) for value in values)],
        plain=lambda values: [(value, value) for value in values],
        year_groups=lambda values: [(value, wording.year_group_words(value)) for value in values],
        subjects=lambda values: [(value, wording.in_words(value)) for value in values],
        abilities=lambda values: [("own-year", "Each pupil's own year"), *((value, value) for value in values)],
        group_columns=lambda values: [(f"group:{quote(value, safe=' ')}", value) for value in values],
        site_menu=(),
    )
    environment.filters.update(
        count_and_percent=wording.count_and_percent,
        long_date=wording.long_date,
        long_instant=wording.long_instant,
        measure_label=wording.measure_label,
        pupils_words=wording.pupils_words,
        settings_names=lambda used: list(dict.fromkeys(f"{each.name}, version {each.version}" for each in used)),
        path_part=lambda text: quote(text, safe=""),
    )
    return environment


_environment_of_pages = _environment()


def render(template: str, **context: Any) -> bytes:
    """The page that a template makes of its context."""
    return _environment_of_pages.get_template(template).render(**context).encode("utf-8")


def render_chart(chart: Chart) -> bytes:
    """A chart as a picture of its own."""
    return _environment_of_pages.get_template("chart.svg").render(chart=chart).strip().encode("utf-8")
