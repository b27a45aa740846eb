"""``fashiontag drift``: what changed between two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.workflows.drift import Drift

SHOWN = 20
"""Labels on the terminal; --json has all."""


@options.command
def drift(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A table of tags.")],
    new: Annotated[
        str | None,
        typer.Argument(metavar="[NEW]", help="A later one; default: what the workspace holds now."),
    ] = None,
    *,
    model: options.Model,
) -> None:
    """Compare two runs: each label's share and its change, new styles, and whether tags still hold.

    Pictures of new styles, and what people decided, are known from the workspace, if there is one.
    """
    from fashiontag.errors import CatalogError
    from fashiontag.workflows import drift as workflow

    try:
        workspace = model.open_indexed()
    except CatalogError:
        if new is None:
            raise
        output.show(found := workflow.drift(old, new), lambda: _draw(found))
        return
    with workspace:
        found = workflow.drift(old, new, workspace)
    output.show(found, lambda: _draw(found))


def _draw(found: Drift) -> None:
    from rich.text import Text

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
    for style in found.styles:
        words = " ".join(style.words) or "no word in common"
        said = f"new style  {len(style.ids):,} products ({words}), such as {style.ids[0]}"
        output.results.print(Text(said), soft_wrap=True)
    output.results.print(
        f"{len(drifting):,} of {len(found.changes):,} labels drift; {found.old:,} products, "
        f"then {found.new:,}. {found.promise}",
        markup=False,
        soft_wrap=True,
    )
