"""The commands about messages that the intake set aside. What they do is in `intake_letters`."""

from __future__ import annotations

from typing import Annotated

import typer

from services.console.options import EXIT_USAGE, AsJson, DataDir, fail, group, leave, settings_of

app = typer.Typer()
letters_app = group("Messages that the intake set aside.")
app.add_typer(letters_app, name="intake-letters")


@letters_app.command("list")
def letters_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """The messages that the intake set aside, and why."""
    from services.console.intake_letters import print_list

    leave(print_list(settings_of(data_dir=data_dir), as_json))


@letters_app.command("show")
def letters_show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `intake-letters list` shows it.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """One message that was set aside: why, from where, and what stands in it."""
    from services.console.intake_letters import print_letter

    leave(print_letter(settings_of(data_dir=data_dir), letter_id, as_json))


@letters_app.command("replay")
def letters_replay(
    letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]…")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send messages that were set aside to the intake again, as they came.

    Doing it twice has no further effect.
    """
    from services.console.intake_letters import print_replay

    if bool(letter_ids) == every:
        fail("say which: ID… or --all", EXIT_USAGE)
    leave(print_replay(settings_of(data_dir=data_dir), tuple(letter_ids or ()), as_json))
