"""Which products to label next: unlike each other, typical of the rest, and not yet clear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fashiontag.heads.groups import GroupSpan

    Floats = NDArray[np.float32]

_REFERENCE = 2_000
"""Products that density is measured against; more change no order worth having."""
_NEIGHBOURS = 10


def uncertainty(chances: Floats, groups: Sequence[GroupSpan]) -> Floats:
    """Return how unclear products are, the mean over groups, shape (n,), in [0, 1].

    Parameters
    ----------
    chances : ndarray of shape (n, t), in [0, 1]
    groups : sequence of GroupSpan
        In an exclusive group the two best count, else the label nearest to even odds.
    """
    each = []
    for group in groups:
        own = chances[:, group.span]
        if group.exclusive and own.shape[1] > 1:
            best = np.sort(own, axis=1)
            each.append(1 - (best[:, -1] - best[:, -2]))
        else:
            each.append((4 * own * (1 - own)).max(axis=1))
    return np.asarray(np.mean(each, axis=0), np.float32)


def pick(x: Floats, count: int, worth: Floats | None = None) -> NDArray[np.int64]:
    """Pick products one by one, each the best of what is left.

    The value of a product is its distance from all picked ones, times its density (the
    mean cosine to its ten nearest among a sample), times what it is worth by itself.

    Parameters
    ----------
    x : ndarray of shape (n, d), float32
        Unit rows.
    count : int
    worth : ndarray of shape (n,), or None
        Such as `uncertainty`.

    Returns
    -------
    ndarray of shape (min(count, n),), int64
        Best first.
    """
    value = _density(x) * (1.0 if worth is None else worth)
    nearest = np.full(len(x), -1.0, np.float32)
    free = np.ones(len(x), bool)
    chosen: list[int] = []
    for _ in range(min(count, len(x))):
        gain: NDArray[Any] = np.where(free, (1.0 - nearest) * value, -np.inf)
        best = int(gain.argmax())
        chosen.append(best)
        free[best] = False
        nearest = np.maximum(nearest, x @ x[best])
    return np.array(chosen, np.int64)


def _density(x: Floats) -> Floats:
    """Return the mean cosine to the nearest of a sample, moved to [0, 1]; itself doesn't count."""
    rows = np.random.default_rng(0).permutation(len(x))[:_REFERENCE]
    k = min(_NEIGHBOURS + 1, len(rows))
    out = np.empty(len(x), np.float32)
    for start in range(0, len(x), 1024):
        cosines = x[start : start + 1024] @ x[rows].T
        top = np.partition(cosines, -k, axis=1)[:, -k:]
        top.sort(axis=1)
        own = np.isin(np.arange(start, start + len(cosines)), rows)
        # A product of the sample is its own nearest.
        mean = np.where(own & (k > 1), top[:, : k - 1].mean(axis=1) if k > 1 else 1.0, top.mean(1))
        out[start : start + 1024] = (1 + mean) / 2
    return out
