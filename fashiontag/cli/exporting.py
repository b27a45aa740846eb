"""``fashiontag export``: tags into a copy of the shop's own file, or another tool's data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import TYPE_CHECKING, Annotated

import typer

from fashiontag.cli import options, output
from fashiontag.errors import UsageError

if TYPE_CHECKING:
    from fashiontag.workflows.exporting import ExportSummary


@dataclass(frozen=True)
class Filling:
    """What is written into a shop's own file."""

    add_columns: Annotated[bool, "Add the columns that the file lacks, at its end."] = False
    replace: Annotated[
        list[str] | None,
        "COLUMN",
        "Overwrite what an earlier export wrote there, never what a person wrote.",
    ] = None
    labels: Annotated[
        str | None,
        "NAME|FILE",
        "The label file that says what labels are in taxonomies; default: fashion.",
    ] = None
    taxonomy: Annotated[
        Path | None,
        "FILE",
        "Write ids of this taxonomy only (Shopify's taxonomy.json, Google's "
        "taxonomy-with-ids.txt); with Shopify's, metafields are filled where the category may "
        "have them.",
    ] = None


@options.command
def export(
    tags: Annotated[
        Path | None,
        "[TAGS]",
        "A table of `fashiontag tag`; without one the file comes out as it is.",
    ] = None,
    *,
    format: Annotated[  # noqa: A002
        str,
        typer.Option(
            "--as",
            metavar="FORMAT",
            help="shopify-csv, google-xml, google-tsv, woocommerce-csv; or a data set with its "
            "pictures: label-studio, fiftyone, hf, webdataset.",
        ),
    ],
    into: Annotated[
        Path | None,
        "FILE|DIR",
        "The shop's file, or the folder of `fashiontag import`; default: the imported "
        "catalogue of that format in the workspace.",
    ] = None,
    out: Annotated[
        Path | None,
        "FILE|DIR",
        "The copy or folder; default: NAME-tagged, here.",
    ] = None,
    filling: Filling,
    place: options.Place,
) -> None:
    """Fill tags into a copy of the shop's own file: empty cells only, and `Tags` are added to.

    All else stays, byte for byte. Or write what was tagged as another tool's own data set.
    """
    from fashiontag.sinks.tools import TOOLS

    if format in TOOLS:
        if tags is None or into is not None or filling != Filling():
            raise UsageError(
                f"--as {format} makes a data set and fills no file: it takes TAGS, a table of "
                "`fashiontag tag`, and no --into, --add-columns, --replace, --labels, --taxonomy."
            )
        _export_dataset(format, tags, out, place)
        return
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
    chosen = ExportOptions(
        filling.add_columns,
        tuple(filling.replace or ()),
        place.workspace / MEMORY,
        filling.labels,
        filling.taxonomy,
    )
    summary = export_feed(tags, format, into, out, chosen)
    output.warn(*summary.warnings)
    output.show(summary, lambda: _draw(summary), report=True)


def _export_dataset(format: str, tags: Path, out: Path | None, place: options.Place) -> None:  # noqa: A002
    from fashiontag.workflows.datasets import export_dataset

    summary = export_dataset(place.workspace, tags, format, out)
    output.warn(*summary.warnings)
    output.show(
        summary,
        lambda: output.line(
            f"{summary.products:,} products, {summary.decided:,} decisions of people → "
            f"{summary.out}"
        ),
        report=True,
    )


def _draw(summary: ExportSummary) -> None:
    for name, count in summary.filled.items():
        output.line(f"{name}: filled in {count:,} rows")
    for name, count in summary.kept.items():
        output.line(f"{name}: {count:,} rows keep what is there")
    output.line(f"{summary.into} → {summary.out}")
