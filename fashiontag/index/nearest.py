"""How near items are to a query: every vector compared, or those that FAISS proposes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fashiontag.index.database import Placement

FEW = 20_000
"""Items that are all compared, as in a narrow filter: at 512 numbers that takes 15 ms."""

FETCHED = 200
"""Rows that each part proposes at least: the nearest by one needn't be the nearest by both."""

FEW_SCORES = 200
"""Scores below which there is no telling a good one from chance: a spread that rests on 32."""

_SAMPLE = 2_000
_BLOCK = 1024  # rows compared at once: 1024 x 512 float32 are 2 MB, about a core's cache


class Proposer(Protocol):
    """What knows which rows may be near a query without comparing all of them."""

    def search(
        self, query: NDArray[np.float32], count: int, *, among: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Return about ``count`` rows that may be near, of those ``among`` which is asked."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One modality of a search.

    Attributes
    ----------
    matrix : ndarray of shape (rows, d), float16
        The store's vectors.
    rows : ndarray of shape (n,), int64
        Each item's row in it, -1 where it has none.
    query : ndarray of shape (d,), float32
        Unit length, centred already.
    mean : ndarray of shape (d,), float32, or None
        Subtracted from every stored vector, which is normalised again: cosines with pictures and
        with titles are then of one scale. None leaves the vectors as they are.
    weight : float
        The part's say where an item has both.
    proposer : Proposer, optional
        Spares most of the comparisons; without it every row is compared.
    order : ndarray of shape (n,), int64, optional
        ``argsort(rows)``; with a proposer.
    """

    matrix: NDArray[np.float16]
    rows: NDArray[np.int64]
    query: NDArray[np.float32]
    mean: NDArray[np.float32] | None
    weight: float
    proposer: Proposer | None = None
    order: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Hits, best first: positions in the placement, their scores, and what folded into each.

    ``chance`` is the `chance_level` of all scores of this query.
    """

    positions: NDArray[np.int64]
    scores: NDArray[np.float32]
    folded: NDArray[np.int64]
    chance: float


def members(numbers: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which numbers, none below 0, are wanted: ``np.isin`` in a third of its time.

    Parameters
    ----------
    numbers : ndarray of shape (n,), int64
    wanted : ndarray of shape (m,), int64
        What is not among the numbers is passed over.
    """
    table = np.zeros(max(numbers.max(initial=0), wanted.max(initial=0)) + 1, dtype=np.bool_)
    table[wanted] = True
    return table[numbers]


def nearest(
    placement: Placement,
    parts: Sequence[Part],
    k: int,
    *,
    words: NDArray[np.float32] | None = None,
    among: NDArray[np.int64] | None = None,
    fold: bool = True,
    floor: float | Literal["auto"] | None = None,
) -> Found:
    """Return the k items nearest to a query, and how many others each stands for.

    An item's cosine c is the weighted mean of its parts', over the parts it has; words w take it
    nearer, to the score ``1 - (1 - c) * (1 - w)``, which is c where there are none. Scores are
    exact; so is the choice, unless all parts have proposers and more than `FEW` items are allowed.

    Parameters
    ----------
    placement : Placement
    parts : sequence of Part
        Rows as in the placement.
    k : int
        Hits wanted; fewer come back where there are fewer.
    words : ndarray of shape (n,), float32, optional
        From `closeness`, in [0, 1): how far an item's title takes it to the query.
    among : ndarray of shape (m,), int64, optional
        Places of the only items that may be hits, ascending, as from `where.select`.
    fold : bool
        Whether items of one family or picture count as one hit, the best of them.
    floor : float, "auto" or None
        The lowest score of a hit; ``"auto"`` takes `chance_level` of this query's scores.
    """
    allowed = np.arange(len(placement.numbers)) if among is None else among
    scores = np.full(len(placement.numbers), np.nan, dtype=np.float32)
    if len(allowed) > max(FEW, 50 * k) and all(part.proposer for part in parts):
        allowed = _proposed(placement, parts, words, k, among)
    # The query's own distribution is that over everything, or a filter would move the cut. A cut
    # wants 20,000 items, which show it as well as all; to say that nothing answers, 2,000 do.
    enough = FEW if floor == "auto" else _SAMPLE
    some = np.arange(0, len(placement.numbers), max(1, len(placement.numbers) // enough))
    scores[some] = _fused(parts, words, some)
    having = scores[~np.isnan(scores)]
    chance = chance_level(having, len(having) * len(scores) // max(1, len(some)))
    if floor == "auto":
        floor = chance
    new = allowed[np.isnan(scores[allowed])]
    scores[new] = _fused(parts, words, new)
    with np.errstate(invalid="ignore"):
        kept = scores[allowed] >= (-np.inf if floor is None else floor)
    allowed = allowed[kept]  # comparing with nan is false: what has no vector is no hit
    chosen = best(scores, allowed, placement, k, fold=fold)
    folded = np.zeros(len(chosen), dtype=np.int64)
    if fold:
        families, pictures = placement.families[allowed], placement.pictures[allowed]
        for rank, at in enumerate(chosen):
            same = (families == placement.families[at]) | (pictures == placement.pictures[at])
            folded[rank] = same.sum() - 1
    return Found(chosen, scores[chosen], folded, chance)


def _proposed(
    placement: Placement,
    parts: Sequence[Part],
    words: NDArray[np.float32] | None,
    k: int,
    allowed: NDArray[np.int64] | None,
) -> NDArray[np.int64]:
    """Return positions that hold the k nearest, and all that would fold into them, ascending."""
    found = []
    for part in parts:
        if part.proposer is None or part.order is None:
            raise ValueError("a part without a proposer can't propose anything")
        among = None
        if allowed is not None:
            among = part.rows[allowed]
            among = among[among >= 0]
        rows = part.proposer.search(part.query, max(FETCHED, 20 * k), among=among)
        found.append(_holding(part.rows, part.order, rows))
    if words is not None:
        found.append(_top(words, np.flatnonzero(words), max(FETCHED, 20 * k)))
    positions = np.unique(np.concatenate(found))
    if placement.kin is not None:
        best = positions[np.argsort(-_fused(parts, words, positions), kind="stable")[: 4 * k]]
        for values, order in zip(
            (placement.families, placement.pictures), placement.kin, strict=True
        ):
            found.append(_holding(values, order, np.unique(values[best])))
        positions = np.unique(np.concatenate(found))
    if allowed is None:
        return positions
    return np.intersect1d(positions, allowed, assume_unique=True)


def _holding(
    values: NDArray[np.int64], order: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the positions whose value is one of those wanted; ``order`` is ``argsort(values)``."""
    starts = np.searchsorted(values, wanted, "left", sorter=order)
    counts = np.searchsorted(values, wanted, "right", sorter=order) - starts
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(order[np.repeat(starts, counts) + within])


def alike(
    matrix: NDArray[np.float16],
    rows: NDArray[np.int64],
    mean: NDArray[np.float32] | None,
    floor: float,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Group vectors around leaders: each joins the first leader that is as near as ``floor``.

    A chain of small steps doesn't make one group: members are near their leader, not one another.

    Parameters
    ----------
    matrix : ndarray of shape (m, d), float16
    rows : ndarray of shape (n,), int64
        In order of precedence.
    mean : ndarray of shape (d,), float32, or None
        As in `Part`.
    floor : float

    Returns
    -------
    leaders : ndarray of shape (n,), int64
        The leader's place in ``rows``; a vector of its own is its own leader.
    scores : ndarray of shape (n,), float32
        The cosine with the leader.
    """
    vectors = centred(matrix[rows], mean)
    leaders = np.arange(len(rows))
    scores = np.ones(len(rows), dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = vectors[start : start + _BLOCK] @ vectors[start:].T
        for row, other in np.argwhere(block >= floor).tolist():
            # argwhere goes row by row, so whether a row leads is settled when it comes
            leads, free = (leaders[start + at] == start + at for at in (row, other))
            if other > row and leads and free:
                leaders[start + other] = start + row
                scores[start + other] = block[row, other]
    return leaders, scores


def pairs(
    matrix: NDArray[np.float16],
    rows: NDArray[np.int64],
    mean: NDArray[np.float32] | None,
    floor: float,
    most: int = 5,
) -> NDArray[np.int64]:
    """Return the vectors that are near one another: of each its ``most`` nearest from ``floor``.

    Parameters
    ----------
    matrix, rows, mean, floor
        As in `alike`.
    most : int

    Returns
    -------
    ndarray of shape (m, 2), int64
        Places in ``rows``, the lower one first, in order, each pair once.
    """
    vectors = centred(matrix[rows], mean)
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(rows), _BLOCK):
        block = vectors[start : start + _BLOCK] @ vectors.T
        block[np.arange(len(block)), np.arange(start, start + len(block))] = -np.inf
        best = np.argpartition(-block, min(most, len(rows)) - 1)[:, :most]
        near, rank = np.nonzero(np.take_along_axis(block, best, axis=1) >= floor)
        found.append(np.sort(np.stack([start + near, best[near, rank]], axis=1), axis=1))
    return np.unique(np.concatenate(found), axis=0)


def chance_level(scores: NDArray[np.float32], among: int | None = None) -> float:
    """Return the score that the best of n unrelated items would be expected to reach.

    That is ``median + s * sqrt(2 ln n)``, the growth of the largest of n normal draws, with the
    spread s taken from the lower half (median less 16th percentile), which hits don't widen.
    -inf below `FEW_SCORES`, which show no distribution. ``among`` is n where the scores are a
    sample.
    """
    if len(scores) < FEW_SCORES:
        return -np.inf
    low, middle = np.percentile(scores, [15.87, 50.0])
    return float(middle + (middle - low) * np.sqrt(2 * np.log(among or len(scores))))


def _fused(
    parts: Sequence[Part], words: NDArray[np.float32] | None, positions: NDArray[np.int64]
) -> NDArray[np.float32]:
    cosines = np.full((len(parts), len(positions)), np.nan, dtype=np.float32)
    for row, part in zip(cosines, parts, strict=True):
        rows = part.rows[positions]
        there = np.flatnonzero(rows >= 0)
        row[there] = _cosines(part, rows[there])
    return fused(
        cosines, [part.weight for part in parts], None if words is None else words[positions]
    )


def fused(
    cosines: NDArray[np.float32], weights: Sequence[float], words: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return the scores of n items by the rule of `nearest`, shape (n,).

    Parameters
    ----------
    cosines : ndarray of shape (parts, n), float32
        nan where an item lacks a part.
    weights : sequence of float
        Each part's say.
    words : ndarray of shape (n,), float32, or None
        From `closeness`.
    """
    total = np.zeros(cosines.shape[1], dtype=np.float32)
    says = np.zeros(cosines.shape[1], dtype=np.float32)
    for row, weight in zip(cosines, weights, strict=True):
        there = np.flatnonzero(~np.isnan(row))
        total[there] += weight * row[there]
        says[there] += weight
    with np.errstate(invalid="ignore", divide="ignore"):
        total /= says
    if words is not None:
        total += (1 - total) * words
    return total


def _cosines(part: Part, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Compare stored vectors x with the query q: cos(x - mean, q), shape (n,), float32.

    With unit x it is (x·q - mean·q) / sqrt(1 - 2 x·mean + mean·mean): both products come from one
    pass over x, which is what costs.
    """
    mean = part.mean
    against = part.query[:, None] if mean is None else np.stack([part.query, mean], axis=1)
    products = np.empty((len(rows), against.shape[1]), dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = _widen(part.matrix[rows[start : start + _BLOCK]])
        np.matmul(block, against, out=products[start : start + _BLOCK])
    if mean is None:
        return products[:, 0]
    length = 1 - 2 * products[:, 1] + float(mean @ mean)
    cosines = (products[:, 0] - float(mean @ part.query)) / np.sqrt(np.maximum(length, 1e-6))
    return np.asarray(cosines, dtype=np.float32)


def centred(block: NDArray[np.float16], mean: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return stored vectors less the mean, of unit length, shape (n, d), float32."""
    wide = _widen(block)
    if mean is not None:
        wide -= mean
    wide /= np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-6)
    return wide


def compared(block: NDArray[np.float16], mean: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return stored vectors whose products with a query are the cosines of `nearest`.

    Shape (n, d), float32. That is `centred`, but for what float16 left of their unit length.
    """
    wide = _widen(block)
    if mean is None:
        return wide
    length = 1 - 2 * (wide @ mean) + float(mean @ mean)
    return np.asarray((wide - mean) / np.sqrt(np.maximum(length, 1e-6))[:, None])


def _widen(block: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return float16 as float32, exactly, for finite numbers: 5 times as fast as ``astype``.

    Sign and the other 15 bits move to their places in a float32, whose exponent counts from 112
    further down; inf and nan would not survive, and unit vectors have none.
    """
    bits = np.left_shift(block.view(np.int16), 13, dtype=np.int32)
    bits &= np.int32(-0x70002000)
    wide = bits.view(np.float32)
    wide *= np.float32(2.0**112)
    return wide


def best(
    scores: NDArray[np.float32],
    allowed: NDArray[np.int64],
    placement: Placement,
    k: int,
    *,
    fold: bool,
) -> NDArray[np.int64]:
    """Return up to k positions, best first, equal scores in the index's order."""
    candidates = min(len(allowed), 4 * k)
    while True:
        chosen: list[int] = []
        families: set[int] = set()
        pictures: set[int] = set()
        for position in _top(scores, allowed, candidates).tolist():
            family, picture = int(placement.families[position]), int(placement.pictures[position])
            if fold and (family in families or picture in pictures):
                continue
            families.add(family)
            pictures.add(picture)
            chosen.append(position)
            if len(chosen) == k:
                break
        if len(chosen) == k or candidates == len(allowed):
            return np.array(chosen, dtype=np.int64)
        candidates = min(len(allowed), 8 * candidates)


def _top(scores: NDArray[np.float32], allowed: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    falling = -scores[allowed]
    if 0 < count < len(allowed):
        worst = np.partition(falling, count - 1)[count - 1]
        allowed = allowed[falling <= worst]
        falling = -scores[allowed]
    return allowed[np.argsort(falling, kind="stable")]
