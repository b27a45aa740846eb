"""Families: products so alike that one in training gives away the other in testing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fashiontag.words import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def find_families(image_keys: Sequence[str | None], texts: Sequence[str]) -> NDArray[np.int64]:
    """Give near-duplicates one number.

    Two products are of one family if their pictures are the same file, or their titles of one
    style; and so is whoever is of one family with either.

    Parameters
    ----------
    image_keys : sequence of n str or None
        Content hashes.
    texts : sequence of n str
        Titles without markup, "" where there is none.

    Returns
    -------
    ndarray of shape (n,), int64, from 0 without gaps
    """
    parent = list(range(len(texts)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    first: dict[object, int] = {}
    for at, marks in enumerate(zip(image_keys, map(style, texts), strict=True)):
        for mark in filter(None, marks):
            parent[root(at)] = root(first.setdefault(mark, at))
    roots = np.array([root(at) for at in range(len(texts))], np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)
