"""``fashiontag labels``: what a label file holds, once it has passed every check."""

from __future__ import annotations

from typing import Annotated

import typer

from fashiontag.cli import labelsheet, options, output
from fashiontag.labels import load_labels


@options.command
def labels(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FILE]", help="A shipped label file's name, or a path."),
    ] = None,
) -> None:
    """Show and check a label file: its groups, labels and rules."""
    space = load_labels(file)
    warnings = labelsheet.warned(space, file)
    facts = {"name": space.name, "hash": space.hash, "warnings": warnings, **space.content()}
    output.show(facts, lambda: labelsheet.draw(space, file))
