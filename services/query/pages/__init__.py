"""Report values become HTML; no query and no arithmetic here."""
