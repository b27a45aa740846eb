"""Families: products so alike that one in training gives away the other in testing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fashiontag.words import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def find_families(
    image_keys: Sequence[str | None],
    texts: Sequence[str],
    products: Sequence[str | None] | None = None,
) -> NDArray[np.int64]:
    """Give near-duplicates one number.

    Two products are of one family if their pictures are the same file, or their titles of one
    style; and so is whoever is of one family with either. Photos of one product are, too.

    Parameters
    ----------
    image_keys : sequence of n str or None
        Content hashes.
    texts : sequence of n str
        Titles without markup, "" where there is none.
    products : sequence of n str or None, optional
        What each photo shows, where a feed says so.

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
    known = products if products is not None else [None] * len(texts)
    for at, marks in enumerate(zip(image_keys, map(style, texts), known, strict=True)):
        for kind, mark in enumerate(marks):
            if mark:
                parent[root(at)] = root(first.setdefault((kind, mark), at))
    roots = np.array([root(at) for at in range(len(texts))], np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)
