"""Templates to bytes. Everything that goes into a page is escaped; a template that lacks a value fails its test.

The style sheet's address holds a digest of its content, so that browsers may keep it for ever.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.query.pages import wording

_ROOT = Path(__file__).parent
STYLE_SHEET = (_ROOT / "static" / "markledger.css").read_bytes()
ICON = (_ROOT / "static" / "markledger.svg").read_bytes()
STYLE_SHEET_ADDRESS = f"/static/markledger.css?v={hashlib.blake2b(STYLE_SHEET, digest_size=6).hexdigest()}"
HTML_MEDIA_TYPE = "text/html; charset=utf-8"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(style_sheet=STYLE_SHEET_ADDRESS, bands=wording.BANDS)
    environment.filters.update(
        count_and_percent=wording.count_and_percent,
        long_date=wording.long_date,
        long_instant=wording.long_instant,
        measure_label=wording.measure_label,
        path_part=lambda text: quote(text, safe=""),
    )
    return environment


_environment_of_pages = _environment()


def render(template: str, **context: Any) -> bytes:
    """The page that a template makes of its context."""
    return _environment_of_pages.get_template(template).render(**context).encode("utf-8")
