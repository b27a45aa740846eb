"""The process that a search leaves behind: imports done, model loaded, waiting for questions.

Questions come one at a time from `fashiontag.daemon.ask`; `fashiontag.cli.search.answer` answers
them by the handler that `fashiontag serve` calls, and what it shows is sent back. Nothing of a
workspace is kept open or locked between them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from fashiontag import cli, daemon, encoders
from fashiontag.cli import output, search


def serve(model: str, *, idle: float = daemon.IDLE) -> None:
    """Answer until nobody has asked for ``idle`` seconds; return at once if another process does.

    Parameters
    ----------
    model : str
        Loaded before the first answer.
    idle : float
    """
    import fcntl

    place = Path(daemon.address())
    with place.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        place.unlink(missing_ok=True)  # of one that was killed: nobody else holds the lock
        with socket.socket(socket.AF_UNIX) as line:
            mask = os.umask(0o177)  # nobody else may enter, from the first moment
            line.bind(str(place))
            os.umask(mask)
            line.listen()  # who asks already now waits for what follows
            line.settimeout(idle)
            try:
                warm(model)
                _answer_until_idle(line)
            finally:
                place.unlink(missing_ok=True)


def warm(model: str) -> None:
    """Import what a search needs, and load what encodes words."""
    import rich.table  # noqa: F401

    import fashiontag.workflows.search  # noqa: F401
    from fashiontag.errors import FashiontagError

    with contextlib.suppress(FashiontagError):
        search.kept(encoders.resolve(model, offline=True)).encode_texts(["dress"])


def _answer_until_idle(line: socket.socket) -> None:
    while True:
        try:
            caller, _ = line.accept()
        except TimeoutError:
            return
        garbled = ValueError, KeyError, TypeError, AttributeError
        with caller, contextlib.suppress(OSError, *garbled):
            caller.settimeout(10)
            with caller.makefile("rb") as asked:
                question = json.loads(asked.read())
            caller.sendall(json.dumps(answer(question)).encode())


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Search from the caller's folder; return the exit status and what is to be printed."""
    out, err = io.StringIO(), io.StringIO()
    before = output.results, output.talk
    widths, environment = question.pop("terminals"), question.pop("environment")
    output.results, output.talk = (
        output.Console(
            file=file,
            force_terminal=bool(width),
            width=width or None,
            highlight=False,
            _environ=environment,
        )
        for file, width in zip((out, err), widths, strict=True)
    )
    try:
        os.chdir(question.pop("folder"))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.outcome(lambda: search.answer(question), debug=False)
    finally:
        os.chdir("/")  # or the caller's disk could not be unmounted
        output.results, output.talk = before
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", search.BLAS_THREADS)
    serve(sys.argv[1])
