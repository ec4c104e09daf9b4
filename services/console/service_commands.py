"""The commands that run services: `up`, `demo`, and each service alone. What they do is in the modules they call."""

from __future__ import annotations

from typing import Annotated

import typer

from services.console.options import DEFAULT_HOST, DEFAULT_PORT, DataDir, Host, Port, WatchPort, group, settings_of

app = typer.Typer()
Processes = Annotated[int, typer.Option(help="How many processes answer on this port.", min=1, max=64)]
ProcessesOrCores = Annotated[
    int | None, typer.Option("--processes", help="The same; default: one a core, 4 at most.", min=1, max=64)
]
projector_app = group("Run the projector alone, or ask how it stands.", bare=True)


@app.command()
def up(
    host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None, processes: Processes = 1
) -> None:
    """Run ingest, projector and query as one supervised set."""
    import asyncio

    from services.console.standalone import run_up

    asyncio.run(run_up(settings_of(data_dir=data_dir), host, port, processes=processes))


@app.command()
def demo(host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None) -> None:
    """Run everything, with a fictional trust in it.

    3 schools, 1,200 pupils, two academic years.
    """
    import asyncio

    from services.console.demo import run_demo

    asyncio.run(run_demo(settings_of(data_dir=data_dir), host, port))


@app.command()
def ingest(
    host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None, processes: Processes = 1
) -> None:
    """Run the ingest service alone."""
    from services.console.serving import serve_alone

    serve_alone("ingest", settings_of(data_dir=data_dir), host, port, processes)


@app.command()
def query(
    host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None, processes: ProcessesOrCores = None
) -> None:
    """Run the query service alone."""
    from services.console.serving import serve_alone
    from services.console.several import processes_by_default

    serve_alone("query", settings_of(data_dir=data_dir), host, port, processes or processes_by_default())


@projector_app.callback(invoke_without_command=True)
def projector(
    context: typer.Context, host: Host = DEFAULT_HOST, port: WatchPort = None, data_dir: DataDir = None
) -> None:
    """Run the projector alone."""
    if context.invoked_subcommand is not None:
        return
    import asyncio

    from services.console.serving import run_projector_alone

    asyncio.run(run_projector_alone(settings_of(data_dir=data_dir), host, port))


@app.command()
def intake(host: Host = DEFAULT_HOST, port: WatchPort = None, data_dir: DataDir = None) -> None:
    """Run the intake alone: facts that other systems stream in by Kafka."""
    import uvloop

    from services.console.serving import run_intake_alone

    uvloop.run(run_intake_alone(settings_of(data_dir=data_dir), host, port))
