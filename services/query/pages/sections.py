"""The parts of a form that several reports share: whose pupils, which dates, which measures."""

from __future__ import annotations

from services.query.pages.forms import Field, Section

PUPILS = Section(
    title="Which pupils",
    fields=(
        Field(kind="schools", name="school", label="Schools"),
        Field(kind="trust", name="trust", label="Or a whole trust"),
        Field(kind="year_groups", name="year_group", label="Year groups", hint="None ticked: all of them."),
        Field(kind="groups", name="group", label="Classes and groups", hint="None: all of them."),
        Field(kind="filters", name="filter", label="Only pupils with"),
    ),
)
PUPILS_OF_SCHOOLS = Section(
    title="Which schools",
    fields=(
        Field(kind="schools", name="school", label="Schools"),
        Field(kind="trust", name="trust", label="Or a whole trust"),
    ),
)
SCHOOL = Section(title="Which school", fields=(Field(kind="schools", name="school", label="School"),))
DATES = Section(
    title="Which date",
    fields=(
        Field(kind="date", name="as_at", label="As at", hint="What was true on this day. Empty: today."),
        Field(
            kind="instant",
            name="as_known_at",
            label="As known at",
            hint="Only what had been told by then (UK time). Empty: all that is known now.",
        ),
    ),
)
MEASURES = Field(
    kind="measures",
    name="measure",
    label="Measures and attainment settings",
    hint="One to three. The boxes hold the lowest percent or score of each band; a dash means that a band is not used. "
    "Empty boxes are filled as for the measure above.",
)
SETTINGS = Field(
    kind="settings",
    name="settings",
    label="Where the attainment settings come from",
)
YEAR = Field(kind="text", name="year", label="Academic year", hint="Such as 2025/26. Empty: that of the date.")
BREAKDOWN = Field(kind="by", name="by", label="Rows", hint="All pupils is always the first row.")
THEN = Field(kind="by", name="then", label="Split each row again by", hint="For example sex inside each year group.")
DENOMINATOR = Field(
    kind="select",
    name="denominator",
    label="Percents of",
    options=(("", "All to whom the measure applies"), ("with_data", "Only those with data")),
)
ON_ROSTER_OF = Field(
    kind="select",
    name="on",
    label="Roster, groups and characteristics of",
    options=(("", "The day of the second"), ("first", "The day of the first")),
)
