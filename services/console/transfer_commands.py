"""The commands that carry a school, or a whole database, away and back. What they do is in the modules they call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.console.options import EXIT_USAGE, AsJson, DataDir, fail, group, leave, settings_of

app = typer.Typer()
export_app = group("All facts of a school into a file, or look at such a file.", bare=True)
app.add_typer(export_app, name="export")
backup_app = group("The database into a directory and back, and what the doctor knows of it.")
app.add_typer(backup_app, name="backup")

SchoolFile = Annotated[Path, typer.Argument(metavar="FILE", help="As `markledger export` made it.")]


@export_app.callback(invoke_without_command=True)
def export(
    context: typer.Context,
    school: Annotated[str | None, typer.Option(help="The school's id.")] = None,
    to: Annotated[
        Path | None, typer.Option(help="FILE.ndjson, or FILE.ndjson.zst (compressed). [SCHOOL.ndjson.zst]")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """All facts of a school into a file, or look at such a file.

    The file holds no names: they are not in the facts.
    """
    if context.invoked_subcommand is not None:
        return
    from services.console.school_export import print_export
    from services.console.serving import with_known_secrets

    if not school:
        fail("say which school: --school ID", EXIT_USAGE)
    leave(print_export(with_known_secrets(settings_of(data_dir=data_dir)), school, to, as_json))


@export_app.command("check")
def export_check(file: SchoolFile, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Whether a file is whole and unchanged. It needs no database.

    Exit code 1 if not.
    """
    from services.console.school_export import print_check
    from services.console.serving import with_known_secrets

    leave(print_check(with_known_secrets(settings_of(data_dir=data_dir)), file, as_json))


@app.command("import-school")
def import_school(file: SchoolFile, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Bring a school in from the file of another installation, fact for fact.

    The services may run. One that broke off goes on when it is asked for again.
    """
    import logging

    from services.console.school_import import print_import
    from services.console.serving import with_known_secrets
    from services.runtime.observability import configure_logging

    configure_logging("import-school", level=logging.WARNING)
    leave(print_import(with_known_secrets(settings_of(data_dir=data_dir)), file, as_json))


@backup_app.command("make")
def backup_make(
    directory: Annotated[Path, typer.Argument(help="A new directory.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Dump the database; everything may run meanwhile.

    The secrets are not in it.
    """
    from services.console.backups import print_make

    leave(print_make(settings_of(data_dir=data_dir), directory, as_json))


@backup_app.command("restore")
def backup_restore(
    directory: Annotated[Path, typer.Argument(help="As `backup make` made it.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Read a dump into an empty database. The secrets must be in place."""
    from services.console.backups import print_restore
    from services.console.serving import with_known_secrets

    leave(print_restore(with_known_secrets(settings_of(data_dir=data_dir)), directory, as_json))


@backup_app.command("noted")
def backup_noted(
    place: Annotated[str, typer.Argument(help="Where it is, in your words.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Tell the doctor that a backup was made just now by other means."""
    from services.console.backups import print_noted

    leave(print_noted(settings_of(data_dir=data_dir), place, as_json))
