"""The rules about curricula: what an assessment may name, and what versions may say beside each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from services.ingest import sent as told
from services.ingest.decisions import Refused
from services.ingest.knowledge import Curricula, Told

_MARK = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?")


def check_version(sent: told.SentCurriculum, key: str, curricula: Curricula, of_key: Sequence[Told]) -> None:
    """The rules between the versions of a school (contract 3.1). `of_key`: the facts of the version's own key."""
    others = curricula.standing_besides(key)
    for subject in sent.subjects:
        for other in others:
            if other.framework != sent.framework and subject.subject in other.subjects:
                raise Refused(
                    "subject",
                    "subject_in_other_framework",
                    f"Subject {subject.subject} belongs to framework {other.framework} at {sent.school}: "
                    "a subject belongs to one framework in a school.",
                )
    of_framework = [other for other in others if other.framework == sent.framework]
    if sent.effective_on is None and any(other.version != sent.version for other in of_framework):
        if any(other.version == sent.version and other.always for other in of_framework):
            return
        if key and any(fact for fact in of_key if not fact.withdrawn):
            return
        raise Refused(
            "effective_on",
            "missing_value",
            f"Framework {sent.framework} has another version at {sent.school}: say from which day this one counts.",
        )


def has_state(sent: told.SentAssessment, curricula: Curricula) -> bool:
    """Whether `known_state` takes the state as it was sent, by its name."""
    name = curricula.framework_of.get(sent.subject)
    return (
        name is not None
        and sent.framework in (None, name)
        and sent.objective in curricula.objectives[sent.subject]
        and sent.state in curricula.frameworks[name].states
    )


def known_state(sent: told.SentAssessment, curricula: Curricula) -> str:
    """The state as the ledger writes it. Refuses names that no standing version of the school knows."""
    if sent.framework is not None and sent.framework not in curricula.frameworks:
        raise Refused("framework", "unknown_framework", f"{sent.school} has no framework {sent.framework}.")
    name = curricula.framework_of.get(sent.subject)
    if name is None or sent.framework not in (None, name):
        where = f" in framework {sent.framework}" if sent.framework is not None else ""
        raise Refused("subject", "unknown_subject", f"{sent.school} has no subject {sent.subject}{where}.")
    if sent.objective not in curricula.objectives[sent.subject]:
        raise Refused(
            "objective", "unknown_objective", f"No version of framework {name} has this objective in {sent.subject}."
        )
    framework = curricula.frameworks[name]
    if sent.state in framework.states:
        return sent.state
    if framework.marks_max is None:
        raise Refused("state", "unknown_state", f"{name} has no such state; it has {_some(framework.states)}.")
    return _mark(sent.state, framework.marks_max)


def _mark(state: str, marks_max: int) -> str:
    if not _MARK.fullmatch(state):
        raise Refused("state", "unknown_state", f"A mark is a number from 0 to {marks_max} with up to 3 decimals.")
    mark = Decimal(state)
    if mark > marks_max:
        raise Refused("state", "out_of_range", f"The mark exceeds {marks_max}, the most that can be had.")
    return f"{mark.normalize():f}"


def _some(names: set[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:12]) + (", …" if len(listed) > 12 else "")
