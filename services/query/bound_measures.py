"""What tests and scales declare, bound to the measures and cut-offs of a request before anything is read for it.

A request says names; which codes, values and thresholds they stand for is known at its own knowledge time. Whatever is
computed of a bound measure, or kept under it, depends on that too. Nothing is asked where only markbooks are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from schemas.definitions import ScaleDefined, TestDefined
from services.access.problems import Problem, ProblemError
from services.domain.bands import Bands, InvalidBands, bind_bands
from services.domain.combinations import VERDICT, combination_of
from services.domain.eyfs import EXEMPT
from services.domain.measures import EYFS_GLD, Measure
from services.domain.scoring import PLAIN, CodeRule, Scoring, scoring_of_scale, scoring_of_test
from services.query.definitions import Definitions
from services.query.requests import Clocks

R = TypeVar("R")

_BANDS = "bands"
_PROFILE = "eyfsp"


class Declared(msgspec.Struct, frozen=True):
    """The tests and scales that are known."""

    tests: Mapping[str, TestDefined]
    scales: Mapping[str, ScaleDefined]


async def bind_request(request: R, definitions: Definitions) -> R:
    """The same request with what its measures' tests and scales declare. Raises Problem 422."""
    measures = list(_measures_in(request))
    if all(measure.kind == "markbook" for measure in measures):
        return request
    clocks = _clocks_of(request)
    known_at = None if clocks is None else clocks.as_known_at
    declared = Declared(await definitions.tests(known_at), await definitions.scales(known_at))
    bound: R = _bind_struct(request, declared, [bind_measure(measure, declared) for measure in measures])
    return bound


def bind_measure(measure: Measure, declared: Declared) -> Measure:
    """A measure with what its test or scale declares."""
    match measure.kind:
        case "test":
            scoring = scoring_of_test(declared.tests.get(measure.test), measure.score_type)
            return msgspec.structs.replace(measure, scoring=scoring)
        case "judgement":
            return msgspec.structs.replace(measure, scoring=scoring_of_scale(declared.scales.get(measure.scale)))
        case "combined":
            test = declared.tests.get(combination_of(measure).test)
            verdict = msgspec.structs.replace(VERDICT, codes=scoring_of_test(test, "").codes)
            return msgspec.structs.replace(measure, scoring=verdict, parts=_parts_of(test))
        case "eyfs":
            window = scoring_of_test(declared.tests.get(_PROFILE), "").window
            scoring = VERDICT if measure.item == EYFS_GLD else PLAIN
            exempt = (CodeRule(EXEMPT, counts=False),)
            bound = msgspec.structs.replace(scoring, window=window, codes=exempt)
            return msgspec.structs.replace(measure, scoring=bound)
    return measure


def _parts_of(test: TestDefined | None) -> tuple[tuple[str, Scoring], ...]:
    """What a test declares of each of its score types, and (empty) of any other."""
    if test is None:
        return ()
    return tuple((score_type, scoring_of_test(test, score_type)) for score_type in (*test.scores, ""))


def _measures_in(value: Any) -> Iterator[Measure]:
    if isinstance(value, Measure):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _measures_in(getattr(value, name))
    elif isinstance(value, tuple):
        for each in value:
            yield from _measures_in(each)


def _clocks_of(value: Any) -> Clocks | None:
    if isinstance(value, Clocks):
        return value
    if not isinstance(value, msgspec.Struct):
        return None
    found = (_clocks_of(getattr(value, name)) for name in value.__struct_fields__)
    return next((clocks for clocks in found if clocks is not None), None)


def _bind_struct(value: Any, declared: Declared, measures: Sequence[Measure]) -> Any:
    """`measures`: those of the whole request, beside which cut-offs stand that have no measure of their own name."""
    changed: dict[str, Any] = {}
    for name in value.__struct_fields__:
        told = getattr(value, name)
        if isinstance(told, Measure):
            changed[name] = bind_measure(told, declared)
        elif name.endswith(_BANDS):
            own = getattr(value, name.removesuffix(f"_{_BANDS}"), None)
            beside = [bind_measure(own, declared)] if isinstance(own, Measure) else measures
            changed[name] = _bind_bands(told, beside, name)
        elif isinstance(told, msgspec.Struct):
            changed[name] = _bind_struct(told, declared, measures)
        elif isinstance(told, tuple) and any(isinstance(each, Measure) for each in told):
            changed[name] = tuple(bind_measure(each, declared) for each in told)
    return msgspec.structs.replace(value, **changed)


def _bind_bands(told: Any, measures: Iterable[Measure], parameter: str) -> Any:
    if isinstance(told, Bands):
        return next((_bound(told, measure, parameter) for measure in measures), told)
    if isinstance(told, tuple):
        pairs = zip(told, measures, strict=False)
        return tuple(_bound(bands, measure, parameter) if bands is not None else None for bands, measure in pairs)
    return told


def _bound(bands: Bands, measure: Measure, parameter: str) -> Bands:
    try:
        return bind_bands(bands, measure.scoring, measure.undated)
    except InvalidBands as invalid:
        detail = f"{invalid.detail[:1].upper()}{invalid.detail[1:]}."
        errors = [ProblemError(invalid.code, detail, parameter=parameter)]
        raise Problem(422, invalid.code, "The bands do not fit the measure", detail, errors) from None
