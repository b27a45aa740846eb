"""Scores of several heads → probabilities, thresholds, and a promise of precision.

Everything is fitted on left-out scores (see `linear`): a row's own family never speaks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fashiontag.heads.groups import GroupSpan

Floats = NDArray[np.float32]

OFFSET_FROM = 8
"""Positives from which a label gets an offset of its own."""
SHRINK = 10
"""Positives at which a label's own threshold weighs as much as the global one."""
CONFIDENCE = 0.95
STEPS = 40
"""Thresholds that are tried. With 12, a step is a third of what is published: .67 of val's colours
and .66 of its usages where 40 reach .87 and .88."""
MOST_MORE = 10
"""Times as many labels as there are, beyond which nobody is advised to go."""
BELIEF = 15.0
"""Belief in the default weights, in products; that in equal offsets is one product's. On val, at 4
to 16 shots, 5 lost .001 to it where titles are masked, and 50 lost as much where they are plain."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One weight per head and group, one offset per label.

    Logits are ``Σ_m weights[g, m] · scores_m + offsets``; an exclusive group takes their softmax
    with ``none``, the logit of having no label of the group; an open group their sigmoid.

    Attributes
    ----------
    groups : tuple of g GroupSpan
    weights : ndarray of shape (g, m), float32, at least 0
    offsets : ndarray of shape (t,), float32
    none : ndarray of shape (g,), float32
        -inf where every annotated product has a label of the group.
    """

    groups: tuple[GroupSpan, ...]
    weights: Floats
    offsets: Floats
    none: Floats

    def fit(
        self,
        scores: Sequence[Floats],
        targets: NDArray[np.int8],
        units: Floats,
        *,
        fixed: bool = False,
    ) -> Stack:
        """Return what maximum likelihood makes of this stack, to whose weights it is drawn.

        Here, ``none`` belongs to the first head's scores, and is weighed with them.

        Parameters
        ----------
        scores : sequence of m ndarrays of shape (n, t)
            Left-out scores of each head.
        targets : ndarray of shape (n, t), int8
        units : ndarray of shape (m,), float32
            A weight that is plausible for each head: distances are measured in it.
        fixed : bool
            Keep the weights as they are: too few families to learn from.
        """
        weights, offsets = self.weights.copy(), np.zeros_like(self.offsets)
        none = np.full_like(self.none, -np.inf)
        # Two threads wait for each other in the small steps of a search: 5.1 s where one took 3.2.
        with threadpool_limits(1, "blas"):
            for number, group in enumerate(self.groups):
                span = group.span
                rows = (targets[:, span] >= 0).any(axis=1)
                if rows.any():
                    likelihood = _GroupFit(
                        np.stack([block[rows][:, span] for block in scores]),
                        targets[rows][:, span],
                        self.weights[number],
                        units,
                        float(self.none[number]),
                        exclusive=group.exclusive,
                    )
                    weights[number], offsets[span], none[number] = likelihood.solve(fixed=fixed)
        return Stack(self.groups, weights, offsets, none)

    def logits(self, scores: Sequence[Floats]) -> Floats:
        """Return the weighted sum of the heads' scores, shape (n, t)."""
        out = np.tile(self.offsets, (len(scores[0]), 1))
        for group, weights in zip(self.groups, self.weights, strict=True):
            for weight, block in zip(weights, scores, strict=True):
                out[:, group.span] += weight * block[:, group.span]
        return out

    def probabilities(self, logits: Floats) -> Floats:
        """Return probabilities of shape (n, t), in [0, 1]."""
        out = np.empty_like(logits)
        for group, none in zip(self.groups, self.none.tolist(), strict=True):
            own = logits[:, group.span]
            if group.exclusive:
                with_none = np.column_stack([own, np.full(len(own), none, own.dtype)])
                out[:, group.span] = softmax(with_none, axis=1)[:, :-1]
            else:
                out[:, group.span] = expit(own)
        return out


