"""The plumbing: log, database, settings, observability. It knows no school word, and imports neither
`schemas` nor `services.domain`.
"""
