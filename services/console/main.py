"""The `markledger` command: what may be typed, and the exit code of what came of it.

Every import of weight stands inside the command that needs it, so that `--help` is there at once. What a command does
is in the module that it calls. This is the edge of the process: an error leaves as one line, never as a trace.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

EXIT_FAILED = 1
EXIT_USAGE = 2
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080

app = typer.Typer(
    name="markledger",
    help="A permanent ledger of what pupils have learned, with reports for any date and any state of knowledge.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich would double the time of `--help`
    context_settings={"help_option_names": ["-h", "--help"]},
)
keys_app = typer.Typer(help="Make, list and revoke keys.", no_args_is_help=True, rich_markup_mode=None)
projector_app = typer.Typer(help="Run the projector alone, or ask how it stands.", rich_markup_mode=None)
dead_letters_app = typer.Typer(
    help="Records that the projector could not read.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(keys_app, name="keys")
app.add_typer(projector_app, name="projector")
log_app = typer.Typer(help="The log itself.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(dead_letters_app, name="deadletters")
app.add_typer(log_app, name="log")

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


@app.command()
def up(host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None) -> None:
    """Run ingest, projector and query as one supervised set."""
    import asyncio

    from services.console.standalone import run_up

    asyncio.run(run_up(_settings(data_dir=data_dir), host, port))


@app.command()
def demo(host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None) -> None:
    """Run everything, with a fictional trust in it.

    3 schools, 1,200 pupils, two academic years.
    """
    import asyncio

    from services.console.demo import run_demo

    asyncio.run(run_demo(_settings(data_dir=data_dir), host, port))


@app.command()
def ingest(host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None) -> None:
    """Run the ingest service alone."""
    from services.console.serving import serve_alone

    serve_alone("ingest", _settings(data_dir=data_dir), host, port)


@app.command()
def query(host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None) -> None:
    """Run the query service alone."""
    from services.console.serving import serve_alone

    serve_alone("query", _settings(data_dir=data_dir), host, port)


@projector_app.callback(invoke_without_command=True)
def projector(
    context: typer.Context, host: Host = DEFAULT_HOST, port: WatchPort = None, data_dir: DataDir = None
) -> None:
    """Run the projector alone."""
    if context.invoked_subcommand is not None:
        return
    import asyncio

    from services.console.serving import run_projector_alone

    asyncio.run(run_projector_alone(_settings(data_dir=data_dir), host, port))


@projector_app.command("status")
def projector_status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """How far the projector has come; exit code 4 if it stopped somewhere."""
    from services.console.operations import print_projector_status

    _exit(print_projector_status(_settings(data_dir=data_dir), as_json))


@app.command("import")
def import_files(
    kind: Annotated[str, typer.Argument(help="schools, pupils, groups, assessments, results, …")],
    files: Annotated[list[Path], typer.Argument(help="CSV, NDJSON or (curriculum) JSON files; - is stdin.")],
    source: Annotated[str | None, typer.Option(help="The system that the files come from.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; answer the same counts.")] = False,
    states: Annotated[
        str | None, typer.Option(help="Curriculum: not_yet:0,achieved:1 or marks:100.", metavar="SPEC")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Column to leave out (repeat).", metavar="COLUMN")] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Send files through the HTTP interface.

    Exit code 3 if some rows were rejected, 1 if all were.
    """
    from services.console.importing import ImportOrder, import_all

    order = ImportOrder(kind, tuple(files), source, dry_run, states, tuple(ignore or ()))
    _exit(import_all(order, *_target(url, key), as_json=as_json))


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="overview, overview/members, score-tracking, matrix, …")],
    parameters: Annotated[list[str] | None, typer.Argument(help="KEY=VALUE, as in the address.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the answer as CSV.")] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Print a report.

    For example: markledger report overview school=S measure=markbook:maths:Y3:overall bands=35,50,70,85
    """
    from services.console.reporting import print_report_of

    pairs = tuple(_pair(parameter) for parameter in parameters or ())
    if as_csv and as_json:
        _fail("choose one of --csv and --json", EXIT_USAGE)
    _exit(print_report_of(name, pairs, *_target(url, key), form="csv" if as_csv else "json" if as_json else "table"))


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="Who the key is for.")],
    can: Annotated[str, typer.Option(help="Rights, with commas: read,write,names,migrate,admin.")],
    school: Annotated[list[str] | None, typer.Option(help="A school that it covers (repeat).", metavar="ID")] = None,
    trust: Annotated[list[str] | None, typer.Option(help="A trust that it covers (repeat).", metavar="ID")] = None,
    all_schools: Annotated[bool, typer.Option("--all-schools", help="It covers every school.")] = False,
    expires_on: Annotated[str | None, typer.Option(help="Its last day.", metavar="YYYY-MM-DD")] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make a key; it is shown this once."""
    from services.console.keys import create

    if sum((bool(school), bool(trust), all_schools)) != 1:
        _fail("say which schools: --school ID, --trust ID or --all-schools", EXIT_USAGE)
    body: dict[str, Any] = {"name": name, "can": [right.strip() for right in can.split(",") if right.strip()]}
    body |= {"schools": school} if school else {"trusts": trust} if trust else {"all": True}
    body |= {"expires_on": expires_on} if expires_on else {}
    create(body, *_target(url, key), as_json=as_json)


