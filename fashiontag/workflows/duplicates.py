"""What is indexed twice: the very same photo, and one style photographed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from fashiontag.index import alike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fashiontag.index import IndexedItem
    from fashiontag.workspace import Workspace

Kind = Literal["photo", "style"]

SAME_STYLE = 0.995
"""Cosine from which two pictures, less the mean of pictures, count as one style.

Chosen by eye with the embedded model, which knows type, cut and colour better than the very
product: at 0.98 two men's pale shirts are one style, at 0.99 pairs are look-alikes, and from 0.995
more than half are of one family by their titles. A larger model wants a lower one."""


@dataclass(frozen=True, slots=True)
class Group:
    """Items that show the same.

    Attributes
    ----------
    kind : {"photo", "style"}
        Equal bytes, or pictures that are as near as asked for.
    items : tuple of IndexedItem
        In the order of the index; the others are compared with the first.
    scores : tuple of float
        The cosine of each item's picture with the first's; 1 for a photo.
    """

    kind: Kind
    items: tuple[IndexedItem, ...]
    scores: tuple[float, ...]


def find_duplicates(workspace: Workspace, *, min_score: float = SAME_STYLE) -> list[Group]:
    """Return groups of items with one photo, then groups with one style, the largest first.

    A photo that several items share counts once in a style. Every picture is compared with every
    other: 20,000 take seconds, 200,000 minutes.

    Parameters
    ----------
    workspace : Workspace
        Of its encoder only name and statistics are used.
    min_score : float
        Lowest cosine of one style; above 1 only photos are looked for.

    Raises
    ------
    CatalogError
        If nothing is indexed.
    ForeignEncoderError
        If what is indexed was encoded by another model.
    """
    workspace.left_out()
    placement = workspace.placement()
    _, first, which = np.unique(placement.pictures, return_index=True, return_inverse=True)
    photos = [
        np.flatnonzero(which == number)
        for number in np.flatnonzero(np.bincount(which, minlength=len(first)) > 1)
    ]
    found: list[tuple[Kind, NDArray[np.int64], Sequence[float]]] = [
        ("photo", positions, (1.0,) * len(positions)) for positions in photos
    ]
    distinct = np.sort(first)
    distinct = distinct[placement.images[distinct] >= 0]
    if min_score <= 1 and len(distinct):
        rows = placement.images[distinct]
        leaders, scores = alike(workspace.images.matrix(), rows, workspace.mean("image"), min_score)
        for leader in np.flatnonzero(np.bincount(leaders) > 1):
            members = np.flatnonzero(leaders == leader)
            found.append(("style", distinct[members], scores[members].tolist()))
    found.sort(key=lambda group: (group[0], -len(group[1])))
    return [
        Group(
            kind,
            tuple(workspace.index.items(placement.numbers[positions].tolist())),
            tuple(scores),
        )
        for kind, positions, scores in found
    ]
