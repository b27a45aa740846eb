"""``fashiontag duplicates``: the same photo twice, a copy of it, one style photographed again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fashiontag.workflows.duplicates import Group

SHOWN = 300
"""Pictures on a contact sheet; whoever has more duplicates wants the list."""


@options.command
def duplicates(
    *,
    min_score: Annotated[
        float | None,
        "SCORE",
        "Lowest cosine of two pictures of one style, 0.995 if not given.",
    ] = None,
    photos_only: Annotated[bool, "Only pictures with the very same bytes."] = False,
    paths: Annotated[
        bool,
        "Print the paths of all but each group's first, for pipes.",
    ] = False,
    html: options.HtmlOption = None,
    model: options.Model,
) -> None:
    """Show what is indexed twice: the same photo, copies of it, the same style by its looks.

    A copy may be mirrored, resized, or have a little cut off.
    """
    from fashiontag.errors import UsageError
    from fashiontag.workflows.duplicates import SAME_STYLE, find_duplicates

    if photos_only and min_score is not None:
        raise UsageError("--min-score is about styles, which --photos-only leaves out; give one.")
    if paths and output.wants_json():
        raise UsageError("--paths and --json were both given; give the one that is wanted.")
    least = SAME_STYLE if min_score is None else min_score
    with model.open_indexed() as workspace:
        found = find_duplicates(workspace, min_score=2.0 if photos_only else least)
    groups = found.groups
    if found.unread:
        output.warn(
            f"{found.unread:,} pictures couldn't be opened again to look for mirrored and cropped "
            "copies."
        )
    if html is not None:
        _write_sheet(html, groups)
    output.show([_facts(group) for group in groups], lambda: _draw(groups, paths=paths))


def _draw(groups: Sequence[Group], *, paths: bool) -> None:
    if paths:
        for group in groups:
            for item in group.items[1:]:
                output.line(item.path)
    elif groups:
        rows = (
            (
                *((str(number), group.kind) if at == 0 else ("", "")),
                f"{score:.2f}",
                item.id,
                item.title,
            )
            for number, group in enumerate(groups, start=1)
            for at, (item, score) in enumerate(zip(group.items, group.scores, strict=True))
        )
        output.table("", "same", "score", "picture", "title", rows=rows)
    counts = Counter(group.kind for group in groups)
    output.say(
        f"{counts['photo']:,} photos and {counts['style']:,} styles are there more than once, "
        f"{counts['copy']:,} photos mirrored, cropped or resized"
    )


def _write_sheet(html: Path, groups: Sequence[Group]) -> None:
    from fashiontag.datamodels import Hit

    hits = [
        Hit(number, score, item.id, item.path, item.title, (f"same={group.kind}", *item.tags))
        for number, group in enumerate(groups, start=1)
        for item, score in zip(group.items, group.scores, strict=True)
    ]
    note = f"{len(groups):,} groups; the number on a card is its group's."
    if len(hits) > SHOWN:
        note += f" The first {SHOWN} of {len(hits):,} pictures are here."
    output.gallery(html, title="Duplicates", note=note, hits=hits[:SHOWN])
    output.say(f"{len(hits[:SHOWN])} pictures → {html}")


def _facts(group: Group) -> dict[str, object]:
    return {
        "same": group.kind,
        "items": [
            {"id": item.id, "path": item.path, "title": item.title, "score": score}
            for item, score in zip(group.items, group.scores, strict=True)
        ],
    }
