"""A search soon after another is answered by a process that the first one left behind.

This half is the caller's: only the standard library, for importing numpy alone would take as long
as the whole answer, and of that only what is quick to import. `fashiontag.cli.warm` is the other
half. The two meet at a socket in a folder that only its owner can enter, and whose name changes
with the code, the interpreter and what of the environment matters, so an answer never comes from
another version. A question is a JSON object of what is searched and how it is shown; the answer one
of what is printed, from the same handler that `fashiontag serve` calls.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
import zlib
from contextlib import suppress

TYPE_CHECKING = False  # importing typing would be a tenth of the caller's time
if TYPE_CHECKING:
    from collections.abc import Sequence

SWITCH = "FASHIONTAG_DAEMON"
"""The environment variable that turns all of this off when it is 0."""

IDLE = 300
"""Seconds without a question after which the process ends."""

PATIENCE = 60.0
"""Seconds that a caller waits for a process that has just been started to import torch."""

_TAKE = {
    "--image": str, "--minus": str, "--where": str, "-k": int, "--min-score": str,
    "--image-weight": float, "--workspace": str,
}  # fmt: skip
_SWITCHES = {
    "--fold": ("fold", True), "--no-fold": ("fold", False), "--json": ("json", True),
    "--paths": ("paths", True), "--quiet": ("quiet", True), "-q": ("quiet", True),
}  # fmt: skip
"""What can be asked; a command line with anything else is run by whoever typed it: it may concern
the model or the terminal, or be wrong."""

_ENVIRONMENT = ("HOME", "XDG_CACHE_HOME", "PYTHONPATH")
_TERMINAL = ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


def question(arguments: Sequence[str]) -> dict[str, object] | None:
    """Return a search's command line as what a waiting process is asked; None if it can't be."""
    asked: dict[str, object] = {}
    left = iter(arguments)
    for argument in left:
        name, sign, value = argument.partition("=")
        if argument in _SWITCHES:
            key, told = _SWITCHES[argument]
            asked[key] = told
        elif name in _TAKE and (name.startswith("--") or not sign):
            given = value if sign else next(left, "")
            if not given or (given.startswith("-") and not sign):
                return None
            try:
                asked[name.strip("-").replace("-", "_")] = _TAKE[name](given)
            except ValueError:
                return None
        elif argument.startswith("-") or "words" in asked:
            return None
        else:
            asked["words"] = argument
    try:
        folder = os.getcwd()  # noqa: PTH109 - pathlib takes 10 ms to import
    except OSError:  # it was deleted meanwhile
        return None
    asked.setdefault("workspace", ".fashiontag")
    return asked | {
        "folder": folder,
        "terminals": [_width(sys.stdout.fileno()), _width(sys.stderr.fileno())],
        "environment": {name: os.environ[name] for name in _TERMINAL if name in os.environ},
    }


def ask(arguments: Sequence[str]) -> int | None:
    """Let a waiting process run a search; return its exit status, None if nobody could."""
    if arguments[:1] != ["search"] or not wanted():
        return None
    if (sys.stdout.encoding or "").lower() != "utf-8":  # what it lacks is known only here
        return None
    asked = question(arguments[1:])
    if asked is None:
        return None
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(PATIENCE)
            line.connect(address())
            line.sendall(json.dumps(asked).encode())
            line.shutdown(socket.SHUT_WR)
            with line.makefile("rb") as told:
                answer = json.loads(told.read())
    except (OSError, ValueError):
        return None
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted.\n")
        return 130
    try:
        sys.stderr.write(answer["err"])
        sys.stdout.write(answer["out"])
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough, as `head` does
        return _mute()
    except OSError as error:  # a full disk
        with suppress(OSError):
            sys.stderr.write(
                f"error: can't write to standard output: {error.strerror}; make room there.\n"
            )
        return _mute()
    return int(answer["code"])


def _mute() -> int:
    """Send what is still to be flushed nowhere, or Python would fail on it as it ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def wanted() -> bool:
    """Whether a process may be left behind here."""
    return hasattr(socket, "AF_UNIX") and os.name == "posix" and os.environ.get(SWITCH) != "0"


def start(model: str) -> None:
    """Leave a process behind that knows this model; it ends at once if there is one already."""
    import subprocess  # a sixth of what a caller who is answered would import

    if not wanted():
        return
    with suppress(OSError):
        subprocess.Popen(
            [sys.executable, "-m", "fashiontag.cli.warm", model],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )


def address() -> str:
    """Return where a process of this very code listens.

    Raises
    ------
    OSError
        If the folder can't be had, or others could enter it.
    """
    base = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
    folder = f"{base}/fashiontag-{os.getuid()}"
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)  # noqa: PTH102
    facts = os.lstat(folder)
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a folder for its owner alone")
    package = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    newest = max(
        os.stat(f"{place}/{name}").st_mtime_ns  # noqa: PTH116
        for place, _, names in os.walk(package)
        for name in names
        if name.endswith((".py", ".toml"))
    )
    known = sorted(
        f"{name}={value}"
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(("FASHIONTAG_", "HF_", "OMP_", "CUDA_"))
    )
    told = "\n".join([sys.executable, sys.version, package, str(newest), *known])
    return f"{folder}/{zlib.crc32(told.encode()):08x}"


def _width(descriptor: int) -> int:
    """Return a terminal's columns, 0 for what is none."""
    try:
        return os.get_terminal_size(descriptor).columns if os.isatty(descriptor) else 0
    except OSError:
        return 0
