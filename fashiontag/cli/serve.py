"""``fashiontag serve``: the workspace in a browser and over HTTP."""

from __future__ import annotations

import os
import secrets
import socket
from typing import Annotated

import typer

from fashiontag.cli import options, output
from fashiontag.cli.search import BLAS_THREADS

TOKEN = "FASHIONTAG_TOKEN"  # noqa: S105 - the name of the variable that holds one


@options.command
def serve(
    *,
    labels: options.LabelsOption = None,
    probe: options.ProbeOption = None,
    host: Annotated[str, "ADDRESS", "Others than 127.0.0.1 ask for a token."] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Where to listen.")] = (
        8765
    ),
    index: options.IndexOption = None,
    model: options.Model,
) -> None:
    """Look, correct, teach and search in a browser; everything stays on this machine.

    Where others can reach it, every request needs a token: that of FASHIONTAG_TOKEN, or a new one.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", BLAS_THREADS)
    from fashiontag.errors import UsageError

    try:
        import uvicorn

        from fashiontag.server.web import create_app
    except ImportError as error:
        raise UsageError(
            f"serve needs {error.name}, which isn't installed; pip install 'fashiontag[serve]'."
        ) from error
    from fashiontag.labels import load_labels
    from fashiontag.server.desk import Desk
    from fashiontag.server.guard import is_loopback
    from fashiontag.workspace import indexed_model

    token = None if is_loopback(host) else os.environ.get(TOKEN) or secrets.token_urlsafe(24)
    encoder = model.resolve(model.model or indexed_model(model.workspace))
    collection = None
    if index is not None:
        from fashiontag.index.qdrant import Collection

        collection = Collection.open(index)
        collection.about()  # says at once if nothing is there
    with (
        _listening(host, port) as line,
        Desk(
            *(model.workspace, encoder, load_labels(labels), probe, collection),
            calibrated=not model.no_calibration,
        ) as desk,
    ):
        port = line.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        page = f"http://{shown}:{port}/" + (f"?token={token}" if token else "")
        output.say(f"Review {model.workspace} at {page} (Ctrl-C ends it)")
        settings = uvicorn.Config(
            create_app(desk, token),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            limit_concurrency=512,
            h11_max_incomplete_event_size=65_536,
        )
        uvicorn.Server(settings).run(sockets=[line])


def _listening(host: str, port: int) -> socket.socket:
    from fashiontag.errors import OutputError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise OutputError(
            f"Port {port} of {host} can't be listened on ({error.strerror}); name another with "
            "--port, or end the server that has it."
        ) from error
