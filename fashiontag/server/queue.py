"""In which order products come to a person's desk: computed once a state, window by window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from fashiontag.heads.active import pick, uncertainty
from fashiontag.heads.groups import group_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from fashiontag.datamodels import Vectors
    from fashiontag.heads.zeroshot import Scores
    from fashiontag.labels import LabelSpace

Sort = Literal["gain", "unsure", "conflict", "catalogue"]

WINDOW = 256
"""Products judged at once: a request that comes meanwhile waits for 256, no more."""

LOOKED_AT, PICKED = 2_000, 500
"""The least sure products among which those worth most are picked, and how many are."""


@dataclass(frozen=True, slots=True)
class Queue:
    """What orders n products.

    Attributes
    ----------
    numbers : ndarray of shape (n,), int64
        The index's own names of photos, ascending.
    mains : ndarray of shape (n,), int64, or None
        The place of the main photo of what each shows, which stands for the product in every
        order. None where each photo is a product of its own.
    looks : mapping of int to list of int
        The numbers of all photos of what one shows, the main one first; where it isn't alone.
    keys : mapping of sort to ndarray of shape (n,), float64
        Higher comes first; equals come by number.
    """

    numbers: NDArray[np.int64]
    mains: NDArray[np.int64] | None
    looks: Mapping[int, list[int]]
    keys: dict[Sort, NDArray[np.float64]]

    @classmethod
    def plain(cls, numbers: NDArray[np.int64], pairs: NDArray[np.int64]) -> Queue:
        """Return a queue that knows nothing but the catalogue's order; pairs as `Index.mains`."""
        looks: dict[int, list[int]] = {}
        mains = np.arange(len(numbers)) if pairs.size else None
        if mains is not None:
            photos, firsts = pairs[:, np.isin(pairs, numbers).all(axis=0)]
            mains[np.searchsorted(numbers, photos)] = np.searchsorted(numbers, firsts)
            for photo, first in zip(photos.tolist(), firsts.tolist(), strict=True):
                looks[photo] = looks.get(first, [])
                looks[photo].append(photo)
        return cls(numbers, mains, looks, {"catalogue": np.zeros(len(numbers))})

    def marked(self, numbers: Collection[int]) -> NDArray[np.bool_]:
        """Mark some photos, shape (n,); those that aren't here are passed over."""
        return np.isin(self.numbers, np.fromiter(numbers, np.int64, len(numbers)))

    def products(self, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Mark the main photos of products of which some photo is marked, shape (n,)."""
        if self.mains is None:
            return marked.copy()
        found = np.zeros(len(self.numbers), bool)
        found[self.mains[marked]] = True
        return found

    def photos(self, number: int) -> list[int]:
        """Return the numbers of the photos of what one shows, the main one first."""
        return self.looks.get(number, [number])

    def judged(
        self,
        space: LabelSpace,
        judge: Callable[[Sequence[int]], Scores],
        pictures: Callable[[Sequence[int]], Vectors],
    ) -> Queue:
        """Judge the main photos, and put those first that a decision tells most about.

        ``judge`` and ``pictures`` give the scores and the pictures' vectors of some numbers.
        """
        every = np.flatnonzero(self.products(np.ones(len(self.numbers), bool)))
        unsure, differ = np.zeros((2, len(self.numbers)))
        spans = group_spans(space)
        for start in range(0, len(every), WINDOW):
            window = every[start : start + WINDOW]
            scores = judge(self.numbers[window].tolist())
            unsure[window] = uncertainty(scores.labels, spans)
            differ[window] = [len(names) for names in conflicts(scores, space)]
        first = every[np.argsort(-unsure[every], kind="stable")[:LOOKED_AT]]
        gain = unsure.copy()
        if len(first):
            x = pictures(self.numbers[first].tolist())
            picked = first[pick(x, PICKED, unsure[first].astype(np.float32))]
            gain[picked] = 2 + np.arange(len(picked), 0, -1)  # before all that weren't picked
        keys: dict[Sort, NDArray[np.float64]] = {
            "gain": gain,
            "unsure": unsure,
            "conflict": differ + unsure / 2,  # unsure is at most 1
            "catalogue": np.zeros(len(self.numbers)),
        }
        return replace(self, keys=keys)

    def page(
        self, sort: Sort, among: NDArray[np.bool_], limit: int, after: str = ""
    ) -> tuple[list[int], str]:
        """Return the numbers of one page and the cursor of the next, "" at the end.

        The cursor is the last product's key and number, so that what is decided or added meanwhile
        neither repeats a product nor leaves one out.

        Raises
        ------
        ValueError
            The cursor is none of ours.
        """
        keys = self.keys.get(sort, self.keys["catalogue"])
        if after:
            key, _, number = after.partition(":")
            last, there = float(key), int(number)
            among = among & ((keys < last) | ((keys == last) & (self.numbers > there)))
        places = np.flatnonzero(among)
        if len(places) > limit:  # only the first of them have to be sorted
            edge = np.partition(-keys[places], limit)[limit]
            places = places[-keys[places] <= edge]
        places = places[np.argsort(-keys[places], kind="stable")][: limit + 1]
        more = len(places) > limit
        places = places[:limit]
        cursor = f"{float(keys[places[-1]])!r}:{self.numbers[places[-1]]}" if more else ""
        return self.numbers[places].tolist(), cursor


def conflicts(scores: Scores, space: LabelSpace) -> Iterator[tuple[str, ...]]:
    """Yield each product's exclusive groups in which picture and title say different things."""
    found: list[tuple[str, list[bool]]] = []
    for group in space.groups:
        if group.exclusive:
            span = space.span(group.name)
            image, title = scores.by_image[:, span], scores.by_title[:, span]
            differ = image.any(axis=1) & title.any(axis=1) & ~(image & title).any(axis=1)
            found.append((group.name, np.atleast_1d(differ).tolist()))
    for row in range(len(scores.labels)):
        yield tuple(name for name, flags in found if flags[row])
