"""Multi-label metrics, named as in scikit-learn; what is undefined is NaN, never counted as 0.

Truth is int8 of shape (n, t): 1 holds, 0 doesn't, -1 isn't known. Scores are higher for more
likely labels. A cell that isn't known takes part in nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Truth = NDArray[np.int8]
Scores = NDArray[Any]
Floats = NDArray[np.float64]

PROMISE = 0.95
BINS = 15


def average_precision_score(truth: Truth, scores: Scores) -> Floats:
    """Return each label's average precision, as scikit-learn defines it.

    Parameters
    ----------
    truth : ndarray of shape (n, t), int8
    scores : ndarray of shape (n, t)

    Returns
    -------
    ndarray of shape (t,), float64, in [0, 1]
        NaN for a label without a known positive, where scikit-learn gives 0.
    """
    result = np.full(truth.shape[1], np.nan)
    for label in range(truth.shape[1]):
        known = truth[:, label] >= 0
        ranked = -scores[known, label]  # ascending is best first, and what is NaN comes last
        positive = np.sort(ranked[truth[known, label] == 1])
        if len(positive):
            # Rows of equal score enter together: precision is read where the last of them stands.
            found = np.searchsorted(positive, positive, side="right")
            taken = np.searchsorted(np.sort(ranked), positive, side="right")
            result[label] = (found / taken).mean()
    return result


def macro(values: Floats) -> float:
    """Return the mean over labels that are defined; NaN if none is."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def micro_average_precision(truth: Truth, scores: Scores) -> float:
    """Return the average precision over all known cells at once; NaN without a positive."""
    return float(average_precision_score(truth.reshape(-1, 1), scores.reshape(-1, 1))[0])


def f1_score(truth: Truth, given: NDArray[np.bool_]) -> Floats:
    """Return each label's F1, shape (t,); NaN for a label without a known positive."""
    hits = ((truth == 1) & given).sum(axis=0)
    wrong = ((truth == 0) & given).sum(axis=0)
    missed = ((truth == 1) & ~given).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(hits + missed > 0, 2 * hits / (2 * hits + wrong + missed), np.nan)


def label_ranking_average_precision_score(truth: Truth, scores: Scores) -> float:
    """Return the mean over products of the precision at each of their labels; NaN without any."""
    rows = (truth == 1).any(axis=1)
    hidden = np.where(truth >= 0, scores, -np.inf)
    return macro(average_precision_score(truth[rows].T, hidden[rows].T)) if rows.any() else np.nan


def precision_at(truth: Truth, scores: Scores, k: int = 3) -> float:
    """Return how many of a product's k best known labels hold, as a share; NaN without products."""
    rows = (truth >= 0).sum(axis=1) >= k
    if not rows.any():
        return float("nan")
    hidden = np.where(truth[rows] >= 0, scores[rows], -np.inf)
    best = np.argsort(-hidden, axis=1, kind="stable")[:, :k]
    return float((np.take_along_axis(truth[rows], best, axis=1) == 1).mean())


def brier_score(truth: Truth, probabilities: Scores) -> float:
    """Return the mean squared error of probabilities over known cells; lower is better."""
    known = truth >= 0
    return float(np.mean((probabilities[known] - truth[known]) ** 2)) if known.any() else np.nan


def coverage_at_precision(
    right: NDArray[np.bool_], confidence: Scores, precision: float = PROMISE
) -> float:
    """Return the largest share of decisions, surest first, that is right often enough.

    Parameters
    ----------
    right : ndarray of shape (n,), bool
        Whether each decision is right.
    confidence : ndarray of shape (n,)
    precision : float in (0, 1]
    """
    if not len(right):
        return float("nan")
    order = np.argsort(-confidence, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(right) + 1)
    good = np.flatnonzero(share >= precision)
    return float((good[-1] + 1) / len(right)) if len(good) else 0.0


def calibration_error(
    right: NDArray[np.bool_], confidence: Scores, *, bins: int = BINS, seed: int = 0
) -> float:
    """Return how far confidence is from the share that is right, beyond what chance shows.

    The mean absolute gap over bins of equal mass, minus the mean gap of a perfect model with the
    same confidences (200 draws): at 30 products in a bin, chance alone makes 7 points.

    Parameters
    ----------
    right : ndarray of shape (n,), bool
    confidence : ndarray of shape (n,), in [0, 1]

    Returns
    -------
    float, at least 0; NaN without decisions
    """
    if not len(right):
        return float("nan")
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    share = np.array([len(part) for part in parts]) / len(order)
    means = np.array([confidence[part].mean() for part in parts])
    gap = float(share @ np.abs(means - [right[part].mean() for part in parts]))
    rng = np.random.default_rng(seed)
    chance = 0.0
    for part, weight, expected in zip(parts, share, means, strict=True):
        draws = rng.random((200, len(part))) < confidence[part]
        chance += weight * float(np.abs(draws.mean(axis=1) - expected).mean())
    return max(0.0, gap - chance)


def label_rates(truth: Truth) -> NDArray[np.float32]:
    """Return how often each label holds where it is known, shape (t,)."""
    known = np.maximum((truth >= 0).sum(axis=0), 1)
    return np.asarray((truth == 1).sum(axis=0) / known, np.float32)


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """What scores reach in one attribute group, and the m decisions that they lead to.

    Attributes
    ----------
    average_precision : ndarray of shape (t,), float64
    given : ndarray of shape (m,), int64
        The label that each decision is about, as a column of the group.
    opinion : ndarray of shape (m,), bool
        False where all of several labels score alike: such a decision counts as wrong.
    right : ndarray of shape (m,), bool
    confidence : ndarray of shape (m,)
        The score of what is given.
    brier, brier_rates : float
        Mean squared error of the scores, and of always saying each label's rate.
    """

    average_precision: Floats
    given: NDArray[np.int64]
    opinion: NDArray[np.bool_]
    right: NDArray[np.bool_]
    confidence: Scores
    brier: float
    brier_rates: float

    @property
    def accuracy(self) -> float:
        """The share of decisions that is right; NaN without any."""
        return float(self.right.mean()) if len(self.right) else float("nan")

    @property
    def coverage(self) -> float:
        """See `coverage_at_precision`."""
        return coverage_at_precision(self.right, self.confidence)

    @property
    def calibration(self) -> float:
        """See `calibration_error`."""
        return calibration_error(self.right, self.confidence)


def measure(
    truth: Truth, scores: Scores, rows: NDArray[np.bool_], *, exclusive: bool
) -> GroupFigures:
    """Judge the scores of one attribute group.

    Parameters
    ----------
    truth : ndarray of shape (n, t), int8
        The group's columns.
    scores : ndarray of shape (n, t)
    rows : ndarray of shape (n,), bool
        Products on which decisions are judged.
    exclusive : bool
        Whether a product's decision is its best label, or every known cell is one.
    """
    known, values = truth[rows], scores[rows]
    if exclusive:
        given, confidence = values.argmax(axis=1), values.max(axis=1)
        opinion = (confidence > values.min(axis=1)) | (truth.shape[1] == 1)
        right = (np.take_along_axis(known, given[:, None], 1)[:, 0] == 1) & opinion
    else:
        given = np.nonzero(known >= 0)[1]
        opinion = np.ones(len(given), bool)
        right, confidence = known[known >= 0] == 1, values[known >= 0]
    rates = np.tile(label_rates(known), (len(known), 1))
    return GroupFigures(
        average_precision_score(truth, scores),
        given,
        opinion,
        right,
        confidence,
        brier_score(known, values),
        brier_score(known, rates),
    )
