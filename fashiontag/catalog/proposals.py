"""Products that may be one: titles that differ by colour, size and number, photos of one outline.

Nothing is joined by it: a shop says what its products are, and likeness only proposes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fashiontag.catalog.clean import clean_title
from fashiontag.errors import ImageError
from fashiontag.words import LEAST_WORDS, style

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

ALIKE = 0.7
"""Correlation of outlines from which two photos may be of one product.

Of 250 pairs of val with one style's titles 91 % reach it, of 250 of one type and two families 54 %:
titles tell most, photos take out what shares its words and no shape."""

_SIDE = 32
_CONTRAST = 40.0  # levels of 255 from which a pixel is wholly of the product
_SIZES = frozenset(
    (
        *("xs", "s", "m", "l", "xl", "xxl", "xxxl", "small", "medium", "large", "size"),
        *("uk", "us", "eu", "cm", "inch"),
    )
)


class Shown(NamedTuple):
    """A product by its first photo."""

    product: str
    title: str
    path: Path


def propose(shown: Callable[[], Iterable[Shown]]) -> Iterator[tuple[str, ...]]:
    """Yield groups of two products or more that may be colours or sizes of one, in their order.

    Parameters
    ----------
    shown : callable
        Gives all products, twice: of a million titles only those that share words are kept.
    """
    counts = Counter(hash(_kind(one.title)) for one in shown())
    candidates: dict[tuple[str, ...], list[Shown]] = defaultdict(list)
    for one in shown():
        kind = _kind(one.title)
        if kind and counts[hash(kind)] > 1:
            candidates[kind].append(one)
    for alike in candidates.values():
        groups: list[tuple[NDArray[np.float32], list[str]]] = []
        for one in alike:
            outline = _outline(one.path) if len(alike) > 1 else None
            if outline is None:
                continue
            near = (names for first, names in groups if likeness(first, outline) >= ALIKE)
            if (names := next(near, None)) is not None:
                names.append(one.product)
            else:
                groups.append((outline, [one.product]))
        yield from (tuple(names) for _, names in groups if len(names) > 1)


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return how alike two outlines are, in [-1, 1], one of them mirrored if that is better."""
    return float(max((one * other).sum(), (one * other[:, ::-1]).sum()))


def _kind(title: str) -> tuple[str, ...]:
    words = tuple(word for word in style(clean_title(title)) if word not in _SIZES)
    return words if len(words) >= LEAST_WORDS else ()


def _outline(path: Path) -> NDArray[np.float32] | None:
    """Return what differs from the ground, shape (32, 32), centred, of unit length."""
    from fashiontag.catalog.images import load_image

    try:
        picture = load_image(path.read_bytes(), at_least=_SIDE).convert("L")
    except (OSError, ImageError):
        return None
    pixels = np.asarray(picture.resize((_SIDE, _SIDE)), np.float32)
    ground = np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]))
    differs = np.minimum(np.abs(pixels - ground), _CONTRAST)
    differs -= differs.mean()
    return np.asarray(differs / max(float(np.linalg.norm(differs)), 1.0))
