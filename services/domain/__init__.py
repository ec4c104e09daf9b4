"""The rules: pure functions over `schemas`; no clock, no input or output, nothing third-party but msgspec and numpy."""
