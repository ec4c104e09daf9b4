"""The commands that run services: `up`, `demo`, and each service alone. What they do is in the modules they call."""

from __future__ import annotations

import typer

from services.console.options import DEFAULT_HOST, DEFAULT_PORT, DataDir, Host, Port, WatchPort, group, settings_of

app = typer.Typer()
projector_app = group("Run the projector alone, or ask how it stands.", bare=True)


@app.command()
def up(host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None) -> None:
    """Run ingest, projector and query as one supervised set."""
    import asyncio

    from services.console.standalone import run_up

    asyncio.run(run_up(settings_of(data_dir=data_dir), host, port))


@app.command()
def demo(host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None) -> None:
    """Run everything, with a fictional trust in it.

    3 schools, 1,200 pupils, two academic years.
    """
    import asyncio

    from services.console.demo import run_demo

    asyncio.run(run_demo(settings_of(data_dir=data_dir), host, port))


@app.command()
def ingest(host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None) -> None:
    """Run the ingest service alone."""
    from services.console.serving import serve_alone

    serve_alone("ingest", settings_of(data_dir=data_dir), host, port)


@app.command()
def query(host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None) -> None:
    """Run the query service alone."""
    from services.console.serving import serve_alone

    serve_alone("query", settings_of(data_dir=data_dir), host, port)


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
