"""``fashiontag drift``: what changed between two runs."""

from __future__ import annotations

from typing import Annotated

import typer

from fashiontag.cli import options, output

SHOWN = 20
"""Labels on the terminal; --json has all."""


@options.command
def drift(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A table of tags.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="A later one.")],
) -> None:
    """Compare two tables of tags: each label's share, its change, and whether that is chance."""
    from rich.text import Text

    from fashiontag.workflows import drift as workflow

    found = workflow.drift(old, new)

    def draw() -> None:
        table = output.table("label", ">old", ">new", ">change", ">95 % interval")
        drifting = [change for change in found.changes if change.drifts]
        for one in drifting[:SHOWN]:
            interval = f"{one.low:+.1%} to {one.high:+.1%}"
            table.add_row(
                Text(f"{one.group}={one.label}"),
                *(f"{one.old:.1%}", f"{one.new:.1%}", f"{one.change:+.1%}", interval),
            )
        if drifting:
            output.results.print(table)
        output.results.print(
            f"{len(drifting):,} of {len(found.changes):,} labels drift; {found.old:,} products, "
            f"then {found.new:,}. {found.note}",
            markup=False,
            soft_wrap=True,
        )

    output.show(found, draw)
