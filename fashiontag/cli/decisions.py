"""``fashiontag decisions``: what people decided, brought in, listed, taken back."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (read at run time)
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fashiontag.workspace.decisions import Event

SHOWN = 20
"""Decisions that are drawn after an import or an undo; the list has all."""


@options.command
def decisions(
    action: Annotated[
        Literal["import", "list", "undo"],
        "import|list|undo",
        "Take over what was corrected in a table; list what holds; take the last import back.",
    ],
    table: Annotated[
        Path | None,
        "[FILE]",
        "For import: a table that `tag` wrote (.csv .tsv .jsonl .parquet) and somebody "
        "corrected, or saved as .xlsx (a cleared cell means: none of these); a JSON export of "
        "Label Studio; a folder that FiftyOne exported.",
    ] = None,
    *,
    of: Annotated[
        Path | None,
        "TABLE",
        "What FILE is a corrected copy of, if that can't be told.",
    ] = None,
    new_labels: Annotated[
        bool,
        "Keep labels that the label file doesn't have.",
    ] = False,
    by: Annotated[str | None, "NAME", "Who decided; default: the user here."] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List every event, also what holds no more.")
    ] = False,
    place: options.Place,
) -> None:
    """Keep what people decide: it outranks what the program finds, whatever is tagged again."""
    from fashiontag.errors import UsageError

    if (action == "import") != (table is not None):
        raise UsageError(
            "decisions import needs a FILE: a corrected table of tags, or what Label Studio or "
            "FiftyOne exported."
            if action == "import"
            else f"decisions {action} takes no FILE, not {str(table)!r}."
        )
    if action != "import" and not place.workspace.is_dir():
        raise UsageError(
            f"There is no workspace {place.workspace}; run fashiontag tag first, or name another "
            "one with --workspace."
        )
    if table is not None:
        _import(table, of, by, place, new_labels=new_labels)
    elif action == "undo":
        _undo(by, place)
    else:
        _list(place, everything=everything)


def _import(
    table: Path, of: Path | None, by: str | None, place: options.Place, *, new_labels: bool
) -> None:
    from fashiontag.workflows.corrections import import_answers, import_table

    if table.is_dir() or table.suffix.lower() == ".json":
        done = import_answers(place.workspace, table, new_labels=new_labels, by=by)
    else:
        done = import_table(place.workspace, table, of=of, new_labels=new_labels, by=by)
    output.warn(*done.notes)

    def draw() -> None:
        _draw(done.decided)
        known = done.corrections - len(done.decided)
        output.sentence(
            f"{output.counted(len(done.decided), 'decision')} from {table}"
            + (f", {known:,} more were decided so before" if known else "")
            + ("; `fashiontag tag` gives them from now on." if done.decided else ".")
        )
        if not done.taken_over:
            output.sentence(
                f"{table} holds other changes too, so `tag` won't write over it: give it another "
                "--out, or --overwrite to lose them."
            )

    output.show(done, draw, report=True)


def _undo(by: str | None, place: options.Place) -> None:
    from fashiontag.workspace.decisions import Decisions

    with Decisions.open(place.workspace) as kept:
        events = kept.undo(by=by)

    def draw() -> None:
        _draw(events)
        output.sentence(f"{output.counted(len(events), 'decision')} taken back.")

    output.show({"undone": events}, draw, report=True)


def _list(place: options.Place, *, everything: bool) -> None:
    from fashiontag.workspace.decisions import Decisions

    with Decisions.open(place.workspace) as kept:
        events = kept.events() if everything else tuple(kept.current().values())

    def draw() -> None:
        _draw(events, most=None)
        output.sentence(f"{output.counted(len(events), 'event' if everything else 'decision')}.")

    output.show({"decisions": events}, draw)


def _draw(events: Sequence[Event], most: int | None = SHOWN) -> None:
    rows = (
        (
            event.at.replace("T", " ")[:16],
            event.by,
            event.item,
            event.group,
            " | ".join(event.was) or "–",
            "undecided" if event.labels is None else " | ".join(event.labels) or "none of these",
        )
        for event in events[:most]
    )
    output.table("when", "who", "picture", "group", "was", "is", rows=rows)
    if most is not None and len(events) > most:
        output.sentence(f"and {len(events) - most:,} more.", "dim")
