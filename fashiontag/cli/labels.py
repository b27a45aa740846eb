"""``fashiontag labels``: what a label file holds, once it has passed every check."""

from __future__ import annotations

from typing import Annotated

import typer

from fashiontag.cli import labelsheet, options, output
from fashiontag.labels import load_labels


def labels(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FILE]", help="A shipped label file's name, or a path."),
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show and check a label file: its groups, labels and rules."""
    del debug
    if not as_json:
        labelsheet.show(file)
        return
    space = load_labels(file)
    output.document({"name": space.name, "hash": space.hash, **space.content()})
