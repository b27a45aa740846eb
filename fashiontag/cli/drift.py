"""``fashiontag drift``: what changed between two runs."""

from __future__ import annotations

from typing import Annotated

from fashiontag.cli import options, output

SHOWN = 20
"""Labels on the terminal; --json has all."""


@options.command
def drift(
    old: Annotated[str, "OLD", "A table of tags."],
    new: Annotated[str, "NEW", "A later one."],
) -> None:
    """Compare two tables of tags: each label's share, its change, and whether that is chance."""
    from fashiontag.workflows import drift as workflow

    found = workflow.drift(old, new)

    def draw() -> None:
        drifting = [change for change in found.changes if change.drifts]
        rows = (
            (
                *(f"{one.group}={one.label}", f"{one.old:.1%}", f"{one.new:.1%}"),
                *(f"{one.change:+.1%}", f"{one.low:+.1%} to {one.high:+.1%}"),
            )
            for one in drifting[:SHOWN]
        )
        output.table("label", ">old", ">new", ">change", ">95 % interval", rows=rows)
        output.sentence(
            f"{len(drifting):,} of {len(found.changes):,} labels drift; {found.old:,} products, "
            f"then {found.new:,}. {found.note}"
        )

    output.show(found, draw)
