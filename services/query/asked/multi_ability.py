"""What Multi-Ability Tracking is asked for: one to four abilities of a subject."""

from __future__ import annotations

from datetime import datetime

from services.query.fact_requests import MultiAbilityRequest, Percent, markbook
from services.query.parameter_values import bands_reader, read_identifier, read_settings_name
from services.query.parameters import COMMON, SORTED, Asked, clocks_of, page_of, population_of, sort_of, wait_of
from services.query.query_string import Parameters, choice, decode_query

ABILITIES_MAX = 4
MULTI_ABILITY = (*COMMON, "subject", "ability", "percent", "bands", "settings", *SORTED)

_PERCENTS: dict[str, Percent] = {"overall": "overall", "assessed": "assessed"}


def read_multi_ability(query: bytes, now: datetime) -> Asked[MultiAbilityRequest]:
    """The Multi-Ability Tracking that a query string asks for. Raises Problem 422."""
    parameters = Parameters(decode_query(query), MULTI_ABILITY)
    for name, how in (("subject", "a subject: subject=maths"), ("ability", "1 to 4 abilities: ability=Y3&ability=Y4")):
        if not parameters.has(name):
            parameters.fail(name, "missing_parameter", f"Name {how}.")
    abilities = parameters.distinct("ability", read_identifier)
    if len(abilities) > ABILITIES_MAX:
        detail = f"At most {ABILITIES_MAX} abilities stand side by side; {len(abilities)} were asked for."
        parameters.fail("ability", "too_many_abilities", detail)
    if parameters.has("bands") and parameters.has("settings"):
        parameters.fail("settings", "bands_and_settings", "Give the cut-offs themselves or the name of settings.")
    limit, cursor = page_of(parameters)
    request = MultiAbilityRequest(
        population=population_of(parameters),
        clocks=clocks_of(parameters, now),
        subject=parameters.one("subject", read_identifier, ""),
        abilities=abilities,
        percent=parameters.one("percent", choice(_PERCENTS), "overall"),
        bands=parameters.one("bands", bands_reader(markbook("", "")), None),
        settings=parameters.one("settings", read_settings_name, ""),
        limit=limit,
        cursor=cursor,
        sort=sort_of(parameters),
    )
    wait = wait_of(parameters)
    parameters.finish()
    return Asked(request, wait)
