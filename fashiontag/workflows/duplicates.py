"""What is indexed twice: the very same photo, a copy of it, and one style photographed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from fashiontag.catalog.copies import COPY, Look, likeness
from fashiontag.catalog.items import FileRef, as_on_disk
from fashiontag.errors import ImageError
from fashiontag.index import alike, pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fashiontag.index import IndexedItem, Placement
    from fashiontag.workspace import Workspace

Kind = Literal["photo", "copy", "style"]
_KINDS: tuple[Kind, ...] = get_args(Kind)

LOOKED_AT = 0.92
"""Cosine from which two pictures are opened to see whether one is a copy of the other.

Of 240 mirrored, cropped and resized copies of val's photos .98 are among the original's five
nearest, and above; .35 of them are above `SAME_STYLE`."""

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
    kind : {"photo", "copy", "style"}
        Equal bytes; one picture mirrored, cropped or resized; pictures as near as asked for.
    items : tuple of IndexedItem
        In the order of the index; the others are compared with the first.
    scores : tuple of float
        The cosine of each item's picture with the first's; 1 for a photo, and of a copy how alike
        its pixels are to those of another of the group.
    """

    kind: Kind
    items: tuple[IndexedItem, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Groups of items that show the same, and how many pictures couldn't be looked at again."""

    groups: tuple[Group, ...]
    unread: int = 0


def find_duplicates(workspace: Workspace, *, min_score: float = SAME_STYLE) -> Duplicates:
    """Return groups of items with one photo, then with copies of one, then with one style.

    Of each kind the largest come first. What several items share counts once in what follows. Every
    vector is compared with every other, and the pictures of those that are near are opened to tell
    copies: 20,000 take a minute, 200,000 an hour.

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
    everything = np.arange(len(which))
    found = _grouped("photo", everything, first[which], np.ones(len(which), np.float32))
    distinct = np.sort(first)
    distinct = distinct[placement.images[distinct] >= 0]
    unread = 0
    if min_score <= 1 and len(distinct):
        vectors, mean = workspace.images.matrix(), workspace.mean("image")
        leaders, scores, unread = _copies(workspace, placement, distinct)
        found += _grouped("copy", distinct, leaders, scores)
        distinct = distinct[leaders == np.arange(len(leaders))]
        found += _grouped(
            "style", distinct, *alike(vectors, placement.images[distinct], mean, min_score)
        )
    found.sort(key=lambda group: (_KINDS.index(group[0]), -len(group[1])))
    groups = tuple(
        Group(
            kind,
            tuple(workspace.index.items(placement.numbers[positions].tolist())),
            tuple(scores),
        )
        for kind, positions, scores in found
    )
    return Duplicates(groups, unread)


def _grouped(
    kind: Kind,
    places: NDArray[np.int64],
    leaders: NDArray[np.int64],
    scores: NDArray[np.float32],
) -> list[tuple[Kind, NDArray[np.int64], Sequence[float]]]:
    """Return the groups of two or more, with the scores of their members."""
    together = [np.flatnonzero(leaders == n) for n in np.flatnonzero(np.bincount(leaders) > 1)]
    return [(kind, places[members], scores[members].tolist()) for members in together]


def _copies(
    workspace: Workspace, placement: Placement, distinct: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], int]:
    """Return of each item the first that shows its picture, how like, and how many are unread."""
    looks: dict[int, Look | None] = {}

    def look_at(place: int) -> Look | None:
        if place not in looks:
            (item,) = workspace.index.items([placement.numbers[distinct[place]]])
            try:
                looks[place] = Look.of(FileRef(as_on_disk(item.path)).read())
            except ImageError:
                looks[place] = None
        return looks[place]

    leaders = np.arange(len(distinct))
    scores = np.ones(len(distinct), np.float32)
    told: set[tuple[int, int]] = set()
    merged = True
    while merged:  # the copies of one look hide those of another, until they are one
        merged = False
        alone = np.unique(leaders)
        rows = placement.images[distinct[alone]]
        near = pairs(workspace.images.matrix(), rows, workspace.mean("image"), LOOKED_AT)
        for one, other in alone[near].tolist():
            first, second = look_at(one), look_at(other)
            if first is None or second is None or (one, other) in told:
                continue
            told.add((one, other))
            score = likeness(first, second)
            if score >= COPY and leaders[one] != leaders[other]:
                low, high = sorted((leaders[one], leaders[other]))
                leaders[leaders == high] = low
                scores[other] = score
                merged = True
    return leaders, scores, sum(look is None for look in looks.values())