class _GroupFit:
    """The likelihood of one group's weights and offsets.

    They are drawn to ``weights``; ``none`` is the first head's logit of having no label, -inf where
    it has none.
    """

    def __init__(
        self,
        scores: Floats,
        targets: NDArray[np.int8],
        weights: Floats,
        units: Floats,
        none: float,
        *,
        exclusive: bool,
    ) -> None:
        self.exclusive = exclusive
        self.prior_has_none = exclusive and np.isfinite(none)
        self.prior_none = none if self.prior_has_none else 0.0
        self.units = units.astype(np.float64)
        self.default = weights / self.units
        self.scores = scores.reshape(len(scores), -1)
        self.y = (targets == 1).astype(np.float64)
        self.known = (targets >= 0).astype(np.float64)
        self.has_none = exclusive and bool((self.known.all(axis=1) & ~self.y.any(axis=1)).any())
        self.free = self.y.sum(axis=0) >= OFFSET_FROM
        # A search looks some sixty times at arrays of megabytes; their memory is asked for once.
        self._votes = np.empty((1, targets.size), np.float32)
        self._slope = np.empty((targets.size, 1), np.float32)
        self._full = np.empty((len(targets), targets.shape[1] + 1))
        if exclusive:
            neither = (1 - self.y.max(axis=1)) * self.has_none
            self.truth = np.column_stack([self.y, neither])
            self.weight = self.known.max(axis=1) * self.truth.sum(axis=1)

    def solve(self, *, fixed: bool) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Return weights, offsets and the logit of none.

        The last parameter is what all labels share: the logit of none in an exclusive group, the
        common offset in an open one.
        """
        from scipy.optimize import minimize

        m, t = len(self.default), self.y.shape[1]
        # Heads differ in scale: searching in units of plausible weights makes one step fit all.
        start = np.concatenate([self.default, np.zeros(t + 1)])
        shared = not (fixed and self.prior_has_none) if self.has_none else not self.exclusive
        bounds: list[tuple[float | None, float | None]]
        bounds = [(w, w) if fixed else (0.0, None) for w in self.default.tolist()]
        bounds += [(None, None) if free and not fixed else (0.0, 0.0) for free in self.free]
        bounds += [(None, None) if shared else (0.0, 0.0)]
        found = minimize(
            self._loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60}
        ).x
        last = float(found[-1])
        weights, offsets = found[:m] * self.units, found[m:-1]
        if self.exclusive:
            return weights, offsets, self._none(weights[0], last)
        return weights, offsets + last, -np.inf

    def _none(self, first_weight: float, own: float) -> float:
        """Return the logit of none: that of the first head, as it is weighed, plus its own."""
        if self.has_none or self.prior_has_none:
            return first_weight * self.prior_none + own
        return -np.inf

    def _loss(self, at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        m = len(self.default)
        weights = (at[:m] * self.units).astype(np.float32)
        np.dot(weights[None], self.scores, out=self._votes)
        logits, full = self._full[:, :-1], self._full
        np.add(self._votes.reshape(logits.shape), at[m:-1], out=logits)
        if self.exclusive:
            none = self._none(weights[0], at[-1])
            full[:, -1] = none
            true_logit = np.einsum("ij,ij->i", self.y, logits)
            if self.has_none:
                true_logit += none * self.truth[:, -1]
            top = full.max(axis=1, keepdims=True)
            full -= top
            np.exp(full, out=full)
            total = full.sum(axis=1, keepdims=True)
            value = float(self.weight @ (top[:, 0] + np.log(total[:, 0]) - true_logit))
            full /= total
            full -= self.truth
            full *= self.weight[:, None]
            slope, none_slope = logits, float(full[:, -1].sum())
            shared_slope = none_slope if self.has_none else 0.0
        else:
            logits += at[-1]
            value = float((self.known * (np.logaddexp(0.0, logits) - self.y * logits)).sum())
            slope = self.known * (expit(logits) - self.y)
            shared_slope, none_slope = float(slope.sum()), 0.0
        drawn = at[:m] - self.default
        value += BELIEF / 2 * float(drawn @ drawn) + 0.5 * float(at[m:-1] @ at[m:-1])
        value += 0.01 * at[-1] ** 2
        self._slope.reshape(slope.shape)[:] = slope
        by_head = np.dot(self.scores, self._slope)[:, 0] * self.units
        by_head[0] += none_slope * self.prior_none * self.units[0]
        shared_slope += 0.02 * at[-1]
        return value, np.concatenate(
            [by_head + BELIEF * drawn, slope.sum(axis=0) + at[m:-1], [shared_slope]]
        )


def candidates(probabilities: Floats, groups: Sequence[GroupSpan]) -> Floats:
    """Return what may be given: probabilities, 0 for all but the best of an exclusive group."""
    out = probabilities.copy()
    for group in groups:
        if group.exclusive:
            values = out[:, group.span]
            values[np.arange(values.shape[1]) != values.argmax(axis=1)[:, None]] = 0
    return out


def f1_thresholds(
    offered: Floats, targets: NDArray[np.int8], groups: Sequence[GroupSpan]
) -> Floats:
    """Return per label the lowest probability at which it is given, shape (t,), in [0, 1].

    The label's own best threshold for F1, drawn to its group's: n/(n + 10) with n positives.
    """
    out = np.full(offered.shape[1], 0.5, np.float32)
    for group in groups:
        shared = _best_f1(offered[:, group.span].ravel(), targets[:, group.span].ravel())
        for column in range(offered.shape[1])[group.span]:
            positives = int((targets[:, column] == 1).sum())
            own = _best_f1(offered[:, column], targets[:, column]) if positives else shared
            weight = positives / (positives + SHRINK)
            out[column] = weight * own + (1 - weight) * shared
    return out


def _best_f1(scores: Floats, targets: NDArray[np.int8]) -> float:
    known = targets >= 0
    order = np.argsort(-scores[known], kind="stable")
    values, hits = scores[known][order], np.cumsum(targets[known][order] == 1)
    if not len(hits) or not hits[-1]:
        return 0.5
    last = np.append(values[1:] != values[:-1], True) & (values > 0)
    f1 = np.where(last, 2 * hits / (np.arange(1, len(hits) + 1) + hits[-1]), -1.0)
    best = int(f1.argmax())
    # Halfway to the next score: a threshold on a training score itself would miss its twin.
    below = values[best + 1] if best + 1 < len(values) else 0.0
    return float(values[best] + below) / 2


def promise_thresholds(
    offered: Floats,
    targets: NDArray[np.int8],
    families: NDArray[np.int64],
    precision: float,
    groups: Sequence[GroupSpan] | None = None,
) -> Floats:
    """Return per label the lowest probability from which a promise of precision holds.

    The promise is one per group, or per label: of a group's accepted tags, or of each label's. The
    bound is Clopper and Pearson's (1934), one-sided at 95 %, of as many tags as the accepted ones
    are worth, see `_worth`; 59 families without an error are the least that promise 95 %. Every
    threshold that is tried is another chance to be lucky (Learn then Test, Angelopoulos et al.
    2021), see `_surely`. A label that is clearly worse than its group's promise, by the upper
    bound of its own, is held back.

    Parameters
    ----------
    offered : ndarray of shape (n, t), float32
        From `candidates`, on left-out scores.
    targets : ndarray of shape (n, t), int8
    families : ndarray of shape (n,), int64
    precision : float in (0, 1)
    groups : sequence of GroupSpan, or None
        None makes a promise for each label alone.

    Returns
    -------
    ndarray of shape (t,), float32; inf for a label that can't be promised
    """
    from scipy.stats import beta

    out = np.full(offered.shape[1], np.inf, np.float32)
    columns = np.arange(offered.shape[1])
    units = columns[:, None] if groups is None else [columns[group.span] for group in groups]
    for unit in units:
        own, truth = offered[:, unit], targets[:, unit]
        out[unit] = threshold = _promise(own, truth, families, precision)
        for column in unit if len(unit) > 1 and np.isfinite(threshold) else ():
            accepted = (targets[:, column] >= 0) & (offered[:, column] >= threshold)
            count, wrong = _worth(targets[accepted, column] == 0, families[accepted])
            if wrong and beta.ppf(CONFIDENCE, count - wrong + 1, wrong) < precision:
                out[column] = np.inf
    return out


def _promise(
    offered: Floats, targets: NDArray[np.int8], families: NDArray[np.int64], precision: float
) -> float:
    """Return the threshold of some labels together; inf if there is none."""
    least = int(np.ceil(np.log(1 - CONFIDENCE) / np.log(precision)))
    values, sizes, counts, wrong = _ranked(offered, targets, families, least)
    kept = np.flatnonzero(_surely(counts, wrong, precision) >= precision)
    return float(values[sizes[kept[-1]] - 1]) if len(kept) else float("inf")


class Outlook(NamedTuple):
    """How many more labelled products would buy what share of a group's products."""

    more: int
    share: float


