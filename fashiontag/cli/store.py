"""``fashiontag store``: what the workspace keeps, and what of it nothing uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from pathlib import Path

    from fashiontag.workflows.upkeep import Upkeep


@options.command
def store(
    *,
    status: Annotated[bool, "Show what is kept (the default)."] = False,
    prune: Annotated[
        bool,
        "Drop items of folders that are gone, and vectors that no item uses.",
    ] = False,
    place: options.Place,
) -> None:
    """Show what the workspace keeps, or drop what nothing uses any more."""
    from fashiontag.errors import UsageError
    from fashiontag.workflows import upkeep

    if status and prune:
        raise UsageError("--status and --prune were both given; give one of them.")
    if not place.workspace.is_dir():
        raise UsageError(
            f"There is no workspace {place.workspace}; run fashiontag tag first, or name another "
            "one with --workspace."
        )
    if prune:
        pruned = upkeep.prune(place.workspace)
        output.warn(*(f"{root} is gone: its items left the index." for root in pruned.gone))
        dropped = (
            f"{pruned.vectors:,} vectors and {pruned.files:,} files dropped, "
            f"{max(pruned.bytes, 0) / 1e6:,.1f} MB freed"
        )
        output.show(pruned, lambda: output.line(dropped), report=True)
        return
    held = upkeep.status(place.workspace)
    output.show(held, lambda: _draw(held, place.workspace))


def _draw(held: Upkeep, workspace: Path) -> None:
    for shard in held.vectors:
        unused = "" if shard.used else ", used by nothing indexed: --prune"
        output.line(
            f"{shard.rows:,} {shard.kind} vectors of {shard.dim} numbers by "
            f"{shard.model or shard.fingerprint[:12]}, {shard.bytes / 1e6:,.1f} MB{unused}"
        )
    for known in held.neighbours:
        output.line(f"FAISS: {known.rows:,} rows of {known.name}, recall@10 {known.recall:.3f}")
    output.line(f"{held.decisions:,} decisions of people, {held.tables:,} tables known as written")
    output.line(
        f"{held.files:,} files known, index {held.index_bytes / 1e6:,.1f} MB, together "
        f"{held.bytes / 1e6:,.1f} MB in {workspace}"
    )
