"""``fashiontag import``: a shop's own file or address in, a catalogue folder out."""

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
        "SOURCE",
        "A feed (.gz too): Shopify CSV or products.json, Google XML or TSV, WooCommerce "
        "CSV; a folder of saved product pages; or the address of a feed or a shop.",
    ],
    *,
    images: Annotated[
        str | None,
        "DIR",
        "Pictures, named as in their addresses, or by SKU or id (SKU.jpg, SKU_2.jpg).",
    ] = None,
    out: Annotated[
        Path | None,
        "DIR",
        "The catalogue folder; default: the source's stem.",
    ] = None,
    format: Annotated[  # noqa: A002
        str | None, "NAME", "The feed's format; default: found out."
    ] = None,
    no_download: Annotated[
        bool,
        "Fetch no picture; those that aren't here are missing.",
    ] = False,
    allow_private: Annotated[
        bool,
        "Addresses inside this network may be asked too.",
    ] = False,
    delay: Annotated[
        float,
        typer.Option(min=0.0, metavar="SECONDS", help="Between two requests to one host."),
    ] = 0.5,
    max_pages: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="The most pages of a shop that has no feed."),
    ] = 50_000,
) -> None:
    """Make a catalogue folder of a shop's own file: a line a photo, on its product and variant.

    Pictures are taken from --images, else downloaded to a folder beside it; a run that is stopped
    goes on where it was. `fashiontag tag DIR` reads the folder, `fashiontag export` fills the tags
    into a copy of the file.
    """
    from fashiontag.catalog.web import Web
    from fashiontag.workflows.importing import Fetching, import_feed

    web = Web(delay=delay, allow_private=allow_private)
    fetching = Fetching(web, not no_download, max_pages, output.progress)
    summary = import_feed(source, images=images, out=out, format=format, fetching=fetching)
    output.warn(*summary.warnings)
    output.show(summary, lambda: _draw(summary), report=True)


def _draw(summary: ImportSummary) -> None:
    from fashiontag.catalog.titles import first_few

    counts = summary.counts
    reported = f" ({counts['reported']:,} reported)" if counts["reported"] else ""
    output.line(
        f"{summary.format}: {counts['rows']:,} rows{reported}, {counts['products']:,} products, "
        f"{counts['variants']:,} variants, {counts['photos']:,} photos, {counts['missing']:,} "
        f"missing, in {summary.seconds:.1f} s → {summary.out}"
    )
    if count := len(summary.proposed):
        output.line(
            f"{count:,} group{'s' * (count > 1)} of products that may be one in several colours or "
            f"sizes ({first_few(summary.proposed[0])}), none joined: see proposed_products in "
            f"{summary.out / 'import.json'}."
        )
