"""What each problem code of this service means and what to do, for the pages under /problems.

A code that is answered has an entry here (a test holds that); the codes of ingest come from ingest itself.
"""

from __future__ import annotations

PROBLEM_TEXTS: dict[str, str] = {
    # of any request
    "bad_request": "The request could not be read as HTTP. Check the address and the headers.",
    "not_found": "There is nothing at this address. The page /docs lists every address.",
    "method_not_allowed": "The address exists, but not for this method. The Allow header lists those it takes.",
    "not_acceptable": "Reports are made as application/json, as text/csv, and (without /v1) as a page.",
    "body_too_large": "The body is larger than this address takes. Files of any size go to POST /v1/imports.",
    "address_too_long": "The address is longer than the service takes. Ask for fewer schools or cells at once.",
    "unsupported_media_type": "The Content-Type header names a type that this address does not take.",
    "headers_too_large": "The headers of the request are larger than the service takes.",
    "too_many_requests": "Wait as many seconds as the Retry-After header says.",
    "invalid_request": "The request is not valid; its errors say where.",
    "refused": "The request was refused.",
    "internal_error": "The product has a fault, recorded under the request id of the answer: tell your operator.",
    "unavailable": "The database or the log cannot be reached. Send the same request again after Retry-After seconds.",
    "views_behind": "The views that reports read are not there yet. Send the same request again after a moment.",
    # of keys
    "key_required": "Send a key as `Authorization: Bearer …`, or sign in. Administrators make keys with POST /v1/keys.",
    "unknown_key": "The key was never made, was revoked, or its last day has passed. Ask for another one.",
    "forbidden": "The key may not do that.",
    "forbidden_school": "The key does not cover a school that was asked for. The answer is the same where there is no "
    "such school. A key of a trust covers the schools that are members on the date of the report.",
    "right_missing": "The key lacks a right, such as read, write, names, migrate or admin.",
    "pupils_closed": "The key sees tables, but no single pupils: from a list of pupils small groups could be counted. "
    "It needs the right names or small_numbers.",
    "right_of_no_group": "A key of groups reads: it may have the rights read, names and small_numbers, and no other.",
    "scope_too_wide": "A key that makes keys can only give schools and trusts that it names itself.",
    "unknown_key_id": "There is no key with this id among those that you may see. GET /v1/keys lists them.",
    "invalid_key_request": "The body of POST /v1/keys has faults; its errors name the fields.",
    "unknown_field": "The body has a field that is not known. Leave it out, or correct its name.",
    "invalid_name": "A key is named with 1 to 128 printable characters.",
    "invalid_scope": "A key has exactly one of schools, trusts and all.",
    "empty_scope": "A list of schools or trusts has at least one entry.",
    "missing_rights": "A key can do at least one thing: can lists its rights.",
    "unknown_right": "There is no such right.",
    # of the parameters of a report
    "invalid_parameters": "Several parameters cannot be read; the errors of the answer name each with its fix.",
    "unknown_parameter": "The report does not have this parameter. A misspelt parameter is refused, so that no "
    "report is silently another one than was meant.",
    "empty_parameter": "The parameter was sent without a value. Leave it out instead.",
    "repeated_parameter": "This parameter can be given once.",
    "too_many_parameters": "The query string has more parameters than any report needs.",
    "missing_parameter": "The report needs this parameter.",
    "malformed_body": "The body is no JSON object, is not UTF-8, or says the same name twice.",
    "malformed_escape": "Percent signs start two hexadecimal digits, and the bytes they stand for are UTF-8.",
    "value_too_long": "The value is longer than any name of its kind.",
    "unprintable_character": "The value has a control character.",
    "unknown_value": "The parameter takes a few words only; the error lists them.",
    "no_school": "A report is about schools (school=…, repeat) or about the members of a trust (trust=…).",
    "school_and_trust": "A report is about schools or about a trust, not both.",
    "unknown_school": "There is no school with this id. Ids are case-sensitive.",
    "unknown_trust": "No school ever joined a trust with this id.",
    "invalid_identifier": "Ids have letters, digits and . _ ~ - (at most 128), and start with a letter or digit.",
    "invalid_date": "Dates are written YYYY-MM-DD and exist in the calendar.",
    "date_out_of_range": "Dates lie between 1990-01-01 and ten years from today.",
    "invalid_instant": "An instant has a date, time and offset: 2026-01-31T12:00:00Z. In an address, write + as %2B.",
    "instant_in_future": "A report can be asked for what is known now or was known earlier.",
    "malformed_position": "A position is opaque: send back what an answer gave, unchanged, to the ledger that gave it.",
    "malformed_cursor": "A cursor is opaque: send back the `next` of the page before, unchanged.",
    "malformed_filter": "A filter is NAME:VALUE. A : or % inside a name is written %3A or %25.",
    "out_of_range": "The number lies outside what is taken; the error says the range.",
    # of measures and bands
    "too_many_measures": "An overview shows one to three measures.",
    "unknown_measure": "A measure starts with markbook, test or judgement.",
    "malformed_measure": "A measure has a fixed number of parts, such as markbook:SUBJECT:ABILITY:overall.",
    "unknown_percent": "The percent of a markbook measure is overall or assessed.",
    "not_a_markbook_measure": "Score tracking follows one markbook measure.",
    "no_settings": "Nothing says by which cut-offs pupils are banded. Give them as bands (bands=35,50,70,85), name "
    "saved settings (settings=ID), or save settings for the school that are valid on the measure's date.",
    "unknown_settings": "There are no settings with this id, or they were not known then, or the key may not see them.",
    "settings_of_other_kind": "Bands and progress rules are saved apart: name settings of the kind that is needed.",
    "bands_and_settings": "Cut-offs are typed, or settings are named; both at once would say two things.",
    "invalid_rule": "A progress rule has five rows (the start) of five digits (the end), 1 Sig Below to 5 Sig Above.",
    "start_after_end": "Progress goes from the start to the report's own date, as_at, which cannot lie before it.",
    "nothing_to_split": "`then` breaks the rows of `by` down again, so there must be a `by`.",
    "subject_not_year_tagged": "A group matrix needs subjects whose objectives are tagged with year groups.",
    "two_sources": "An ability matrix compares one subject, test or judgement with itself on two dates.",
    "two_abilities": "An ability matrix has the same ability on both sides.",
    "one_date": "An ability matrix compares two different dates.",
    "too_many_to_sort": "So many pupils are not sorted by name. Narrow the report.",
    "no_bands": "At least one band is used: give the lower cut-off of one.",
    "wrong_count": "Four cut-offs make five bands; and bands are given once for all measures, or once for each.",
    "not_a_number": "A cut-off is a number such as 35.",
    "not_whole": "Bands of markbook measures count displayed whole percents, so their cut-offs are whole.",
    "out_of_order": "Each cut-off is above the one before it.",
    # of rows, cells and months
    "unknown_breakdown": "Rows are by school, year-group, group or characteristic:NAME.",
    "invalid_row": "A row is opened by its id in the overview: whole, school:ID, year-group:NAME, group:NAME, "
    "characteristic:NAME:VALUE.",
    "unknown_cell": "A cell of an overview is INDEX:BAND or combined:PART; one of a matrix is BAND:BAND.",
    "invalid_year": "An academic year is written 2025/26.",
    "ends_before_starts": "The last day lies before the first.",
    "unknown_test": "There is no such test, or it was not defined then. GET /v1/tests lists them.",
    "invalid_month": "Months are written YYYY-MM.",
    "months_out_of_order": "Months rise, and each comes once.",
    "too_many_months": "Score tracking shows 1 to 12 months.",
    # of curricula, single pupils and comparisons
    "unknown_pupil": "None of the schools of the report has a pupil with this id, or the key does not show the pupil. "
    "The lists of every report give the ids, pup_….",
    "own_year_needed": "Several groups are compared by the objectives of each pupil's own year: ability=own-year. Any "
    "ability can be chosen for a single group.",
    "too_many_abilities": "Multi-ability tracking shows 1 to 4 abilities.",
    "unknown_column": "A column is @YYYY-MM-DD, group:NAME or characteristic:NAME:VALUE.",
    "too_many_columns": "One or two columns stand side by side.",
    "several_settings": "The settings differ between the year groups or schools asked for, so that marks have no one "
    "set of cut-offs: name one year group, or give bands.",
    "unknown_report": "No report of this name can be compared with itself or kept: overview, progress, matrix, …",
    "different_years": "The schools' academic years start in different months, so the months must be named.",
}