def outlook(
    offered: Floats, targets: NDArray[np.int8], families: NDArray[np.int64], precision: float
) -> Outlook:
    """Return what a promise for some labels together would reach, were more products labelled.

    Supposing that they are right as often as these: of all shares that are right often enough, the
    largest whose bound at most `MOST_MORE` times as many labels would bring to the precision.

    Parameters
    ----------
    offered : ndarray of shape (n, t), float32
        From `candidates`, on left-out scores.
    targets : ndarray of shape (n, t), int8
    families : ndarray of shape (n,), int64
    precision : float in (0, 1)
    """
    values, sizes, counts, wrong = _ranked(offered, targets, families, 1)
    times = np.geomspace(1, MOST_MORE, 60)[:, None]
    holds = _surely(counts * times, wrong * times, precision) >= precision
    reached = np.flatnonzero(holds.any(axis=0))
    if not len(reached):
        return Outlook(0, 0.0)
    fewest = float(times[holds[:, reached[-1]].argmax(), 0])
    more = round((fewest - 1) * int((targets >= 0).any(axis=1).sum()))
    return Outlook(more, float(sizes[reached[-1]] / len(values)))


def _surely(count: NDArray[Any], wrong: NDArray[Any], precision: float) -> NDArray[np.float64]:
    """Return Clopper and Pearson's lower bounds of the share that is right; last axis: steps.

    Every doubling of what could promise the precision at all is a try of its own (Bonferroni);
    steps within one see nearly the same tags.
    """
    from scipy.stats import beta

    if not count.size:
        return np.zeros(count.shape)
    least = np.log(1 - CONFIDENCE) / np.log(precision)
    tries = 1 + np.log2(np.maximum(count.max(axis=-1, keepdims=True) / least, 1))
    return np.asarray(beta.ppf((1 - CONFIDENCE) / tries, count - wrong, wrong + 1))


