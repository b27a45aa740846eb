"""How sure a figure is: families of products resampled whole, and intervals of what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fashiontag.metrics import Scores, Truth

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class FamilyBootstrap:
    """Resamples whole families, so that near-duplicates don't count as evidence twice.

    Parameters
    ----------
    families : ndarray of shape (n,)
        Rows of equal value belong together.
    resamples : int
    seed : int
        The same seed gives the same resamples: differences of two methods are paired.
    """

    def __init__(self, families: NDArray[Any], resamples: int = 2_000, seed: int = 0) -> None:
        _, row_family = np.unique(families, return_inverse=True)
        count = int(row_family.max()) + 1
        rng = np.random.default_rng(seed)
        times = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
        self.weights: NDArray[np.float32] = times[:, row_family].astype(np.float32)

    def interval(self, value: float, resampled: Floats) -> Interval:
        """Put the percentile interval of resampled values, shape (b,), around a value."""
        low, high = np.nanpercentile(resampled, [2.5, 97.5])
        return Interval(value, float(low), float(high))

    def mean(self, values: Floats) -> Interval:
        """Return the mean of values, shape (n,), with its interval; NaN values don't count."""
        known = ~np.isnan(values)
        weights = self.weights[:, known]
        means = weights @ values[known] / np.maximum(weights.sum(axis=1), 1)
        return self.interval(float(values[known].mean()), means)


def weighted_average_precision(
    truth: Truth, scores: Scores, weights: NDArray[np.floating[Any]]
) -> Floats:
    """Return average precision under several weightings of the rows.

    One sort serves them all, which makes a bootstrap of 2,000 resamples affordable.

    Parameters
    ----------
    truth, scores : ndarray of shape (n, t)
    weights : ndarray of shape (b, n)
        How often each row counts.

    Returns
    -------
    ndarray of shape (b, t), float64; NaN where no positive has weight
    """
    result = np.full((len(weights), truth.shape[1]), np.nan)
    by_row = np.ascontiguousarray(weights.T)  # a row's weights lie together: four times as fast
    for label in range(truth.shape[1]):
        order, positive, ends = _ranking(truth[:, label], scores[:, label])
        if not len(positive):
            continue
        hits = by_row[order[positive]]
        upto = np.searchsorted(positive, ends, side="right") - 1
        taken = _sums_upto(by_row, order, ends)
        found = _sums_upto(hits, np.arange(len(hits)), upto)
        sums = (hits * found / np.maximum(taken, 1e-12)).sum(axis=0)
        total = hits.sum(axis=0)
        result[:, label] = np.where(total > 0, sums / np.maximum(total, 1e-12), np.nan)
    return result


def _ranking(
    truth: Truth, scores: Scores
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the known rows, best first, the places of positives, and where their ties end.

    Rows of equal score enter together: precision is read where the last of them stands.
    """
    known = np.flatnonzero(truth >= 0)
    values = -scores[known]
    order = np.argsort(values)  # the order within ties doesn't matter
    positive = np.flatnonzero(truth[known[order]] == 1)
    values = values[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    return known[order], positive, last[np.searchsorted(last, positive)]


def _sums_upto(rows: Floats, order: NDArray[np.int64], ends: NDArray[np.int64]) -> Floats:
    """Return the sums of ordered rows up to and with some places, themselves in ascending order.

    Summed from place to place, for these are few: a running sum over every row took 20 times as
    long.
    """
    out = np.empty((len(ends), rows.shape[1]), rows.dtype)
    total, begun = np.zeros(rows.shape[1], rows.dtype), 0
    for at, end in enumerate(ends.tolist()):
        if end == begun:  # between neighbours, as positives mostly are where a ranking is good
            total += rows[order[end]]
        elif end > begun:
            total += np.add.reduce(rows[order[begun : end + 1]], axis=0)
        out[at], begun = total, end + 1
    return out
