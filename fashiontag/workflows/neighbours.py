"""What FAISS knows of a workspace, kept in step with its items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.heads.statistics import Statistics
from fashiontag.index import TAIL, WORTH, InvertedFile, centred, made_of, refresh

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fashiontag.datamodels import Encoder
    from fashiontag.index import Index, Placement
    from fashiontag.index.approximate import Refreshed
    from fashiontag.vectors import Kind, VectorStore

NEIGHBOURS = "neighbours"
"""The folder in a workspace."""

QUERIES = 64
"""Vectors of the other kind with which recall is measured: harder to place than a shopper's words,
for pictures and words lie apart."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What `refresh_neighbours` did to pictures and to titles."""

    images: Refreshed
    texts: Refreshed


def refresh_neighbours(
    workspace: Path,
    encoder: Encoder,
    store: VectorStore,
    index: Index,
    *,
    worth: int = WORTH,
    tail: int = TAIL,
) -> Neighbours:
    """Make FAISS's files follow the index; at once where nothing is to be done.

    Searches are right without it, and slower beyond some 100,000 items.

    Parameters
    ----------
    workspace : Path
    encoder : Encoder
        Only its name and statistics are used.
    store, index
    worth, tail : int
        As in `fashiontag.index.refresh`.
    """
    placement = place(index, encoder, store)
    rows: dict[Kind, NDArray[np.int64]] = {"image": placement.images, "text": placement.texts}
    done: dict[Kind, Refreshed] = {}
    pairs: tuple[tuple[Kind, Kind], ...] = (("image", "text"), ("text", "image"))
    for kind, other in pairs:
        matrix, mean = store.matrix(kind, encoder.fingerprint), mean_of(kind, encoder)
        there = np.unique(rows[other][rows[other] >= 0])
        some = there[:: max(1, len(there) // QUERIES)][:QUERIES]
        others = store.matrix(other, encoder.fingerprint)
        queries = np.empty((0, matrix.shape[1]), dtype=np.float32)
        if len(some):
            queries = centred(others[some], mean_of(other, encoder))
        done[kind] = refresh(
            _folder(workspace, kind, encoder.fingerprint),
            made_of(store.revision(kind, encoder.fingerprint), matrix.shape[1], mean),
            matrix,
            mean,
            rows[kind],
            queries,
            worth=worth,
            tail=tail,
        )
    return Neighbours(done["image"], done["text"])


def place(index: Index, encoder: Encoder, store: VectorStore) -> Placement:
    """Return where the encoder's items have their vectors."""
    return index.placement(
        encoder.fingerprint, lambda kind, keys: store.find(kind, encoder.fingerprint, keys)
    )


def open_neighbours(
    workspace: Path, kind: Kind, encoder: Encoder, store: VectorStore, rows: NDArray[np.int64]
) -> InvertedFile | None:
    """Return what FAISS knows of these rows, None where nothing, or nothing that still holds."""
    folder = _folder(workspace, kind, encoder.fingerprint)
    if not folder.is_dir():
        return None
    revision = store.revision(kind, encoder.fingerprint)
    return InvertedFile.open(folder, made_of(revision, encoder.dim, mean_of(kind, encoder)), rows)


def mean_of(kind: Kind, encoder: Encoder) -> NDArray[np.float32] | None:
    """Return what is taken off stored vectors of a kind before they are compared."""
    statistics = Statistics.load(encoder.folder, encoder.dim)
    moments = statistics.image if kind == "image" else statistics.title
    return moments.mean if moments else None


def _folder(workspace: Path, kind: Kind, fingerprint: str) -> Path:
    return workspace / NEIGHBOURS / f"{kind}-{fingerprint[:16]}"
