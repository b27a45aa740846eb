"""``fashiontag split``: train, validation and test tables without leaks."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (read at run time)
from typing import TYPE_CHECKING, Annotated, Literal

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.workflows.splitting import SplitSummary


@options.command
def split(
    source: Annotated[str, "SOURCE", "As for `fashiontag tag`."],
    *,
    keep: Annotated[
        Literal["family"],
        "What stays together: products with the same picture or one style.",
    ] = "family",
    out: Annotated[Path, "DIR", "A new folder for the three tables."],
    parts: Annotated[str, "A,B,C", "The shares of train, validation and test."] = ".8,.1,.1",
    seed: Annotated[int, "Another one draws other families."] = 0,
    columns: options.Columns,
) -> None:
    """Write train.csv, validation.csv and test.csv, for people who train their own.

    What would give an answer away (the same picture, another colour of one style, another photo of
    one product) is never in two of them.
    """
    from fashiontag.errors import UsageError
    from fashiontag.workflows.splitting import split_source

    del keep  # there is one way so far
    try:
        shares = [float(share) for share in parts.split(",")]
    except ValueError as error:
        raise UsageError(
            f"--parts {parts}: give three numbers that add up to 1, as in .8,.1,.1."
        ) from error
    catalog = columns.read(source)
    with output.progress("Reading", len(catalog.items)) as advance:
        summary = split_source(catalog, out, shares, seed, advance)
    output.warn(*summary.warnings)
    output.show(summary, lambda: _draw(summary), report=True)


def _draw(summary: SplitSummary) -> None:
    total = sum(summary.products.values())
    for name, count in summary.products.items():
        output.line(
            f"{name}: {count:,} products ({count / total:.1%}) of {summary.families[name]:,} "
            "families"
        )
    output.line(f"largest family: {summary.largest:,} products → {summary.out}")
