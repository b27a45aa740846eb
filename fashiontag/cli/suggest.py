"""``fashiontag suggest``: which products to label next, as a table and a sheet of pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from PIL import Image

    from fashiontag.datamodels import Item
    from fashiontag.workflows.suggest import Suggestion


def suggest(
    source: options.Source,
    titles: options.Titles = None,
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
        typer.Option(metavar="DIR", help="What this probe is unsure of comes first."),
    ] = None,
    labelled: Annotated[
        str | None, typer.Option(metavar="FILE", help="A LABELS table: its products are done.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The table to fill in.")] = Path(
        "suggest.csv"
    ),
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a sheet of the pictures.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Which audit set.")] = 0,
    path_column: options.PathColumn = None,
    id_column: options.IdColumn = None,
    title_column: options.TitleColumn = None,
    model: options.Model = None,
    workspace: options.Workspace = options.DEFAULT_WORKSPACE,
    device: options.Device = "auto",
    offline: options.Offline = False,
    allow_pickle: options.AllowPickle = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Say which unlabelled products to label next: diverse, typical, and not clear yet."""
    del debug
    from fashiontag.catalog import read_catalog
    from fashiontag.catalog.annotations import read_annotations
    from fashiontag.encoders import resolve
    from fashiontag.heads.artefact import load_probe
    from fashiontag.sinks.suggestions import write_suggestions
    from fashiontag.vectors import VectorStore
    from fashiontag.workflows.suggest import suggest as pick

    catalog = read_catalog(
        source,
        titles,
        path_column=path_column,
        id_column=id_column,
        title_column=title_column,
    )
    for warning in catalog.warnings:
        output.warn(warning)
    options.go_offline(offline)
    encoder = resolve(
        model, device=device, offline=offline, allow_pickle=allow_pickle, announce=output.say
    )
    trained = None
    if probe is not None:
        trained = load_probe(probe)
        trained.manifest.check_encoder(encoder, f"The probe {probe}")
    done: set[str] = set()
    if labelled is not None:
        ids = [item.id for item in catalog.items]
        done = {ids[row] for row in read_annotations(labelled, ids).rows}
    with (
        VectorStore.open(workspace) as store,
        output.progress("Embedding", len(catalog.items), "images") as advance,
    ):
        found = pick(
            catalog,
            encoder,
            store,
            count=count,
            audit=audit,
            probe=trained,
            labelled=done,
            seed=seed,
            progress=advance,
        )
    write_suggestions(
        out, [(one.item.id, one.item.title, one.purpose, _remark(one)) for one in found]
    )
    if html is not None:
        _write_sheet(html, found)
    if as_json:
        output.document(
            {
                "out": str(out),
                "suggestions": [
                    {
                        "id": one.item.id,
                        "title": one.item.title,
                        "purpose": one.purpose,
                        "unclear": None if math.isnan(one.unclear) else round(one.unclear, 4),
                        "guesses": one.guesses,
                    }
                    for one in found
                ],
            }
        )
        return
    learn = sum(one.purpose == "suggested" for one in found)
    output.say(
        f"{learn} products to label and {len(found) - learn} for the audit → {out}: fill its "
        "column tags with group=label|group=label, and give it to `fashiontag probe-train`."
    )


def _remark(one: Suggestion) -> str:
    return f"guess: {', '.join(one.guesses)}" if one.guesses else ""


def _write_sheet(html: Path, found: tuple[Suggestion, ...]) -> None:
    from fashiontag.datamodels import Hit
    from fashiontag.sinks.contactsheet import write_gallery

    hits = [
        Hit(
            rank,
            0.0 if math.isnan(one.unclear) else one.unclear,
            one.item.id,
            one.item.path,
            one.item.title,
            (f"status={one.purpose}", *one.guesses),
        )
        for rank, one in enumerate(found, 1)
    ]
    write_gallery(
        html,
        title="Label these next",
        note="Best first, then the audit set; the figure is how unclear a product is to the probe.",
        hits=hits,
        images=[_picture(one.item) for one in found],
    )


def _picture(item: Item) -> Image.Image | None:
    from fashiontag.catalog import load_image
    from fashiontag.errors import ImageError

    try:
        return load_image(item.image.read(), at_least=288)
    except ImageError:  # gone since it was encoded
        return None
