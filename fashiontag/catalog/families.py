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
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first: dict[object, int] = {}
    known = products if products is not None else [None] * len(texts)
    pairs = [
        (at, first.setdefault((kind, mark), at))
        for at, marks in enumerate(zip(image_keys, map(style, texts), known, strict=True))
        for kind, mark in enumerate(marks)
        if mark
    ]
    ends = np.array(pairs, np.int64).reshape(-1, 2).T
    alike = coo_array((np.ones(len(pairs)), tuple(ends)), shape=(len(texts), len(texts)))
    return np.asarray(connected_components(alike, directed=False)[1], np.int64)
