"""A probe's report → one self-contained page: tables, two plots a group, telling mistakes."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any

from fashiontag.sinks.contactsheet import page_head, thumbnail
from fashiontag.sinks.partfile import PartFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from PIL import Image

_SIDE = 150  # pixels of a plot

_STYLE = """
main.report { padding: 20px clamp(16px, 2.4vw, 36px) 48px; max-width: 1200px; }
.report h2 { margin: 30px 0 8px; font-size: 17px; font-weight: 600; }
.report table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.report th, .report td { padding: 4px 10px 4px 0; text-align: right; white-space: nowrap; }
.report th { color: var(--soft); font-weight: 500; font-size: 12.5px; }
.report td { border-top: 1px solid var(--line); }
.report th:first-child, .report td:first-child { text-align: left; white-space: normal; }
.report tr.group td { font-weight: 600; background: var(--fill); }
.report .scroll { overflow-x: auto; }
.plots { display: flex; flex-wrap: wrap; gap: 18px 26px; }
.plots figure { margin: 0; }
.plots figcaption { font-size: 12.5px; color: var(--soft); }
.plots path, .plots rect { fill: none; stroke: var(--line); }
.plots .told { stroke: var(--accent); stroke-width: 1.8; }
.plots circle { fill: var(--accent); }
.mistakes { display: grid; gap: 14px; }
.mistakes { grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); }
.mistakes li { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.mistakes .pic { border-radius: 10px 10px 0 0; }
.mistakes p { padding: 4px 10px; overflow-wrap: anywhere; }
.mistakes .said { color: var(--bad); }
.soft { color: var(--soft); }
"""


def write_probe_report(
    out: Path, report: Mapping[str, Any], pictures: Mapping[str, Image.Image]
) -> None:
    """Write the page.

    Parameters
    ----------
    out : Path
        The HTML file.
    report : mapping
        A `ProbeReport` as plain data, null where a figure is undefined.
    pictures : mapping of str to Image
        Of the mistakes, by id; one that isn't there is left out.

    Raises
    ------
    OutputError
        Nothing can be written there.
    """
    part = PartFile(out)
    try:
        with part.errors():
            part.file.write(_page(report, pictures).encode("utf-8", "backslashreplace"))
        part.commit()
    finally:
        part.discard()


def _page(report: Mapping[str, Any], pictures: Mapping[str, Image.Image]) -> str:
    facts = (
        f"{report['products']:,} {html.escape(report['basis'])}, {report['families']:,} families"
    )
    overall = (
        f"macro average precision {_figure(report['macro_ap'])} (mean of groups), micro "
        f"{_figure(report['micro_ap'])}, label ranking {_figure(report['lrap'])}, precision of the "
        f"three best {_figure(report['precision_at_3'])}"
    )
    return (
        f"{page_head('fashiontag: probe', style=_STYLE)}"
        f'<header class="top"><div><h1>How good the probe is</h1><p class="facts">{facts}</p>'
        f'<p class="facts">{overall}</p></div></header>\n<main class="report">'
        f"<h2>Groups</h2>{_groups(report['groups'])}"
        f"<h2>Can its probabilities be believed?</h2>{_plots(report['groups'])}"
        f"<h2>Sure, and wrong by the annotation</h2>{_mistakes(report['mistakes'], pictures)}"
        f"<h2>Labels</h2>{_labels(report)}</main>\n</body>\n</html>\n"
    )


def _groups(groups: Sequence[Mapping[str, Any]]) -> str:
    head = (
        "group",
        "products",
        "AP by picture",
        "AP by title",
        "AP by both",
        "F1",
        "top-1",
        "decided at 95 %",
        "calibration error",
        "Brier",
        "Brier of rates",
        "published",
        "of it right",
    )
    figures = ("image", "title", "fused", "macro_f1", "top1", "coverage", "calibration", "brier")
    more = ("brier_base", "published", "precision")
    rows = [
        [
            html.escape(one["group"]),
            f"{one['products']:,}",
            *(_figure(one[name]) for name in figures + more),
        ]
        for one in groups
    ]
    return _table(head, rows)


def _labels(report: Mapping[str, Any]) -> str:
    head = (
        "label",
        "support",
        "AP by picture",
        "AP by title",
        "AP by both",
        "F1",
        "given from",
        "published from",
        "published",
        "of it right",
    )
    rows = []
    for one in report["labels"]:
        share = one["right"] / one["published"] if one["published"] else None
        promise = "can't be promised" if one["promise"] is None else _figure(one["promise"])
        rows.append(
            [
                html.escape(f"{one['group']}={one['label']}"),
                f"{one['support']:,}",
                *(_figure(one[name]) for name in ("image", "title", "fused", "f1", "threshold")),
                promise,
                f"{one['published']:,}",
                _figure(share),
            ]
        )
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{name}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>" for cells in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _plots(groups: Sequence[Mapping[str, Any]]) -> str:
    figures = []
    for one in groups:
        name = html.escape(one["group"])
        dots = "".join(
            f'<circle cx="{_SIDE * said:.1f}" cy="{_SIDE * (1 - right):.1f}" r="2.6"/>'
            for said, right in one["reliability"]
        )
        steps = " ".join(
            f"{'L' if place else 'M'}{_SIDE * covered:.1f} {_SIDE * (1 - right):.1f}"
            for place, (covered, right) in enumerate(one["tradeoff"])
        )
        ideal = f'<path d="M0 {_SIDE}L{_SIDE} 0"/>'
        figures.append(_plot(f"{name}: share right by probability", ideal + dots))
        told = f'<path class="told" d="{steps}"/>' if steps else ""
        figures.append(_plot(f"{name}: precision by coverage", told))
    return f'<div class="plots">{"".join(figures)}</div>'


def _plot(caption: str, inside: str) -> str:
    return (
        f'<figure><svg width="{_SIDE + 8}" height="{_SIDE + 8}" viewBox="-4 -4 {_SIDE + 8} '
        f'{_SIDE + 8}" role="img" aria-label="{caption}"><rect width="{_SIDE}" '
        f'height="{_SIDE}"/>{inside}</svg><figcaption>{caption}</figcaption></figure>'
    )


def _mistakes(mistakes: Sequence[Mapping[str, Any]], pictures: Mapping[str, Image.Image]) -> str:
    if not mistakes:
        return '<p class="soft">There is none.</p>'
    cards = []
    for one in mistakes:
        picture = "no picture here"
        if one["id"] in pictures:
            data = base64.b64encode(thumbnail(pictures[one["id"]])).decode()
            picture = f'<img alt="" src="data:image/jpeg;base64,{data}">'
        cards.append(
            f'<li><div class="pic">{picture}</div><p class="said">{html.escape(one["group"])}: '
            f"{html.escape(one['said'])} {_figure(one['probability'])}</p>"
            f"<p>annotated {html.escape(one['annotated'])}</p>"
            f'<p class="soft">{html.escape(one["title"] or one["id"])}</p></li>'
        )
    return f'<ol class="mistakes">{"".join(cards)}</ol>'


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
