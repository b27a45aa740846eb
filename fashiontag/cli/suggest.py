"""``fashiontag suggest``: which products to label next, as a table and a sheet of pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.workflows.suggest import Suggestion


@options.command
def suggest(
    source: options.SourceArgument,
    *,
    count: Annotated[
        int, typer.Option("-n", "--count", min=1, metavar="N", help="Products to learn from.")
    ] = 50,
    audit: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="More products, drawn at random, to measure on; a promise wants 200 to 300.",
        ),
    ] = 0,
    probe: Annotated[
        Path | None,
        "DIR",
        "What this probe is unsure of comes first.",
    ] = None,
    labelled: Annotated[str | None, "FILE", "A LABELS table: its products are done."] = None,
    out: Annotated[Path, "FILE", "The table to fill in."] = Path("suggest.csv"),
    html: options.HtmlOption = None,
    overwrite: Annotated[bool, "Write over a table that was filled in."] = False,
    seed: Annotated[int, "N", "Which audit set."] = 0,
    session: options.Session,
) -> None:
    """Say which unlabelled products to label next: diverse, typical, and not clear yet."""
    from fashiontag.catalog.annotations import read_annotations
    from fashiontag.heads.artefact import load_probe
    from fashiontag.sinks.tables import write_suggestions
    from fashiontag.workflows import suggest as workflow
    from fashiontag.workspace.written import Written

    catalog = session.read(source)
    rows = () if labelled is None else read_annotations(labelled, catalog.names).rows
    done = {catalog.items[row].id for row in rows}
    with session.work("Embedding", catalog) as (workspace, settings):
        written = Written(workspace.path, out)
        if not overwrite:
            written.refuse_if_touched()
        found = workflow.suggest(
            workspace,
            catalog,
            count=count,
            audit=audit,
            probe=load_probe(probe, workspace.encoder) if probe else None,
            labelled=done,
            seed=seed,
            options=settings,
        )
    write_suggestions(
        out,
        map(_row, found),
        written.mark,
    )
    if html is not None:
        _write_sheet(html, found)
    learn = sum(suggestion.purpose == "suggested" for suggestion in found)
    output.show(
        {"out": out, "suggestions": [_facts(suggestion) for suggestion in found]},
        lambda: output.say(
            f"{learn} products to label and {len(found) - learn} for the audit → {out}: fill its "
            "column tags with group=label|group=label, and give it to `fashiontag probe-train`."
        ),
        report=True,
    )


def _row(suggestion: Suggestion) -> tuple[str, str, str, str]:
    item, guess = suggestion.item, ", ".join(suggestion.guesses)
    return item.id, item.title, suggestion.purpose, f"guess: {guess}" if guess else ""


def _facts(suggestion: Suggestion) -> dict[str, object]:
    return {
        "id": suggestion.item.id,
        "title": suggestion.item.title,
        "purpose": suggestion.purpose,
        "unclear": suggestion.unclear,
        "guesses": suggestion.guesses,
    }


def _write_sheet(html: Path, found: tuple[Suggestion, ...]) -> None:
    from fashiontag.datamodels import Hit

    hits = [
        Hit(
            rank,
            suggestion.unclear,
            suggestion.item.id,
            suggestion.item.path,
            suggestion.item.title,
            (f"status={suggestion.purpose}", *suggestion.guesses),
        )
        for rank, suggestion in enumerate(found, 1)
    ]
    output.gallery(
        html,
        title="Label these next",
        note="Best first, then the audit set."
        if math.isnan(found[0].unclear)
        else "Best first, then the audit set; the figure is how unclear a product is to the probe.",
        hits=hits,
        items=[suggestion.item for suggestion in found],
    )
