"""The one exception of a message that is no good as a whole."""

from __future__ import annotations


class BadMessage(Exception):
    """Why a message holds no event that could be judged; `code` is one of `problem_codes`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
