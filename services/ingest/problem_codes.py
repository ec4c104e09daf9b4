"""Every code with which ingest refuses something, and one sentence that explains it and says what to do.

The codes are stable: programs may rely on them. The page /problems/CODE shows the sentence; a test holds this table to
the codes that the readers use.
"""

from __future__ import annotations

_FILES = {
    "unknown_kind": "The kind of an import is not known: use one of the kinds that the documentation lists.",
    "unsupported_media_type": (
        "The Content-Type is not taken: send text/csv or application/x-ndjson (a curriculum also as application/json)."
    ),
    "encoding": "The text is not encoded as UTF-8: save the file as CSV in UTF-8 and send that.",
    "empty_file": "A CSV file has no line at all: its first line must name the columns.",
    "unknown_column": (
        "A column is not one of the kind's: rename it to the one suggested, or name it with ignore=COLUMN."
    ),
    "repeated_column": "The header names a column twice: keep one of the two.",
    "missing_column": "The header lacks a column that every row of the kind needs: add it.",
    "undecodable": (
        "A line holds bytes that are not UTF-8; the rows before it stand: save the file as UTF-8 and send it again."
    ),
    "open_quote": "A quote opens and never closes; the rows before it stand: close it and send the file again.",
    "bad_quoting": (
        "A line has text after a closing quote; the rows before it stand: write a quote inside a quoted "
        "field twice, and send the file again."
    ),
    "truncated": "The file ends in the middle of a line; the rows before it stand: send the whole file again.",
    "record_too_long": "A line is longer than 1 MiB: check that this is the right file and that its lines end.",
    "field_too_long": "A field is longer than 128 KiB: check the quotes of its line.",
    "curriculum_too_large": (
        "A curriculum file is larger than whole versions can be gathered from: send the versions in several files."
    ),
    "wrong_number_of_fields": "A line has another number of fields than the header: check its delimiters and quotes.",
    "malformed_erasure": "An erasure names a school and a pupil, as texts of one JSON object, and nothing else.",
    "not_an_object": "A JSON object was expected: send one with the names of the columns as keys.",
    "repeated_key": (
        "A row has the key of an earlier row of the same file: a file says a thing once; take one of them out."
    ),
}

_JSON = {
    "invalid_json": "The text is no JSON (NaN and Infinity are none either): correct it at the place that is named.",
    "too_deep": "The JSON is nested too deeply: send it in the documented form, which is flat.",
    "repeated_json_key": "An object has a key twice, so that it is unclear which is meant: keep one.",
    "body_too_large": "The body is larger than this address takes: send less at once, or a file to /v1/imports.",
    "no_events": "The body has no list of events: send {'events': [...]} with 1 to 500 of them.",
    "too_many_events": "A request has more than 500 events: send several requests, or a file to /v1/imports.",
    "unknown_type": "The type of an event is not known: use one of the types that the documentation lists.",
    "unknown_field": "An object has a member that it cannot have: rename it to the one suggested, or take it out.",
    "wrong_type": "A value has another JSON type than its field: send a string or a number.",
}