def _worth(wrong: NDArray[np.bool_], families: NDArray[np.int64]) -> tuple[float, float]:
    """Return how many independent tags some are worth, and how many of these are wrong.

    Tags of one family tend to be right or wrong together, so they are worth as many as would leave
    the share of wrong ones equally uncertain (Korn and Graubard 1998), and never more than there
    are families.
    """
    if not len(wrong):
        return 0.0, 0.0
    share, member = wrong.mean(), np.unique(families, return_inverse=True)[1]
    worth = float(member.max() + 1)
    if 0 < share < 1:
        varies = (np.bincount(member, wrong - share) ** 2).sum()
        worth = min(worth, float(share * (1 - share) * len(wrong) ** 2 / varies))
    return worth, worth * float(share)


def _ranked(
    offered: Floats,
    targets: NDArray[np.int8],
    families: NDArray[np.int64],
    least: int,
) -> tuple[Floats, NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the known tags' scores, best first, some of their numbers, and what these are worth.

    From `least` on, at most `STEPS` up to all of them; nothing where there are fewer.
    """
    rows, columns = np.nonzero((targets >= 0) & (offered > 0))
    order = np.argsort(-offered[rows, columns], kind="stable")
    values = offered[rows, columns][order]
    kin, wrong = families[rows][order], targets[rows, columns][order] == 0
    sizes = np.zeros(0, np.int64)
    if len(values) >= least:
        sizes = np.unique(np.geomspace(least, len(values), STEPS).astype(np.int64))
    worth = np.array([_worth(wrong[:size], kin[:size]) for size in sizes]).reshape(-1, 2)
    return values, sizes, worth[:, 0], worth[:, 1]
