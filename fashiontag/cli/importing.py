"""``fashiontag import``: a shop's own file in, a catalogue folder out."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import TYPE_CHECKING, Annotated

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.workflows.importing import ImportSummary


@options.command
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A feed (.gz too): Shopify CSV or products.json, Google XML or TSV, WooCommerce "
            "CSV; or a folder of saved product pages.",
        ),
    ],
    *,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Pictures, named as in their addresses, or by SKU or id (SKU.jpg, SKU_2.jpg).",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The catalogue folder; default: the source's stem."),
    ] = None,
    format: Annotated[  # noqa: A002
        str | None, typer.Option(metavar="NAME", help="The feed's format; default: found out.")
    ] = None,
    no_download: Annotated[
        bool,
        typer.Option("--no-download", help="Fetch nothing; pictures that aren't here are missing."),
    ] = False,
) -> None:
    """Make a catalogue folder of a shop's own file: a line a photo, on its product and variant.

    Nothing is downloaded so far. `fashiontag tag DIR` reads the folder, `fashiontag export` fills
    the tags into a copy of the file.
    """
    from fashiontag.workflows.importing import import_feed

    summary = import_feed(source, images=images, out=out, format=format)
    output.warn(*summary.warnings)
    missing = summary.counts["missing"]
    if missing and not no_download:
        output.warn(
            f"{missing:,} of {summary.counts['photos']:,} photos aren't here and downloading isn't "
            "there yet: give their folder with --images DIR, or --no-download to leave them out."
        )
    output.show(summary, lambda: _draw(summary), report=True)


def _draw(summary: ImportSummary) -> None:
    counts = summary.counts
    reported = f" ({counts['reported']:,} reported)" if counts["reported"] else ""
    output.line(
        f"{summary.format}: {counts['rows']:,} rows{reported}, {counts['products']:,} products, "
        f"{counts['variants']:,} variants, {counts['photos']:,} photos, {counts['missing']:,} "
        f"missing, in {summary.seconds:.1f} s → {summary.out}"
    )