_FIELDS = {
    "missing_value": "A field that is needed is missing or empty: give it.",
    "invalid_identifier": (
        "An identifier has 1 to 128 letters A-Z a-z, digits and . _ ~ -, with a letter or digit first."
    ),
    "invalid_text": (
        "A text holds a character that is not printable (a control character, a line break, NUL or half "
        "of a surrogate pair): remove it."
    ),
    "text_too_long": "A text is longer than its field takes: shorten it.",
    "reserved_value": "'Not known' is what reports call a missing value: leave the row or the cell out.",
    "reserved_name": "own-year and any have a meaning of their own in measures: give the ability another name.",
    "invalid_pupil": "A pupil's reference has a prefix such as upn: and nothing after it: put the number after it.",
    "invalid_judgement": (
        "A judgement is a number, or a code of letters A-Z a-z, digits and . _ ~ + * = - without spaces, with a letter "
        "or digit first: send the code that the scale has for it, not its description."
    ),
    "invalid_colour": "A colour is #rrggbb or a plain name such as green.",
    "invalid_choice": "The value is not one of the few words that its field takes: use one of those listed.",
    "invalid_time_zone": "The time zone is not known: use an IANA name such as Europe/London.",
    "invalid_date": "A date is written YYYY-MM-DD and must exist in the calendar.",
    "invalid_instant": (
        "An instant is written with seconds and an offset or Z, as 2026-03-31T16:00:00+01:00, and must exist."
    ),
    "date_out_of_range": (
        "A date lies before 1990-01-01 (of birth: 1900-01-01) or more than 10 years ahead: check its year."
    ),
    "in_the_future": (
        "What was assessed, sat, judged or recorded cannot lie in the future (today in the school's own time zone): "
        "check the date."
    ),
    "after_recorded_at": (
        "Nothing is assessed, sat or judged after the day on which it was recorded: check that day and recorded_at."
    ),
    "ends_before_starts": "An end lies before its start: an end is the last day, inclusive.",
    "not_a_number": "A decimal number has digits and a point, without exponent, plus sign or separators.",
    "unknown_score": "The score is no number, nor a value or code that its test declares: see GET /v1/tests/ID.",
    "not_an_integer": "A whole number has digits only.",
    "too_many_decimals": "A number has more than three decimals: round it.",
    "out_of_range": "A number, or a count of things, lies outside what its field takes: see the range that is named.",
    "same_pupil": "A merge or a split names the same reference twice: name two.",
}

_CURRICULA = {
    "invalid_states": (
        "States are name:weight with commas between them (name:- for one that counts as not assessed), or marks:MAX."
    ),
    "repeated_state": "A state is named twice: keep one.",
    "invalid_subjects": "A curriculum document has a list of subjects.",
    "invalid_objectives": "A subject of a curriculum document has a list of objectives.",
    "repeated_subject": "A subject stands twice in a curriculum document: join the two.",
    "repeated_objective": "An objective stands twice in a subject of a version: keep one.",
    "school_and_trust": "A version of a curriculum goes to a school or to a trust: leave one of the two out.",
    "version_differs": (
        "Two rows of a version say different things about the version itself: let all rows say the same."
    ),
    "version_rejected": (
        "A version is accepted whole or not at all, and another row of it is wrong: put that one right."
    ),
    "version_too_large": (
        "A version is larger than one fact may be: shorten its texts, or split it into several frameworks."
    ),
}

_LEDGER = {
    "unknown_school": "The school is not known yet: send it as schools or SchoolRegistered first.",
    "unknown_trust": "No school has joined the trust: send the membership first.",
    "unknown_pupil": (
        "No pupil of this reference was ever enrolled at the school: send pupils or PupilEnrolled first."
    ),
    "unknown_framework": "The school has no such framework: send the curriculum first, or correct the name.",
    "unknown_subject": "The school's curriculum has no such subject: correct the name, or send the curriculum first.",
    "unknown_objective": (
        "No version of the framework has this objective in the subject: correct it, or send the curriculum first."
    ),
    "forbidden_school": (
        "The key does not cover the school: use a key that does. Whether the school exists is not told."
    ),
    "migrate_not_allowed": "Only a key with the right migrate may give recorded_at: leave it out, or use such a key.",
    "event_id_conflict": "Another fact has this event_id already: use a new one.",
    "unknown_state": "The framework has no such state, or the mark is no number: use one of its states.",
    "withdraws_itself": "A withdrawal names its own event_id: name the fact that is to be withdrawn.",
    "subject_in_other_framework": (
        "A subject belongs to one framework in a school: give the subject another name, or publish a "
        "version of its framework."
    ),
}

