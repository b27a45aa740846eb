"""The commands and the parser: only the module of the command that was asked for is imported."""

from __future__ import annotations

import keyword
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer

from fashiontag import __version__
from fashiontag.cli import complain, output

if TYPE_CHECKING:
    from collections.abc import Callable


COMMANDS = {
    "import": "Make a catalogue folder of a shop's own file.",
    "tag": "Tag every product picture of a folder, table or data set.",
    "export": "Fill tags into a shop's own file, or make a data set.",
    "search": "Search what was tagged: by words, by picture, or by both.",
    "serve": "Review, correct, teach and search in a browser.",
    "index": "Make the index match a folder, without tagging.",
    "audit": "List what is wrong, from contradictions to bad pictures.",
    "stats": "Count what is there, and say what is missing.",
    "drift": "Say what changed between two runs.",
    "matches": "Say what goes with a product, and why.",
    "push": "Fill a collection of Qdrant with a run on many machines.",
    "duplicates": "Show what is there twice: the same photo, or the same style.",
    "decisions": "Take over what people corrected, list it, take it back.",
    "eval": "Say what is right, wrong and left empty, by your labels.",
    "probe-train": "Learn your own labels from a few labelled products.",
    "probe-eval": "Judge a probe on labelled products that it never saw.",
    "calibrate": "Fit a model to your catalogue, from its titles alone.",
    "split": "Part products for training and testing, without leaks.",
    "suggest": "Say which products to label next.",
    "labels": "Show and check a label file.",
    "store": "Show what the workspace keeps, or drop what nothing uses.",
    "doctor": "Show versions, devices, models and the workspace.",
}
"""What ``fashiontag --help`` says of each; it would cut what is longer than 60 characters."""

_MODULES = {"import": "importing", "export": "exporting"}

COMPLETION = "_FASHIONTAG_COMPLETE"
"""Set by the shell when it asks what could come next; its question is in COMP_WORDS."""


def parse(arguments: list[str]) -> int:
    """Run one command line; what typer refuses becomes a sentence and 2."""
    asked = arguments[0] if arguments else "--help"
    if COMPLETION in os.environ:
        typed = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
        asked = next((word for word in typed.split()[1:] if word in COMMANDS), "")
    try:
        # Ctrl-C comes back as the status 130, without a word.
        status = application(asked)(
            args=arguments or ["--help"], prog_name="fashiontag", standalone_mode=False
        )
    except typer.TyperException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "fashiontag")
        message = error.format_message().strip().replace("Value error, ", "")
        complain(
            f"{message.rstrip('.')}{'' if message.endswith('?') else '.'} See: {command} --help"
        )
        return 2
    return status if isinstance(status, int) else 0


def application(asked: str) -> typer.Typer:
    """Build the parser, whole for the command that was asked for, a line for the others."""
    app = typer.Typer(
        name="fashiontag",
        help="Photos and titles of fashion products in, catalogue tags and a searchable index out.",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # the decorated help takes 0.1 s more, for a Markdown parser
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, line in COMMANDS.items():
        app.command(name, help=None if name == asked else line)(
            function_of(name) if name == asked else _not_asked
        )
    return app


def function_of(name: str) -> Callable[..., Any]:
    """Import the function behind a command: named alike, in the module of its first word."""
    first = name.split("-")[0]
    # "import" is a keyword of the language: its module and function have names of their own
    module = import_module(f"fashiontag.cli.{_MODULES.get(first, first)}")
    function: Callable[..., Any] = getattr(
        module, name.replace("-", "_") + "_" * keyword.iskeyword(name)
    )
    return function


def _not_asked() -> None:
    """Stand for a command in the overview."""


def _version(value: bool) -> None:
    if value:
        output.line(f"fashiontag {__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    del version
