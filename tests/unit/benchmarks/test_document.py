"""The measured tables of docs/performance.md: what a run measured stands between the marks, the rest stays."""

from __future__ import annotations

from pathlib import Path

from benchmarks.document import DOCUMENT, fill_marks, write_document
from benchmarks.figures import Figure
from benchmarks.results import Row, Run

TABLES = ("fact", "request", "growth", "sizing")


def test_the_document_has_a_place_for_each_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert all(fill_marks(text, name, "| here |").count("| here |") == 1 for name in TABLES)


def test_what_was_measured_stands_between_the_marks_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    path.write_text("".join(f"# {n}\n<!-- measured: {n} -->\nold {n}\n<!-- end: {n} -->\n" for n in TABLES))
    rows = [
        Figure("breakdown: fold", 11.3, "µs/fact", "", "57,899 facts; processor time"),
        Figure("request, one school: fetch", 1.5, "ms"),
        Figure("request, one school: count", 2.5, "ms"),
        Figure("growth: 8 years", 4.9, "ms", "", "cold, one school; 220,582 facts; PostgreSQL 255.3 ms"),
        Figure("  its fold", 16.0, "µs/fact"),
        Figure("  its bytes", 43.0, "B/fact"),
    ]
    run = Run("Results", "python -m benchmarks", "2026-11-25 08:00 UTC", (0.0, 0.0))
    write_document(run, [Row(figure, "") for figure in rows], path)
    text = path.read_text()
    assert "| fold | 11.3 | processor time |" in text
    assert "| fetch | 1.50 |" in text and "| count | 2.50 |" in text
    assert "| 8 years | 220,582 facts | 4.90 | 16.0 | 43.0 | PostgreSQL 255.3 ms |" in text
    assert "old fact" not in text and "old sizing" in text
    assert text.count("<!-- measured: ") == text.count("<!-- end: ") == len(TABLES)
