"""The command line: parse, call one workflow, show its result.

This module stays light: typer, torch, pandas and the workflows are imported where they are needed,
so that ``fashiontag --help`` and ``fashiontag labels`` answer at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fashiontag.errors import FashiontagError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong command line, 130 interrupted."""
    from fashiontag.cli import output

    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    output.notice_interrupts()
    sys.exit(run([argument for argument in given if argument != "--debug"], debug=debug))


def run(arguments: list[str], *, debug: bool) -> int:
    """Run one command line; return its exit status."""

    def work() -> int:
        if _answered(arguments):
            return 0
        _need_a_folder()
        from fashiontag.cli import commands

        return commands.parse(arguments)

    return outcome(work, debug=debug)


def outcome(work: Callable[[], int], *, debug: bool) -> int:
    """Turn every outcome into an exit status, and every expected error into one sentence."""
    from fashiontag.cli import output

    try:
        status = work()
    except FashiontagError as error:
        if debug:
            raise
        output.warn(*getattr(error, "__notes__", ()))
        complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough, as `head` does.
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        status = INTERRUPTED
    except Exception as error:
        if debug:
            raise
        complain(
            f"unexpected {type(error).__name__}: {error}; this is a bug in fashiontag, and the "
            "same command with --debug shows where."
        )
        return 1
    if status == INTERRUPTED:
        complain("interrupted; what was done is kept, and the same command goes on from there.")
    return status


def _answered(arguments: list[str]) -> bool:
    """Answer what needs no parser: typer, and pydantic that it parses with, take 0.2 s to import.

    That is `labels` with at most a file; its options go to the parser.
    """
    match arguments:
        case ["labels", *files] if len(files) <= 1 and not any(f.startswith("-") for f in files):
            from fashiontag.cli import labelsheet

            labelsheet.show(*files)
            return True
    return False


def _need_a_folder() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(
            f"The folder that this runs in can't be entered any more ({error.strerror}); change "
            "to one that is there."
        ) from error


def complain(sentence: str) -> None:
    """Say on standard error what went wrong."""
    from fashiontag.cli.output import inert, mute

    try:
        sys.stderr.write(f"error: {inert(sentence)}\n")
        sys.stderr.flush()
    except OSError:  # nobody listens, and the exit status says it too
        mute(sys.stderr)
