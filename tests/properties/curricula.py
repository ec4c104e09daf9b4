"""Random versions of a framework, each made from the one before: add, retire, re-weight, re-tag, change states."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from schemas.events import CurriculumPublished, Objective, State, Subject

SUBJECTS = {"maths": ("m1", "m2", "m3", "m4"), "reading": ("r1", "r2")}
ABILITIES = ("Y3", "Y4")
TAGS = ("", "3", "4")
STATE_NAMES = ("not_yet", "working", "achieved", "absent")
MARKS = ("0", "2.5", "7", "9.125", "10", "12")
ABSURD_STATES = ("unheard_of", "1e1", "-1")
"""States that no version has, and that must not be taken for marks."""
WEIGHTS = ("1", "1", "1", "2", "0.5", "0.25", "1.125", "0")
HUGE_WEIGHTS = ("1000", "999.999", "0.001", "1")
STATE_WEIGHTS = ("0", "0.333", "0.4", "0.5", "0.8", "1", None)

Content = dict[str, Any]


def first_version(rng: random.Random, framework: str) -> Content:
    """What a framework says at first; `marks` has marks for states and shares a subject with the other."""
    subjects = ("maths", "reading") if framework == "nc" or rng.random() < 0.3 else ("reading",)
    content: Content = {"subjects": tuple(_subject(rng, subject) for subject in subjects)}
    return {**content, **(_marks(rng) if framework == "marks" else _states(rng))}


def change_version(rng: random.Random, before: CurriculumPublished) -> Content:
    """What the next version says: one subject changed or gone, or the states, or nothing at all."""
    subjects = list(before.subjects)
    states: Content = {"states": before.states, "marks_max": before.marks_max}
    change = rng.choice(("objectives", "objectives", "objectives", "states", "kind", "drop_or_add", "nothing"))
    at = rng.randrange(len(subjects))
    if change == "objectives":
        subjects[at] = _changed(rng, subjects[at])
    elif change == "states":
        states = _marks(rng) if before.marks_max else _states(rng)
    elif change == "kind":
        states = _states(rng) if before.marks_max else _marks(rng)
    elif change == "drop_or_add":
        missing = [name for name in SUBJECTS if name not in {subject.subject for subject in subjects}]
        if missing:
            subjects.append(_subject(rng, missing[0]))
        elif len(subjects) > 1:
            del subjects[at]
    return {"subjects": tuple(subjects), **states}


def _changed(rng: random.Random, subject: Subject) -> Subject:
    """An objective added, retired, re-weighted or re-tagged."""
    objectives = list(subject.objectives)
    at = rng.randrange(len(objectives))
    missing = [name for name in SUBJECTS[subject.subject] if name not in {o.objective for o in objectives}]
    change = rng.choice(("add", "retire", "weight", "tag", "ability"))
    if change == "add" and missing:
        objectives.append(_objective(rng, missing[0]))
    elif change == "retire" and len(objectives) > 1:
        del objectives[at]
    elif change == "weight":
        objectives[at] = msgspec.structs.replace(objectives[at], weight=rng.choice((*WEIGHTS, *HUGE_WEIGHTS)))
    elif change == "tag":
        objectives[at] = msgspec.structs.replace(objectives[at], year_group=rng.choice(TAGS))
    else:
        objectives[at] = msgspec.structs.replace(objectives[at], ability=rng.choice(ABILITIES))
    return msgspec.structs.replace(subject, objectives=tuple(objectives))


def _subject(rng: random.Random, subject: str) -> Subject:
    names = SUBJECTS[subject]
    kept = rng.sample(names, rng.randrange(1, len(names) + 1))
    return Subject(subject, tuple(_objective(rng, name) for name in kept))


def _objective(rng: random.Random, name: str) -> Objective:
    return Objective(name, rng.choice(ABILITIES), year_group=rng.choice(TAGS), weight=rng.choice(WEIGHTS))


def _states(rng: random.Random) -> Content:
    named = [name for name in STATE_NAMES if rng.random() < 0.85] or ["achieved"]
    usual = {"not_yet": "0", "working": "0.5", "achieved": "1", "absent": None}
    if rng.random() < 0.5:
        usual = {name: rng.choice(STATE_WEIGHTS) for name in STATE_NAMES}
    return {"states": tuple(State(name, usual[name]) for name in named), "marks_max": None}


def _marks(rng: random.Random) -> Content:
    return {"states": (), "marks_max": rng.choice((10, 10, 100, 1000))}