_REQUESTS = {
    "unknown_parameter": "The address has no such parameter: take it out, or correct its name.",
    "repeated_parameter": "A parameter that may be given once is given twice: keep one.",
    "invalid_query": "The query string is not encoded as UTF-8, or has too many parameters: encode it anew.",
    "invalid_import_id": "An import id that is chosen by the sender is imp_ and 1 to 60 letters and digits.",
    "invalid_flag": "The parameter is true or false.",
    "invalid_cursor": "A cursor is taken from the answer before: leave it out to begin with the first page.",
    "invalid_idempotency_key": "An Idempotency-Key has 1 to 255 printable ASCII characters without spaces.",
    "idempotency_key_reused": (
        "Another request was sent under this Idempotency-Key in the last 24 hours: use a new key for each request."
    ),
    "import_id_taken": "There is an import with this id already: ask for it, choose another id, or leave it out.",
    "import_running": "The import is still running: ask for it until it has ended, then reverse it.",
    "unknown_import": "There is no such import, or another key has sent it: list the imports of the key.",
    "connection_cut": "The connection ended before the body did; complete rows stand: send it again.",
    "another_log": (
        "The log is not the one that this product has written so far, so nothing is accepted: an operator has "
        "to connect the right log, or to build the registry again from this one."
    ),
}

_DEFINITIONS = {
    "scope_too_narrow": "A test or a scale is the same at every school: define it with a key of all schools.",
    "version_changed": "Another version stands than the one in If-Match: read it, decide again, and send its version.",
    "if_match_required": "A change of settings names the version that it changes: send it as If-Match.",
    "unknown_settings": "There are no such settings, or not for this key: list those there are.",
    "unknown_test": "No test of this id is defined: list those there are, or define it with PUT.",
    "unknown_scale": "No scale of this id is defined: list those there are, or define it with PUT.",
    "unknown_saved_report": "There is no such saved report, or another key made it: list those of the key.",
    "fixed_value": "The owner and the kind of settings never change: save new settings instead.",
    "invalid_path": ("The path of a saved report begins with /reports/ or /v1/reports/ and names a school or a trust."),
    "invalid_rule": "A progress rule is five rows (start) of five digits 1 to 5 (end), with commas between the rows.",
    "wrong_count": "Five bands have four lower cut-offs, such as 35,50,70,85, with - for a band that is not used.",
    "no_bands": "None of the bands is used: give the lower cut-off of at least one.",
    "out_of_order": "Numbers that have to rise do not: put each above the one before it.",
    "not_whole": "A markbook is banded by its displayed percent: use whole numbers from 1 to 100.",
    "unknown_measure": "The pattern begins with no kind of measure: use markbook, test, judgement, eyfs or combined.",
    "malformed_measure": "The pattern has not the parts of its kind of measure: write each, or * for any.",
    "repeated_value": "Two members of a list say the same thing: keep one of them.",
    "values_and_range": "Scores are either listed, or lie between min and max: give one of the two.",
    "unknown_score_type": "An expectation names a score type that the test does not have: use one of its scores.",
    "invalid_code": "A code stands for a number, so it cannot be one: begin it with a letter.",
}

_INTAKE = {
    "tombstone": "A message of the intake topic has no value: send a body; nothing is deleted by an empty message.",
    "unknown_cloudevents_version": "The specversion of a CloudEvent is not 1.0: send CloudEvents 1.0.",
    "invalid_cloudevent": (
        "A CloudEvent lacks specversion, id, source or type, or one of them is no text: give all four as texts."
    ),
    "invalid_cloudevent_source": (
        "Neither the source of a CloudEvent nor the last part of its path is an identifier: end it with one, as in "
        "/trusts/t1/mis."
    ),
    "conflicting_cloudevent": (
        "The data of a CloudEvent says another type, event_id or type_version than its envelope: say it once."
    ),
    "not_taken": (
        "The product itself failed on this event, which is a fault of the product: its log has the error. Replay the "
        "message with a release that mends it."
    ),
}

PROBLEM_CODES: dict[str, str] = _FILES | _JSON | _FIELDS | _CURRICULA | _LEDGER | _REQUESTS | _DEFINITIONS | _INTAKE
"""Code → what it means and what to do."""
