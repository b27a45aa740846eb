"""A probe's report → one self-contained page: tables, two plots a group, telling mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fashiontag.sinks.pages import LoadImage, picture_of, write_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from fashiontag.datamodels import Item


def write_probe_report(
    out: Path, report: Mapping[str, Any], items: Iterable[Item], load: LoadImage
) -> None:
    """Write the page.

    Parameters
    ----------
    out : Path
        The HTML file.
    report : mapping
        A `ProbeReport` as plain data, null where a figure is undefined; beside it ``forecast``, a
        `Forecast` or null.
    items : iterable of Item
        Among them mistakes and examples, for their pictures; one that can't be read is left out.
    load : LoadImage
        How a picture is decoded.

    Raises
    ------
    OutputError
        Nothing can be written there.
    """
    examples = (report["forecast"] or {"examples": ()})["examples"]
    shown = dict.fromkeys(one["id"] for one in (*report["mistakes"], *examples))
    pictures = shown | {item.id: picture_of(item, load) for item in items if item.id in shown}
    write_page(out, "probereport.html", report=report, pictures=pictures)
