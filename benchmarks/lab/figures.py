"""Scores of one cell → figures with intervals, per attribute group and for all of them.

Intervals are percentiles of a bootstrap that resamples whole families. "All" is the mean of the
groups for everything that groups have. What is undefined is absent, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.bootstrap import FamilyBootstrap, weighted_average_precision
from fashiontag.metrics import (
    BINS,
    PROMISE,
    average_precision_score,
    calibration_error,
    coverage_at_precision,
    micro_average_precision,
)
from fashiontag.metrics import (
    measure as measure_group,
)

if TYPE_CHECKING:
    from fashiontag.labels import Group, LabelSpace

Floats = NDArray[Any]
ALL = "all"
PAIRED = ("ap", "top1")
"""Figures whose differences between methods are tested."""
HALF = 0.5
"""Probability from which a label of an open group is given, fixed without any data."""
MICRO = 100
"""Resamples for the micro average precision, which sorts all cells at once."""
CURVE = tuple(round(step / 20, 2) for step in range(1, 21))
"""Coverages at which the precision of the surest decisions is told."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one group, or all together, reached.

    Attributes
    ----------
    values : dict of str to (value, low, high)
        ``ap``: macro average precision; ``top1``, ``macro_f1``, ``micro_f1``, ``macro_precision``,
        ``macro_recall``; ``coverage``: share of decisions, surest first, that is right to 95 %;
        ``brier``, and ``brier_rates`` of a method that knows the test's rates only;
        ``calibration``: error of the top-1 confidence beyond chance; for all groups also
        ``micro_ap``, ``lrap`` and ``precision_at_3``.
    resampled : dict of str to ndarray of shape (b,)
        The figures in `PAIRED` under each resampling.
    curve : tuple of float
        Precision at the coverages in `CURVE`.
    confusion : dict
        ``truth → {given: count}`` where they differ.
    """

    values: dict[str, list[float]]
    resampled: dict[str, Floats] = field(default_factory=dict)
    curve: tuple[float, ...] = ()
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)


def measure(
    space: LabelSpace,
    truth: NDArray[np.int8],
    scores: Floats,
    bootstrap: FamilyBootstrap,
) -> dict[str, Figures]:
    """Judge scores of shape (n, t) by targets of that shape; one entry a group, and `ALL`."""
    again = weighted_average_precision(truth, scores, bootstrap.weights)
    out = {
        group.name: _group(
            group,
            truth[:, span],
            scores[:, span],
            bootstrap,
            again[:, span],
        )
        for group in space.groups
        for span in [space.span(group.name)]
    }
    out[ALL] = _all(out, truth, scores, bootstrap)
    return out


def _group(
    group: Group,
    truth: NDArray[np.int8],
    scores: Floats,
    bootstrap: FamilyBootstrap,
    again: Floats,
) -> Figures:
    """Put intervals around what `fashiontag.metrics.measure` finds; `again` is (b, t)."""
    known = (truth == 1).any(axis=1)
    found = measure_group(truth, scores, known, exclusive=group.exclusive)
    resampled = {"ap": np.nanmean(again, axis=1)}
    values = {"ap": interval(float(np.nanmean(found.average_precision)), resampled["ap"])}
    if not group.exclusive:
        given = scores >= HALF
        values |= _f1(truth, given, bootstrap)
        return Figures(values, resampled)
    right, sure = found.right, found.confidence
    weights = bootstrap.weights[:, known]
    sizes = np.maximum(weights.sum(axis=1), 1)
    resampled["top1"] = weights @ right / sizes
    values["top1"] = interval(found.accuracy, resampled["top1"])
    given = np.zeros_like(truth, bool)
    given[np.flatnonzero(known)[found.opinion], found.given[found.opinion]] = True
    values |= _f1(np.where(known[:, None], truth, -1), given, bootstrap)
    order = np.argsort(-sure, kind="stable")
    precisions = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    curve = [precisions[max(0, round(share * len(order)) - 1)] for share in CURVE]
    values["coverage"] = coverage_interval(right, sure, weights)
    hot = truth[known]
    if scores.min() >= 0 and scores.sum(axis=1).max() <= 1.001:  # probabilities, not just ranks
        squares = ((scores[known] - hot) ** 2).mean(axis=1)
        values["brier"] = interval(found.brier, weights @ squares / sizes)
        constant = ((hot.mean(axis=0) - hot) ** 2).mean(axis=1)
        values["brier_rates"] = interval(found.brier_rates, weights @ constant / sizes)
        values["calibration"] = calibration_interval(right, sure, weights)
    names = group.names
    confusion: dict[str, dict[str, int]] = {}
    wrong = zip(hot[~right].argmax(axis=1).tolist(), found.given[~right].tolist(), strict=True)
    for row, column in wrong:
        line = confusion.setdefault(names[row], {})
        line[names[column]] = line.get(names[column], 0) + 1
    return Figures(values, resampled, tuple(round(float(one), 4) for one in curve), confusion)


def _f1(truth: NDArray[np.int8], given: NDArray[np.bool_], bootstrap: FamilyBootstrap) -> Any:  # noqa: ANN401
    """Return macro F1, precision and recall over labels with positives, and micro F1."""
    weights = np.vstack([np.ones((1, len(truth)), np.float32), bootstrap.weights])
    hits = weights @ ((truth == 1) & given)
    wrong = weights @ ((truth == 0) & given)
    missed = weights @ ((truth == 1) & ~given)
    with np.errstate(invalid="ignore"):
        each = np.where(hits + missed > 0, 2 * hits / (2 * hits + wrong + missed), np.nan)
        # A label that is there and never given has precision 0, as in scikit-learn.
        exact = np.where(hits + missed > 0, hits / np.maximum(hits + wrong, 1), np.nan)
        found = np.where(hits + missed > 0, hits / (hits + missed), np.nan)
        total = 2 * hits.sum(axis=1) / (2 * hits + wrong + missed).sum(axis=1)
    average, precision, recall = (np.nanmean(one, axis=1) for one in (each, exact, found))
    return {
        "macro_f1": interval(float(average[0]), average[1:]),
        "macro_precision": interval(float(precision[0]), precision[1:]),
        "macro_recall": interval(float(recall[0]), recall[1:]),
        "micro_f1": interval(float(total[0]), total[1:]),
    }


def coverage_interval(right: NDArray[np.bool_], sure: Floats, weights: Floats) -> list[float]:
    """Return `coverage_at_precision` with its interval, from weightings of the rows, (b, n)."""
    value = coverage_at_precision(right, sure)
    order = np.argsort(-sure, kind="stable")
    right, weights = right[order], weights[:, order]
    taken = np.cumsum(weights, axis=1)
    good = np.cumsum(weights * right, axis=1) >= PROMISE * taken - 1e-4
    good &= taken > 0
    last = np.where(good.any(axis=1), good.shape[1] - 1 - good[:, ::-1].argmax(axis=1), -1)
    rows = np.arange(len(weights))
    covered = np.where(last >= 0, taken[rows, last] / np.maximum(taken[:, -1], 1), 0.0)
    return interval(value, covered)


def calibration_interval(right: NDArray[np.bool_], sure: Floats, weights: Floats) -> list[float]:
    """Return the calibration error with an interval around it.

    Resampling adds its own noise to a mean of absolute gaps, so only the spread of the resampled
    gaps is taken, not where they lie.
    """
    value = calibration_error(right, sure)
    parts = np.array_split(np.argsort(sure, kind="stable"), min(BINS, len(sure)))
    signed = weights * (right - sure)
    total = np.maximum(weights.sum(axis=1), 1)
    gaps = np.sum([np.abs(signed[:, part].sum(axis=1)) for part in parts], axis=0) / total
    told = interval(value, value + gaps - np.mean(gaps))
    return [max(0.0, one) for one in told]


def _all(
    groups: dict[str, Figures],
    truth: NDArray[np.int8],
    scores: Floats,
    bootstrap: FamilyBootstrap,
) -> Figures:
    values: dict[str, list[float]] = {}
    resampled = {}
    for name in PAIRED:
        mine = [one for one in groups.values() if name in one.values]
        if mine:
            resampled[name] = np.mean([one.resampled[name] for one in mine], axis=0)
            mean = float(np.mean([one.values[name][0] for one in mine]))
            values[name] = interval(mean, resampled[name])
    rows = (truth == 1).any(axis=1)
    hidden = np.where(truth >= 0, scores, -np.inf)
    each = average_precision_score(truth[rows].T, hidden[rows].T)
    values["lrap"] = _mean(each, bootstrap.weights[:, rows])
    best = np.argsort(-hidden[rows], axis=1, kind="stable")[:, :3]
    hits = np.take_along_axis(truth[rows] == 1, best, axis=1).mean(axis=1)
    values["precision_at_3"] = _mean(hits, bootstrap.weights[:, rows])
    some = np.repeat(bootstrap.weights[:MICRO], truth.shape[1], axis=1)
    cells, flat = truth.reshape(-1, 1), scores.reshape(-1, 1)
    again = weighted_average_precision(cells, flat, some)[:, 0]
    values["micro_ap"] = interval(micro_average_precision(truth, scores), again)
    return Figures(values, resampled)


def _mean(values: Floats, weights: Floats) -> list[float]:
    return interval(float(values.mean()), weights @ values / np.maximum(weights.sum(axis=1), 1))


def interval(value: float, resampled: Floats) -> list[float]:
    """Return a value and its 95 % percentile interval as a row has them, to four places."""
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return [round(float(one), 4) for one in (value, low, high)]
