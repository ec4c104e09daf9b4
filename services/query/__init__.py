"""Views become reports: read, count, answer as JSON, CSV or a page."""
