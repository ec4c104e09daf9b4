"""What supervised children run: `python -m services.console.child PART FD COUNT | projector | intake`.

PART is web, ingest or query, FD the socket that listens, COUNT how many such processes there are.

A child watches its standard input, which ends when its parent is gone, and then ends itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading

ORPHAN_SECONDS = 10.0


def end_with_parent() -> None:
    """Ask this process to end as soon as its parent is gone, and end it hard if it does not listen."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        last_resort = threading.Timer(ORPHAN_SECONDS, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def main(arguments: list[str]) -> None:
    """Run the child that `arguments` name; the edge of its process: what ends it is one line in the log."""
    end_with_parent()
    import uvloop

    from services.console.serving import run_intake_process, run_projector_process, serve_shared

    try:
        match arguments:
            case [("web" | "ingest" | "query") as part, descriptor, count]:
                serve_shared(part, socket.socket(fileno=int(descriptor)), int(count))
            case ["projector"]:
                asyncio.run(run_projector_process())
            case ["intake"]:
                uvloop.run(run_intake_process())
            case _:
                sys.exit("usage: python -m services.console.child PART FD COUNT | projector | intake")
    except (Exception, asyncio.CancelledError) as error:
        import structlog

        structlog.get_logger("markledger.console").error("the process ends", exc_info=error)
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
