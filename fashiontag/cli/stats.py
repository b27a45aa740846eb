"""``fashiontag stats``: what is there, and what is missing."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (read at run time)
from typing import TYPE_CHECKING, Annotated

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.workflows.stats import Stats

SHOWN = 12
"""Labels of a group, and gaps, on the terminal; --json has all."""


@options.command
def stats(
    *,
    by: Annotated[
        str | None,
        "G1[,G2]",
        "One group or field, or two for a cross-table and its gaps.",
    ] = None,
    where: Annotated[str | None, "EXPR", "Only these products, as for search."] = None,
    labelled: Annotated[
        Path | None,
        "FILE",
        "The document of `eval --json`: shares are corrected by how right tags were.",
    ] = None,
    html: options.HtmlOption = None,
    model: options.Model,
) -> None:
    """Count what was tagged: shares with intervals, cross-tables, gaps."""
    from fashiontag.workflows import stats as workflow

    names = [name.strip() for name in by.split(",")] if by else []
    quality = _quality(labelled) if labelled else None
    with model.open_indexed() as workspace:
        found = workflow.stats(workspace, names, where, quality)
    if html is not None:
        from fashiontag.sinks.pages import write_page

        groups = list(dict.fromkeys(share.group for share in found.shares))
        write_page(html, "stats.html", found=found, groups=groups, where=where or "")
    output.show(found, lambda: _draw(found))


def _quality(path: Path) -> dict[str, tuple[float, float, int]]:
    """Return precision, recall and answers of each label, from what eval printed."""
    import json

    from fashiontag.errors import UsageError

    try:
        labels = json.loads(path.read_text("utf-8"))["labels"]
        found = {}
        for one in labels:
            right, wrong, empty = one["right"], one["wrong"], one["empty"]
            if right:
                tag = f"{one['group']}={one['label'].lower()}"
                rates = right / (right + wrong), right / (right + wrong + empty)
                found[tag] = (*rates, right + wrong + empty)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no document of `fashiontag eval --json` ({error}); make one with it."
        ) from error
    return found


def _draw(found: Stats) -> None:
    from itertools import groupby

    for group, of_group in groupby(found.shares, lambda share: share.group):
        shares = list(of_group)
        rows = (
            (s.label, f"{s.count:,}", f"{s.share:.1%}", f"{s.low:.1%} to {s.high:.1%}")
            for s in shares[:SHOWN]
        )
        output.table(group, ">products", ">share", ">95 % interval", rows=rows)
        if len(shares) > SHOWN:
            output.say(f"{len(shares) - SHOWN} more in --json")
    gaps = (
        (f"{cell.row}, {cell.column}", f"{cell.count:,}", f"{cell.expected:,.0f}")
        for cell in found.gaps[:SHOWN]
    )
    output.table("gap", ">products", ">expected", rows=gaps)
    if found.by and not found.gaps:
        output.sentence("No cell is far below what its row and column lead to expect.")
    output.sentence(f"{found.products:,} products")
