"""What FAISS knows of a workspace, kept in step with its items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fashiontag.index import TAIL, WORTH, InvertedFile, centred, made_of, refresh

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fashiontag.index.approximate import Did
    from fashiontag.vectors import Kind
    from fashiontag.workspace import Workspace

NEIGHBOURS = "neighbours"
"""The folder in a workspace."""

QUERIES = 64
"""Vectors of the other kind with which recall is measured: harder to place than a shopper's words,
for pictures and words lie apart."""


def refresh_neighbours(
    workspace: Workspace, *, worth: int = WORTH, tail: int = TAIL
) -> dict[Kind, Did]:
    """Make FAISS follow the index; at once where nothing is to be done.

    Searches are right without it, and slower beyond some 100,000 items. Returns what was done to
    pictures and to titles.

    Parameters
    ----------
    workspace : Workspace
        Of its encoder only name and statistics are used.
    worth, tail : int
        As in `fashiontag.index.refresh`.
    """
    placement = workspace.placement()
    rows: dict[Kind, NDArray[np.int64]] = {"image": placement.images, "text": placement.texts}
    done: dict[Kind, Did] = {}
    pairs: tuple[tuple[Kind, Kind], ...] = (("image", "text"), ("text", "image"))
    for kind, other in pairs:
        vectors, mean = workspace.vectors(kind), workspace.mean(kind)
        matrix = vectors.matrix()
        there = np.unique(rows[other][rows[other] >= 0])
        some = there[:: max(1, len(there) // QUERIES)][:QUERIES]
        queries = np.empty((0, matrix.shape[1]), dtype=np.float32)
        if len(some):
            queries = centred(workspace.vectors(other).matrix()[some], workspace.mean(other))
        done[kind] = refresh(
            _folder(workspace, kind),
            made_of(vectors.revision(), matrix.shape[1], mean),
            matrix,
            mean,
            rows[kind],
            queries,
            worth=worth,
            tail=tail,
        )
    return done


def open_neighbours(
    workspace: Workspace, kind: Kind, rows: NDArray[np.int64]
) -> InvertedFile | None:
    """Return what FAISS knows of these rows, None where nothing, or nothing that still holds."""
    folder = _folder(workspace, kind)
    if not folder.is_dir():
        return None
    revision = workspace.vectors(kind).revision()
    bound_to = made_of(revision, workspace.encoder.dim, workspace.mean(kind))
    return InvertedFile.open(folder, bound_to, rows)


def _folder(workspace: Workspace, kind: Kind) -> Path:
    return workspace.path / NEIGHBOURS / f"{kind}-{workspace.encoder.fingerprint[:16]}"
