"""The command line: parse, call one workflow, show its result.

This module stays light: torch, pandas and the workflows are imported inside commands, so that
``fashiontag --help`` answers at once.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from fashiontag import __version__
from fashiontag.cli import output
from fashiontag.errors import FashiontagError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130

app = typer.Typer(
    name="fashiontag",
    help="Photos and titles of fashion products in, catalogue tags and a searchable index out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"fashiontag {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    del version


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong command line, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    output.notice_interrupts()
    sys.exit(run([one for one in given if one != "--debug"], debug=debug))


def run(arguments: list[str], *, debug: bool) -> int:
    """Turn every outcome into an exit status, and every expected error into one sentence."""
    try:
        status = app(args=arguments, prog_name="fashiontag", standalone_mode=False)
    except typer.TyperException as error:
        message = error.format_message().strip()
        if message:  # none where the help was shown because nothing was typed
            asked = getattr(getattr(error, "ctx", None), "command_path", "fashiontag")
            _complain(f"{message.rstrip('.')}. See: {asked} --help")
        return 2
    except FashiontagError as error:
        if debug:
            raise
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough, as `head` does.
        sys.stderr.close()
        return 1
    except Exception as error:
        if debug:
            raise
        _complain(
            f"unexpected {type(error).__name__}: {error}; this is a bug in fashiontag, and the "
            "same command with --debug shows where."
        )
        return 1
    if status == INTERRUPTED:  # typer turns Ctrl-C into this status, without a word
        _complain("interrupted; what was done is kept, and the same command goes on from there.")
    return status if isinstance(status, int) else 0


def _complain(sentence: str) -> None:
    sys.stderr.write(f"error: {sentence}\n")


# They register their commands.
from fashiontag.cli import doctor, duplicates, index, labels, probe, search, store, suggest, tag  # noqa: E402, F401  # noqa: E402, F401
