"""The commands of an operator, on the database and the log themselves. What they do is in the modules they call."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from services.console.options import EXIT_USAGE, AsJson, DataDir, fail, group, leave, settings_of
from services.console.service_commands import projector_app

ViewsVersion = Annotated[int, typer.Argument(metavar="N", help="As `projector versions` shows it.", min=1)]

app = typer.Typer()
dead_letters_app = group("Records that could not be read.")
log_app = group("The log itself.")
app.add_typer(projector_app, name="projector")
app.add_typer(dead_letters_app, name="deadletters")
app.add_typer(log_app, name="log")


@projector_app.command("status")
def projector_status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """How far the projector has come; exit code 4 if it stopped somewhere."""
    from services.console.operations import print_projector_status

    leave(print_projector_status(settings_of(data_dir=data_dir), as_json))


@projector_app.command("versions")
def projector_versions(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """The versions of the views, and which one reports read."""
    from services.console.versions import print_versions

    leave(print_versions(settings_of(data_dir=data_dir), as_json))


@projector_app.command("rebuild")
def projector_rebuild(
    processes: Annotated[
        int | None, typer.Option(help="Processes that build; default: one for each core of this process.", min=1)
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Build the next version of the views from the log, while the present one serves.

    One that broke off goes on where it was when it is asked for again.
    """
    from services.console.versions import print_rebuild

    processes = processes or len(os.sched_getaffinity(0))
    leave(print_rebuild(settings_of(data_dir=data_dir), processes, as_json))


@projector_app.command("compare")
def projector_compare(
    version: ViewsVersion,
    with_version: Annotated[
        int | None, typer.Option("--with", help="The other; default: the one that reports read.", min=1)
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare two versions of the views at the same place in the log.

    Exit code 1 unless they are equal.
    """
    from services.console.versions import print_comparison

    leave(print_comparison(settings_of(data_dir=data_dir), version, with_version, as_json))


@projector_app.command("promote")
def projector_promote(
    version: ViewsVersion,
    reason: Annotated[
        str | None,
        typer.Option("--despite-differences", help="Why it may differ from the present one.", metavar="REASON"),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let reports read a version; refused if it is behind, or says something else than the present one."""
    from services.console.versions import print_promotion

    if reason is not None and not reason.strip():
        fail("--despite-differences: say why", EXIT_USAGE)
    leave(print_promotion(settings_of(data_dir=data_dir), version, reason, as_json))


@projector_app.command("retire")
def projector_retire(version: ViewsVersion, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Drop a version of the views that reports do not read."""
    from services.console.versions import print_retirement

    leave(print_retirement(settings_of(data_dir=data_dir), version, as_json))


@app.command()
def verify(
    reporting: Annotated[
        bool, typer.Option("--reporting", help="Compare the reporting rows of today with what reports answer.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare the views with a replay of the log.

    Exit code 1 unless they are equal.
    """
    if reporting:
        from services.console.reporting_check import print_reporting_verification as print_verification
    else:
        from services.console.operations import print_verification

    leave(print_verification(settings_of(data_dir=data_dir), as_json))


@app.command()
def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Look at everything that must be right, and say how to mend what is not.

    Exit code 4 if a check fails.
    """
    from services.console.doctor import print_diagnosis

    leave(print_diagnosis(settings_of(data_dir=data_dir), as_json))


@log_app.command("copy")
def log_copy(
    to_kafka: Annotated[str, typer.Option(help="The Kafka to copy to.", metavar="HOST:PORT,…")],
    unbind: Annotated[
        bool, typer.Option("--unbind", help="Also empty the registry and the views; Kafka fills them again.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Copy the embedded log to Kafka, every school in its order.

    The services must be stopped. A copy that broke off goes on when it is asked for again.
    """
    from services.console.log_copy import print_log_copy

    settings = settings_of(data_dir=data_dir, kafka_bootstrap=to_kafka)
    if not settings.kafka_bootstrap:
        fail("--to-kafka names no server", EXIT_USAGE)
    leave(print_log_copy(settings, unbind=unbind, as_json=as_json))


@dead_letters_app.command("list")
def dead_letters_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """The records that the projector set aside, and why."""
    from services.console.dead_letters import print_list

    leave(print_list(settings_of(data_dir=data_dir), as_json))


@dead_letters_app.command("show")
def dead_letters_show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `deadletters list` shows it.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """One record that was set aside: why, from where, and what stands in it."""
    from services.console.dead_letters import print_letter

    leave(print_letter(settings_of(data_dir=data_dir), letter_id, as_json))


@dead_letters_app.command("replay")
def dead_letters_replay(
    letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]…")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Read records that were set aside with the code of today; it changes nothing.

    Exit code 1 if one is a fact now: the commands that it prints put it into its place in the order.
    """
    from services.console.dead_letters import print_replay

    if bool(letter_ids) == every:
        fail("say which: ID… or --all", EXIT_USAGE)
    leave(print_replay(settings_of(data_dir=data_dir), tuple(letter_ids or ()), as_json))
