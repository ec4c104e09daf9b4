"""What the commands of `markledger` share: their options, the settings of the process, and how a command ends.

Every import of weight stands inside a function, so that `--help` is there at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

EXIT_USAGE = 2
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080

Host = Annotated[str, typer.Option(help="Address to listen on.")]
WatchPort = Annotated[
    int | None, typer.Option("--port", help="Show /healthz and /metrics on this port.", min=1, max=65535)
]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)]
DataDir = Annotated[
    Path | None, typer.Option(help="Where the embedded database and the secrets are. [MARKLEDGER_DATA_DIR]")
]
Url = Annotated[str | None, typer.Option(help="Where the product answers. [MARKLEDGER_URL]")]
Key = Annotated[
    str | None, typer.Option(help="Key to use; default: the admin key in the data directory. [MARKLEDGER_KEY]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def group(text: str, *, bare: bool = False) -> typer.Typer:
    """Commands below a word. `bare`: the word alone is a command too."""
    return typer.Typer(help=text, no_args_is_help=not bare, rich_markup_mode=None)


def settings_of(**given: Any) -> Any:
    from services.runtime.settings import read_settings

    return read_settings(**given)


def target_of(url: str | None, key: str | None) -> tuple[str, str | None]:
    """The address and the key of a client command."""
    from services.console.data_directory import read_secret

    settings = settings_of(url=url, key=key)
    given = settings.key or settings.admin_key
    return settings.url, given.get_secret_value() if given else read_secret(settings.data_dir, "admin")


def pair_of(parameter: str) -> tuple[str, str]:
    name, equals, value = parameter.partition("=")
    if not (name and equals):
        fail(f"{parameter!r} is not KEY=VALUE", EXIT_USAGE)
    return name, value


def leave(code: int) -> None:
    if code:
        raise typer.Exit(code)


def fail(message: str, code: int) -> NoReturn:
    print(f"markledger: {message}", file=sys.stderr)
    raise typer.Exit(code)
