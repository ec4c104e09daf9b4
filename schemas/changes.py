"""The message of the changes topic: which school's views have come how far. Key: the school.

At least once, and the last of a school counts: the topic is compacted, and after a crash the same is said again.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Change(msgspec.Struct, frozen=True):
    """The views of `school` hold everything of its partition before `next_offset`, and so everything up to `position`.

    `position`: as `min_position` of a report takes it. `changed_at`: when that was committed or, after a change of
    the worker, found.
    """

    school: str
    projection: str
    version: int
    partition: int
    next_offset: int
    position: str
    changed_at: datetime
