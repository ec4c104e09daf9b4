"""The flat table of each report, for CSV and workbooks. No report is computed here."""
