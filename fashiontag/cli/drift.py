"""``fashiontag drift``: what changed between two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.workflows.drift import Drift

SHOWN = 20
"""Labels on the terminal; --json has all."""


@options.command
def drift(
    old: Annotated[str, "OLD", "A table of tags."],
    new: Annotated[
        str | None, "[NEW]", "A later one; default: what the workspace holds now."
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
        found = workflow.drift(old, new)
    else:
        with workspace:
            found = workflow.drift(old, new, workspace)
    output.show(found, lambda: _draw(found))


def _draw(found: Drift) -> None:
    drifting = [change for change in found.changes if change.drifts]
    rows = (
        (
            *(f"{one.group}={one.label}", f"{one.old:.1%}", f"{one.new:.1%}"),
            *(f"{one.change:+.1%}", f"{one.low:+.1%} to {one.high:+.1%}"),
        )
        for one in drifting[:SHOWN]
    )
    output.table("label", ">old", ">new", ">change", ">95 % interval", rows=rows)
    for style in found.styles:
        words = " ".join(style.words) or "no word in common"
        output.sentence(f"new style  {len(style.ids):,} products ({words}), such as {style.ids[0]}")
    output.sentence(
        f"{len(drifting):,} of {len(found.changes):,} labels drift; {found.old:,} products, "
        f"then {found.new:,}. {found.promise}"
    )
