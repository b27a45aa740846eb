"""Write ``docs/commands.md``: every command with its options, as the program declares them.

``python docs/make_commands.py``; a test holds the page to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from fashiontag.cli.commands import COMMANDS, application

PAGE = Path(__file__).with_name("commands.md")


def page() -> str:
    """Return the page's text."""
    parts = [
        "# Commands",
        "Made from the program by `python docs/make_commands.py`; `fashiontag COMMAND --help` says"
        " the same. Exit 0: done, findings and error rows included; 2: the command line is wrong;"
        " 1: anything else; 130: interrupted.",
        "| command | |\n|---|---|\n"
        + "\n".join(f"| [`{name}`](#{name}) | {line} |" for name, line in COMMANDS.items()),
    ]
    for name in COMMANDS:
        command: Any = typer.main.get_command(application(name)).commands[name]  # type: ignore[attr-defined]
        given = [p for p in command.params if p.param_type_name == "argument"]
        options = [
            p
            for p in command.params
            if p.param_type_name == "option" and not p.hidden and p.name != "help"
        ]
        usage = " ".join(["fashiontag", name, *map(_argument, given)])
        parts += [f"## {name}", _words(command.help), f"`{usage} [OPTIONS]`"]
        rows = [f"| {_names(p)} | {_words(p.help)}{_default(p)} |" for p in options]
        parts.append("| option | |\n|---|---|\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _names(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if getattr(option, "is_flag", False):
        return names
    numbers = {int: "N", float: "X"}
    kind = option.metavar or numbers.get(option.type_descriptor.annotation, "TEXT")
    return f"{names} `{kind}`".replace("|", "\\|")


def _words(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _default(option: Any) -> str:
    plain = isinstance(option.default, str | int | float) and not isinstance(option.default, bool)
    return f" (default: `{option.default}`)" if plain else ""


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
