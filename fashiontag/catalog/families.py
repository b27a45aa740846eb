"""Families: products so alike that one in training gives away the other in testing."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.labels import load_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST_WORDS = 3
"""A title of fewer words, colours and numbers aside, names a kind of thing and no product."""

_WORD = re.compile(r"[^\W_]+")


def find_families(image_keys: Sequence[str | None], texts: Sequence[str]) -> NDArray[np.int64]:
    """Give near-duplicates one number.

    Two products are of one family if their pictures are the same file, or their titles the same
    words but for colours and numbers; and so is whoever is of one family with either.

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
    colours = _colour_words()
    for at, (key, text) in enumerate(zip(image_keys, texts, strict=True)):
        words = {
            word
            for word in _WORD.findall(text.casefold())
            if word not in colours and not word.isdigit()
        }
        same: list[object] = [key] if key is not None else []
        if len(words) >= LEAST_WORDS:
            same.append(frozenset(words))
        for mark in same:
            parent[root(at)] = root(first.setdefault(mark, at))
    roots = np.array([root(at) for at in range(len(texts))], np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


@cache
def _colour_words() -> frozenset[str]:
    colours = load_labels("fashion").group("color").labels
    return frozenset(
        word for label in colours for term in label.terms for word in _WORD.findall(term)
    )


def draw_shots(
    targets: NDArray[np.int8], families: NDArray[np.int64], shots: int, seed: int
) -> NDArray[np.int64]:
    """Draw products so that every label has `shots` positives where it has that many families.

    Rare labels draw first, products that were drawn for another label count, and a family gives
    at most one product.

    Parameters
    ----------
    targets : ndarray of shape (n, t), int8
    families : ndarray of shape (n,), int64
    shots : int
    seed : int

    Returns
    -------
    ndarray of shape (m,), int64
        Rows, sorted. A frequent label has more positives than asked for.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(targets))
    positive = targets == 1
    taken: list[int] = []
    used: set[int] = set()
    have = np.zeros(targets.shape[1], np.int64)
    for column in np.argsort(positive.sum(axis=0), kind="stable"):
        for row in order[positive[order, column]]:
            if have[column] >= shots:
                break
            if int(families[row]) not in used:
                taken.append(int(row))
                used.add(int(families[row]))
                have += positive[row]
    return np.array(sorted(taken), np.int64)
