"""``fashiontag labels``: what a label file holds, once it has passed every check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fashiontag.cli import app, options, output
from fashiontag.labels import load_labels, shipped_labels

if TYPE_CHECKING:
    from fashiontag.labels import LabelSpace


@app.command()
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
    space = load_labels(file)
    if as_json:
        output.document({"name": space.name, "hash": space.hash, **space.content()})
        return
    _show(space)
    others = [name for name in shipped_labels() if name != space.name]
    if file is None:
        output.say(f"Also shipped: {', '.join(others)}. See one: fashiontag labels {others[0]}")


def _show(space: LabelSpace) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("group")
    table.add_column("takes")
    table.add_column("labels (in italics: only a title can tell)")
    for group in space.groups:
        names = Text()
        for number, label in enumerate(group.labels):
            names.append(", " if number else "", style="dim")
            seen = group.visible and label.visible
            names.append(label.name, style="" if seen else "italic dim")
        takes = "one" if group.exclusive else "several"
        table.add_row(Text(group.name, style="bold"), f"{takes} of {len(group.labels)}", names)
    output.results.print(table)
    output.results.print(
        f"{space.name}: {space.size} labels in {len(space.groups)} groups, hash {space.hash[:12]}",
        markup=False,
    )
