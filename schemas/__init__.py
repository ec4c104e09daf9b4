"""The language: everything that crosses the log or PostgreSQL. Imports only the standard library, msgspec and numpy."""
