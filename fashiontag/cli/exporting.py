"""``fashiontag export``: tags into a copy of the shop's own file."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import TYPE_CHECKING, Annotated

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.workflows.exporting import ExportSummary


@options.command
def export(
    tags: Annotated[
        Path | None,
        typer.Argument(
            metavar="[TAGS]",
            help="A table of `fashiontag tag`; without one the file comes out as it is.",
        ),
    ] = None,
    *,
    format: Annotated[  # noqa: A002
        str,
        typer.Option(
            "--as", metavar="FORMAT", help="shopify-csv, google-xml, google-tsv, woocommerce-csv."
        ),
    ],
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="The shop's file, or the folder of `fashiontag import`; default: the imported "
            "catalogue of that format in the workspace.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The copy; default: NAME-tagged, here.")
    ] = None,
    add_columns: Annotated[
        bool, typer.Option("--add-columns", help="Add the columns that the file lacks, at its end.")
    ] = False,
    replace: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Overwrite what an earlier export wrote there, never what a person wrote.",
        ),
    ] = None,
    place: options.Place,
) -> None:
    """Fill tags into a copy of the shop's own file: empty cells only, and `Tags` are added to.

    All else stays, byte for byte.
    """
    from fashiontag.workflows.exporting import (
        MEMORY,
        ExportOptions,
        export_feed,
        imported_into,
    )

    if into is None:
        from fashiontag.workspace import indexed_sources

        roots = [source.root for source in indexed_sources(place.workspace)]
        into = imported_into(roots, format)
    chosen = ExportOptions(add_columns, tuple(replace or ()), place.workspace / MEMORY)
    summary = export_feed(tags, format, into, out, chosen)
    output.warn(*summary.warnings)
    output.show(summary, lambda: _draw(summary), report=True)


def _draw(summary: ExportSummary) -> None:
    for name, count in summary.filled.items():
        output.line(f"{name}: filled in {count:,} rows")
    for name, count in summary.kept.items():
        output.line(f"{name}: {count:,} rows keep what is there")
    output.line(f"{summary.into} → {summary.out}")
