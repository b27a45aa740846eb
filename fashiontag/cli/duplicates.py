"""``fashiontag duplicates``: the same photo twice, one style photographed again."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fashiontag.workflows.duplicates import Group

SHOWN = 300
"""Pictures on a contact sheet; whoever has more duplicates wants the list."""


def duplicates(
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="SCORE", help="Lowest cosine of two pictures of one style, 0.995 if not given."
        ),
    ] = None,
    photos_only: Annotated[
        bool, typer.Option("--photos-only", help="Only pictures with the very same bytes.")
    ] = False,
    paths: Annotated[
        bool,
        typer.Option("--paths", help="Print the paths of all but each group's first, for pipes."),
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a contact sheet to look at.")
    ] = None,
    model: options.Model = None,
    workspace: options.Workspace = options.DEFAULT_WORKSPACE,
    offline: options.Offline = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show what is indexed twice: the same photo by its bytes, the same style by its looks."""
    del debug
    from fashiontag.encoders import resolve
    from fashiontag.workflows.duplicates import SAME_STYLE, find_duplicates
    from fashiontag.workflows.search import indexed_model

    options.go_offline(offline)
    encoder = resolve(
        model or indexed_model(workspace), offline=offline, allow_pickle=True, announce=output.say
    )
    least = SAME_STYLE if min_score is None else min_score
    groups = find_duplicates(workspace, encoder, min_score=2.0 if photos_only else least)
    if html is not None:
        _write_sheet(html, groups)
    if as_json:
        output.document([_as_document(group) for group in groups])
        return
    if paths:
        for group in groups:
            for item in group.items[1:]:
                output.line(item.path)
    elif groups:
        _show(groups)
    counts = {kind: sum(group.kind == kind for group in groups) for kind in ("photo", "style")}
    output.say(
        f"{counts['photo']:,} photos and {counts['style']:,} styles are there more than once"
    )


def _show(groups: Sequence[Group]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("", "same", "score", "picture", "title"):
        table.add_column(column, overflow="fold")
    for number, group in enumerate(groups, start=1):
        for at, (item, score) in enumerate(zip(group.items, group.scores, strict=True)):
            head = (str(number), group.kind) if at == 0 else ("", "")
            table.add_row(*head, f"{score:.2f}", Text(item.id), Text(item.title))
    output.results.print(table)


def _write_sheet(html: Path, groups: Sequence[Group]) -> None:
    from fashiontag.catalog import load_image
    from fashiontag.datamodels import Hit
    from fashiontag.sinks.contactsheet import write_gallery
    from fashiontag.sinks.pages import picture_of

    hits = [
        Hit(number, score, item.id, item.path, item.title, (f"same={group.kind}", *item.tags))
        for number, group in enumerate(groups, start=1)
        for item, score in zip(group.items, group.scores, strict=True)
    ]
    note = f"{len(groups):,} groups; the number on a card is its group's."
    if len(hits) > SHOWN:
        note += f" The first {SHOWN} of {len(hits):,} pictures are here."
    shown = hits[:SHOWN]
    pictures = (picture_of(hit, load_image) for hit in shown)
    write_gallery(html, title="Duplicates", note=note, hits=shown, images=pictures)
    output.say(f"{len(shown)} pictures → {html}")


def _as_document(group: Group) -> dict[str, object]:
    return {
        "same": group.kind,
        "items": [
            {"id": item.id, "path": item.path, "title": item.title, "score": round(score, 4)}
            for item, score in zip(group.items, group.scores, strict=True)
        ],
    }
