"""What titles and a query have in common word for word, where vectors only know what is alike."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

WHOLE = 3
"""A title with half of the query's words, by rarity, is worth an eighth of one with all of them.

A query of attributes has words of many titles and is better left to the vectors, a product's name
all of one's: on val and pool 3 did best over both kinds, 2 and 4 hardly worse, 1 a point."""

FURTHER = 0.2
"""What each further word of a title takes away; .1 and .3 did as well on val and pool."""


@dataclass(frozen=True, slots=True)
class Titles:
    """The words of n titles, in their order, as the numbers that the index gives to words.

    Attributes
    ----------
    words : ndarray of shape (m,), int32
        All titles' words, one title after the other.
    starts : ndarray of shape (n + 1,), int64
        Title i is ``words[starts[i] : starts[i + 1]]``, which may be empty.
    """

    words: NDArray[np.int32]
    starts: NDArray[np.int64]

    @classmethod
    def join(cls, titles: Iterable[bytes]) -> Self:
        """Make them of each title's numbers, as the bytes of little-endian int32."""
        words, starts = bytearray(), array("q", [0])
        for title in titles:
            words += title
            starts.append(len(words) // 4)
        return cls(np.frombuffer(words, dtype="<i4"), np.frombuffer(starts, dtype=np.int64))


def closeness(
    asked: Sequence[int],
    titles: Titles,
    weight: float = 1.0,
    among: Mapping[int, int] | None = None,
    titled: int | None = None,
) -> NDArray[np.float32]:
    """Return how far its words take each title to a query: 0 has none of them, below 1.

    A title has a share of the query's words, each counted once and by its rarity (the inverse
    document frequency of BM25, Robertson and Zaragoza, 2009). What it says besides takes away from
    that, but only after the first word that it shares: what leads a title is its brand, which a
    buyer leaves out. ``share = rarity ** WHOLE / (1 + FURTHER * (1 + further))``, and the result is
    ``1 - (1 - share) ** weight``. A word that no title has lowers what others can reach.

    Parameters
    ----------
    asked : sequence of int
        The numbers of the query's words, each once; -1 for every word that no title has.
    titles : Titles
    weight : float
        0 or more; 0 makes words count for nothing.
    among : Mapping of int to int, optional
        How many titles have each word, where these are some of many.
    titled : int, optional
        How many titles there are; with ``among``.

    Returns
    -------
    ndarray of shape (n,), float32
    """
    near = np.zeros(len(titles.starts) - 1, dtype=np.float32)
    wanted = np.zeros(len(titles.words), dtype=np.bool_)
    for word in asked:  # `numpy.isin` took twelve times as long
        wanted |= titles.words == word
    places = np.flatnonzero(wanted)
    words = titles.words[places]
    lengths = np.diff(titles.starts)
    owners = np.repeat(np.arange(len(near), dtype=np.int32), lengths)[places]
    if titled is None:
        titled = int(np.count_nonzero(lengths))
    possible = 0.0
    for word in asked:
        having = owners[words == word]
        having = having[firsts(having)]
        count = len(having) if among is None else among.get(word, 0)
        near[having] += rarity(count, titled)
        possible += rarity(count, titled)
    first = np.flatnonzero(firsts(owners))
    some, shared = owners[first], np.diff(first, append=len(owners))
    further = titles.starts[some + 1] - places[first] - shared
    near[some] = nearer(near[some] / possible, further, weight)
    return near


def rarity(count: int, titled: int) -> float:
    """Return how rare a word is that ``count`` of ``titled`` titles have, as BM25 has it."""
    return float(np.log1p(max(titled - count + 0.5, 0.0) / (count + 0.5)))


def nearer(share: Any, further: Any, weight: float) -> Any:  # noqa: ANN401
    """Return the `closeness` of titles with a share of the words and further words of their own."""
    return 1 - (1 - share**WHOLE / (1 + FURTHER * (1 + further))) ** weight


def firsts(ascending: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Mark the first of each run of equal numbers, 0 or more, of shape (n,), in ascending order.

    `numpy.unique` would sort them once more.
    """
    return np.not_equal(np.diff(ascending, prepend=-1), 0)
