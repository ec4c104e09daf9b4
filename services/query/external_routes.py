"""The reports of external data and of early years, as entries of the table of reports."""

from __future__ import annotations

from services.query.asked.external import (
    EXTERNAL,
    EXTERNAL_MEMBERS,
    JUDGEMENTS,
    read_external,
    read_external_members,
    read_judgements,
)
from services.query.asked.eyfs import (
    EYFS_GROUP,
    EYFS_PUPIL,
    GLD,
    GLD_MEMBERS,
    read_eyfs_group,
    read_eyfs_pupil,
    read_gld,
    read_gld_members,
)
from services.query.external_reports import (
    answer_external,
    answer_external_members,
    answer_eyfs_group,
    answer_eyfs_pupil,
    answer_gld,
    answer_gld_members,
    answer_judgements,
)
from services.query.report import Report
from services.query.tables.external import external_members_table, external_table, judgements_table
from services.query.tables.eyfs import eyfs_group_table, eyfs_pupil_table, gld_table

EXTERNAL_REPORTS = (
    Report(
        path="external",
        title="The results of a test in a year, with national figures beside them",
        known=EXTERNAL,
        read=read_external,
        answer=answer_external,
        table=lambda answer, _: external_table(answer),
        named=False,
    ),
    Report(
        path="external/members",
        title="The pupils behind cells of the results of a test",
        known=EXTERNAL_MEMBERS,
        read=read_external_members,
        answer=answer_external_members,
        table=lambda answer, _: external_members_table(answer),
        named=True,
    ),
    Report(
        path="judgements",
        title="Up to three columns beside the teacher's judgement",
        known=JUDGEMENTS,
        read=read_judgements,
        answer=answer_judgements,
        table=lambda answer, _: judgements_table(answer),
        named=True,
    ),
    Report(
        path="judgements/members",
        title="The same pupils in an order",
        known=JUDGEMENTS,
        read=read_judgements,
        answer=answer_judgements,
        table=lambda answer, _: judgements_table(answer),
        named=True,
    ),
    Report(
        path="eyfs-group",
        title="One area of learning of a group, by pupil or by characteristic",
        known=EYFS_GROUP,
        read=read_eyfs_group,
        answer=answer_eyfs_group,
        table=lambda answer, _: eyfs_group_table(answer),
        named=True,
    ),
    Report(
        path="eyfs-pupil",
        title="All areas of learning of one pupil",
        known=EYFS_PUPIL,
        read=read_eyfs_pupil,
        answer=answer_eyfs_pupil,
        table=lambda answer, _: eyfs_pupil_table(answer),
        named=True,
    ),
    Report(
        path="gld",
        title="The profiles of a year, with the good level of development",
        known=GLD,
        read=read_gld,
        answer=answer_gld,
        table=lambda answer, _: gld_table(answer),
        named=True,
    ),
    Report(
        path="gld/members",
        title="The pupils behind cells of the profiles of a year",
        known=GLD_MEMBERS,
        read=read_gld_members,
        answer=answer_gld_members,
        table=lambda answer, _: gld_table(answer),
        named=True,
    ),
)
