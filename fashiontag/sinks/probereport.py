"""A probe's report → one self-contained page: plain words, telling mistakes, then statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fashiontag.sinks.pages import LoadImage, picture_of, write_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from fashiontag.datamodels import Item

SHOWN = 24
"""Mistakes that are shown as pictures, those of labels with the most wrong answers first."""


def write_probe_report(
    out: Path, report: Mapping[str, Any], items: Iterable[Item], load: LoadImage
) -> None:
    """Write the page.

    Parameters
    ----------
    out : Path
        The HTML file.
    report : mapping
        A `ProbeReport` as plain data, null where a figure is undefined; beside it ``verdict``, a
        `Verdict`, and ``forecast``, a `Forecast` or null.
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
    labels = sorted(report["verdict"]["labels"], key=lambda one: -one["wrong"])
    mistakes = [
        one | {"group": label["group"]}
        for label in labels
        for one in label["examples"]
        if one["said"]
    ][:SHOWN]
    shown = dict.fromkeys(one["id"] for one in (*mistakes, *examples))
    found = [item for item in items if item.id in shown]
    write_page(
        out,
        "probereport.html",
        report=report,
        mistakes=mistakes,
        titles=shown | {item.id: item.title for item in found},
        pictures=shown | {item.id: picture_of(item, load) for item in found},
    )