@keys_app.command("list")
def keys_list(url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """The keys that there are (never the keys themselves)."""
    from services.console.keys import print_keys

    print_keys(*_target(url, key), as_json=as_json)


@keys_app.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="key_… of the key to end.")],
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """End a key."""
    from services.console.keys import revoke

    revoke(key_id, *_target(url, key), as_json=as_json)


@app.command()
def verify(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Compare the views with a replay of the log.

    Exit code 1 unless they are equal.
    """
    from services.console.operations import print_verification

    _exit(print_verification(_settings(data_dir=data_dir), as_json))


@app.command()
def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Look at everything that must be right, and say how to mend what is not.

    Exit code 4 if a check fails.
    """
    from services.console.doctor import print_diagnosis

    _exit(print_diagnosis(_settings(data_dir=data_dir), as_json))


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

    settings = _settings(data_dir=data_dir, kafka_bootstrap=to_kafka)
    if not settings.kafka_bootstrap:
        _fail("--to-kafka names no server", EXIT_USAGE)
    _exit(print_log_copy(settings, unbind=unbind, as_json=as_json))


@dead_letters_app.command("list")
def dead_letters_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """The records that the projector set aside, and why."""
    from services.console.dead_letters import print_list

    _exit(print_list(_settings(data_dir=data_dir), as_json))


@dead_letters_app.command("show")
def dead_letters_show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `deadletters list` shows it.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """One record that was set aside: why, from where, and what stands in it."""
    from services.console.dead_letters import print_letter

    _exit(print_letter(_settings(data_dir=data_dir), letter_id, as_json))


@dead_letters_app.command("replay")
def dead_letters_replay(
    letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]…")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Read records that were set aside with the code of today; it changes nothing.

    Exit code 1 if one is a fact now: only a rebuild of the views puts it into its place in the order.
    """
    from services.console.dead_letters import print_replay

    if bool(letter_ids) == every:
        _fail("say which: ID… or --all", EXIT_USAGE)
    _exit(print_replay(_settings(data_dir=data_dir), tuple(letter_ids or ()), as_json))


def _settings(**given: Any) -> Any:
    from services.runtime.settings import read_settings

    return read_settings(**given)


def _target(url: str | None, key: str | None) -> tuple[str, str | None]:
    """The address and the key of a client command."""
    from services.console.data_directory import read_secret

    settings = _settings(url=url, key=key)
    given = settings.key or settings.admin_key
    return settings.url, given.get_secret_value() if given else read_secret(settings.data_dir, "admin")


def _pair(parameter: str) -> tuple[str, str]:
    name, equals, value = parameter.partition("=")
    if not (name and equals):
        _fail(f"{parameter!r} is not KEY=VALUE", EXIT_USAGE)
    return name, value


def _exit(code: int) -> None:
    if code:
        raise typer.Exit(code)


def _fail(message: str, code: int) -> NoReturn:
    print(f"markledger: {message}", file=sys.stderr)
    raise typer.Exit(code)


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
