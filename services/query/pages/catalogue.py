"""Every page of a report, in the order in which they are offered. A page is there if its report is."""

from __future__ import annotations

from services.query.pages.changes_page import CHANGES
from services.query.pages.curriculum_page import CURRICULUM
from services.query.pages.explain_page import EXPLAIN
from services.query.pages.external_page import EXTERNAL
from services.query.pages.eyfs_pages import EYFS_GROUP, EYFS_PUPIL, GLD
from services.query.pages.framework_page import FRAMEWORK
from services.query.pages.judgements_page import JUDGEMENTS
from services.query.pages.matrix_page import MATRIX
from services.query.pages.multi_ability_page import MULTI_ABILITY
from services.query.pages.overview_page import OVERVIEW
from services.query.pages.page import Page
from services.query.pages.progress_page import PROGRESS
from services.query.pages.recording_page import RECORDING
from services.query.pages.score_tracking_page import SCORE_TRACKING

PAGES: tuple[Page, ...] = (
    OVERVIEW,
    PROGRESS,
    MATRIX,
    SCORE_TRACKING,
    CURRICULUM,
    MULTI_ABILITY,
    EXTERNAL,
    JUDGEMENTS,
    GLD,
    EYFS_GROUP,
    EYFS_PUPIL,
    FRAMEWORK,
    RECORDING,
    CHANGES,
    EXPLAIN,
)
MAIN = ("overview", "progress", "matrix", "score-tracking", "curriculum")
"""Those that stand in the navigation of every page."""
