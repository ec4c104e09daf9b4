"""The `markledger` command. What may be typed is in the five modules that end in `_commands`.

This is the edge of the process: an error leaves as one line, never as a trace.
"""

from __future__ import annotations

import sys

import typer

from services.console import (
    client_commands,
    intake_commands,
    operator_commands,
    service_commands,
    transfer_commands,
)

EXIT_FAILED = 1

app = typer.Typer(
    name="markledger",
    help="A permanent ledger of what pupils have learned, with reports for any date and any state of knowledge.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich would double the time of `--help`
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (service_commands, client_commands, operator_commands, intake_commands, transfer_commands):
    app.add_typer(module.app)


def main() -> None:
    """Run the command; the one place that catches everything, to end with a line instead of a trace."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from services.console.failures import told

        message, code = told(error)
        print(f"markledger: {message}", file=sys.stderr)
        sys.exit(code)
