"""The commands that speak to a running product over HTTP. What they do is in the modules they call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from services.console.options import EXIT_USAGE, AsJson, Key, Url, fail, group, leave, pair_of, target_of

app = typer.Typer()
keys_app = group("Make, list and revoke keys.")
app.add_typer(keys_app, name="keys")


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
    leave(import_all(order, *target_of(url, key), as_json=as_json))


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

    pairs = tuple(pair_of(parameter) for parameter in parameters or ())
    if as_csv and as_json:
        fail("choose one of --csv and --json", EXIT_USAGE)
    leave(print_report_of(name, pairs, *target_of(url, key), form="csv" if as_csv else "json" if as_json else "table"))


@app.command()
def erase(
    pupil: Annotated[str, typer.Argument(help="The school's own reference of the pupil, or pup_…")],
    school: Annotated[str, typer.Option(help="The id of the school.", metavar="ID")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Destroy the name of a pupil, at every reference that is this person.

    Results and counts stay; lists show "Erased pupil". There is no way back.
    """
    from services.console.erasing import erase as erase_pupil

    leave(erase_pupil(school, pupil, *target_of(url, key), confirmed=yes, as_json=as_json))


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="Who the key is for.")],
    can: Annotated[str, typer.Option(help="Rights, with commas: read,names,small_numbers,write,import,enter,…")],
    school: Annotated[list[str] | None, typer.Option(help="A school that it covers (repeat).", metavar="ID")] = None,
    trust: Annotated[list[str] | None, typer.Option(help="A trust that it covers (repeat).", metavar="ID")] = None,
    all_schools: Annotated[bool, typer.Option("--all-schools", help="It covers every school.")] = False,
    of_group: Annotated[
        list[str] | None, typer.Option("--group", help="Only the pupils of this group (repeat).", metavar="NAME")
    ] = None,
    expires_on: Annotated[str | None, typer.Option(help="Its last day.", metavar="YYYY-MM-DD")] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make a key; it is shown this once."""
    from services.console.keys import create

    if sum((bool(school), bool(trust), all_schools)) != 1:
        fail("say which schools: --school ID, --trust ID or --all-schools", EXIT_USAGE)
    body: dict[str, Any] = {"name": name, "can": [right.strip() for right in can.split(",") if right.strip()]}
    body |= {"schools": school} if school else {"trusts": trust} if trust else {"all": True}
    body |= {"groups": of_group} if of_group else {}
    body |= {"expires_on": expires_on} if expires_on else {}
    create(body, *target_of(url, key), as_json=as_json)


@keys_app.command("list")
def keys_list(url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """The keys that there are (never the keys themselves)."""
    from services.console.keys import print_keys

    print_keys(*target_of(url, key), as_json=as_json)


@keys_app.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="key_… of the key to end.")],
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """End a key."""
    from services.console.keys import revoke

    revoke(key_id, *target_of(url, key), as_json=as_json)
