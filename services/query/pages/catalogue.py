"""Every page of a report, in the order in which they are offered. A page is there if its report is."""

from __future__ import annotations

from services.query.pages.matrix_page import MATRIX
from services.query.pages.overview_page import OVERVIEW
from services.query.pages.page import Page
from services.query.pages.score_tracking_page import SCORE_TRACKING

PAGES: tuple[Page, ...] = (OVERVIEW, MATRIX, SCORE_TRACKING)
MAIN = ("overview", "progress", "matrix", "score-tracking", "curriculum")
"""Those that stand in the navigation of every page."""
