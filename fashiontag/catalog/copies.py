"""Whether two pictures are one: resized, mirrored, or with a little cut off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from fashiontag.catalog.images import load_image

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    Box = tuple[float, float, float, float]  # left, top, right, bottom: shares of the sides

COPY = 0.988
"""Correlation of pixels from which two pictures are one.

Of 240 copies of val's photos (mirrored, a tenth cut off, resized, several of these at once) .99
reach it; of 600 pairs of other photos that the model finds alike, eleven, all of plain wallets."""

_SIDE, _PIXELS = 96, 24
_FIRST = 0.88  # of copies, the best of `_CUTS` is above; what is below is not worth a search
_DARKER = 12.0  # levels of 255, root mean square: a brown wallet is no black one
_SMALLEST = 0.7  # of a side that a copy keeps
# The whole, a margin off all sides, and off each corner.
_CUTS: tuple[Box, ...] = (
    (0.0, 0.0, 1.0, 1.0),
    *((margin, margin, 1 - margin, 1 - margin) for margin in (0.05, 0.1)),
    *((x, y, 0.94 + x, 0.94 + y) for x in (0.0, 0.06) for y in (0.0, 0.06)),
)
# Steps of the search for the cut, and what must have been reached for the next one.
_STEPS = ((0.04, 0.93), (0.02, 0.96), (0.01, 0.97), (0.005, 0.0))


@dataclass(frozen=True)
class Look:
    """A picture as small as it takes to tell whether another is a copy of it."""

    small: Image.Image

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Read a picture; raise `ImageError` if it can't be read."""
        from PIL import Image

        side = (_SIDE, _SIDE)
        return cls(load_image(data, at_least=_SIDE).resize(side, Image.Resampling.BOX))

    def cut(self, box: Box = _CUTS[0], *, mirrored: bool = False) -> NDArray[np.float32]:
        """Return the pixels of a part, shape (d,), 0 to 255."""
        from PIL import Image

        scaled: Box = tuple(share * _SIDE for share in box)  # type: ignore[assignment]
        part = self.small.resize((_PIXELS, _PIXELS), Image.Resampling.BOX, box=scaled)
        pixels = np.asarray(part, np.float32)
        return (pixels[:, ::-1] if mirrored else pixels).reshape(-1)

    @cached_property
    def cuts(self) -> NDArray[np.float32]:
        """The pixels of `_CUTS`, as `_centred`."""
        return _centred(np.stack([self.cut(box) for box in _CUTS]))

    @cached_property
    def wholes(self) -> NDArray[np.float32]:
        """All pixels, and those of the mirrored picture, as `_centred`."""
        return _centred(np.stack([self.cut(), self.cut(mirrored=True)]))


def likeness(one: Look, other: Look) -> float:
    """Return how alike the pixels of two pictures are where they fit best, in [-1, 1].

    One of them, a part of it or its mirror image, is laid over the other. 0 where one is darker or
    of another colour.
    """
    pairs = ((one, other), (other, one))
    first = np.stack([cut.cuts @ whole.wholes.T for cut, whole in pairs])  # pair, cut, mirrored
    at, cut, mirrored = np.unravel_index(int(first.argmax()), first.shape)
    score, box = float(first[at, cut, mirrored]), _CUTS[cut]
    if score < _FIRST:
        return score
    part, whole = pairs[at]
    target = whole.wholes[mirrored]
    for step, enough in _STEPS:
        moved = True
        while moved:
            moved = False
            for side in range(4):
                for way in (-step, step):
                    edges = list(box)
                    edges[side] = min(1.0, max(0.0, edges[side] + way))
                    if min(edges[2] - edges[0], edges[3] - edges[1]) < _SMALLEST:
                        continue
                    tried: Box = tuple(edges)  # type: ignore[assignment]
                    found = float(_centred(part.cut(tried)) @ target)
                    if found > score + 1e-5:
                        score, box, moved = found, tried, True
        if score < enough:
            return score
    apart = part.cut(box) - whole.cut(mirrored=bool(mirrored))
    return score if np.sqrt((apart**2).mean()) <= _DARKER else 0.0


def _centred(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return pixels less their mean, of unit length."""
    moved = pixels - pixels.mean(axis=-1, keepdims=True)
    return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=-1, keepdims=True), 1.0))
