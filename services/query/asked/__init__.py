"""What each report is asked for: a frozen request, the parameters it knows and their reader. No database, no HTTP."""
