"""``fashiontag matches``: what goes with a product, and by which rule."""

from __future__ import annotations

from typing import Annotated

import typer

from fashiontag.cli import options, output


@options.command
def matches(
    key: Annotated[str, "ID", "A product that was tagged."],
    *,
    k: Annotated[int, typer.Option("-k", min=1, metavar="N", help="The most hits.")] = 10,
    html: options.HtmlOption = None,
    model: options.Model,
) -> None:
    """Show what goes with a product: other things for the same people, in colours that agree.

    The rules are fixed and said with every hit; nothing of it is learned.
    """
    from fashiontag.datamodels import Hit
    from fashiontag.workflows import matches as workflow

    with model.open_indexed() as workspace:
        found = workflow.matches(workspace, key, k)
    if html is not None:
        hits = [
            Hit(m.rank, m.score, m.id, m.path, m.title, tuple(m.why.split("; "))) for m in found
        ]
        output.gallery(html, title=f"Goes with {key}", note="By fixed rules.", hits=hits)

    def draw() -> None:
        rows = ((str(m.rank), f"{m.score:.2f}", m.id, m.title, m.why) for m in found)
        output.table(">", ">score", "picture", "title", "why", rows=rows)
        if not found:
            output.sentence("Nothing goes with it by these rules.")

    output.show(found, draw)
