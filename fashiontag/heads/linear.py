"""Linear heads on one block of features: ridge, logistic and Gaussian, each drawn to a prior.

All three have one shape: targets and a prior in, coefficients out, and scores of training rows
that come from a fit without the row's family. Those left-out scores choose the settings here and
later weigh the heads, calibrate them and set thresholds, so no validation rows are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fashiontag.metrics import average_precision_score, macro

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
HeadName = Literal["ridge", "logistic", "gda"]

FEW = 3
"""Below this many families per label nothing can be chosen by leaving one out."""
FOLDS = 5
CHOOSE_ON = 1_500
"""Rows that choose among settings; they differ by more than what 4,000 rows would see."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How far a head trusts its prior (`prior`) and how stiff it is (`penalty`)."""

    prior: float
    penalty: float


# Ridge: targets are 0 and 1, priors are deviations from what products usually show, so 0.1 means
# that a label's prompt two deviations above the usual counts as a fifth of a positive.
SETTINGS: dict[str, tuple[Setting, ...]] = {
    "ridge": tuple(
        Setting(prior, penalty)
        for prior in (0.03, 0.1)
        for penalty in (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
    ),
    "logistic": tuple(Setting(p, penalty) for p in (0.0, 1.0) for penalty in (0.03, 0.3)),
    "gda": tuple(Setting(p, penalty) for p in (0.0, 1.0) for penalty in (0.3, 3.0)),
}
DEFAULTS = {"ridge": Setting(0.1, 1.0), "logistic": Setting(1.0, 0.1), "gda": Setting(1.0, 1.0)}


@dataclass(frozen=True, slots=True)
class Block:
    """The features of one modality, or of several fused early.

    Attributes
    ----------
    x : ndarray of shape (n, p + 1), float32
        The last column is 1: the intercept is shrunk like all else, so leaving out stays exact.
    usable : ndarray of shape (n,), bool
        Rows that have the modality.
    prior : ndarray of shape (p + 1, t), float32, or None
        Coefficients whose scores are what is believed of each label beforehand, standardised.
    """

    x: Floats
    usable: NDArray[np.bool_]
    prior: Floats | None


@dataclass(frozen=True, slots=True)
class Head:
    """One fitted head.

    Attributes
    ----------
    coef : ndarray of shape (p + 1, t), float32
        Prior included; the intercept is the last row.
    left_out : ndarray of shape (s, t), float32
        Scores of the sampled rows, each from a fit without the row's family.
    setting : Setting
    """

    coef: Floats
    left_out: Floats
    setting: Setting


def fit_head(
    name: HeadName,
    block: Block,
    targets: NDArray[np.int8],
    spans: tuple[slice, ...],
    families: Ints,
    sample: Ints,
) -> Head:
    """Fit one head, choosing its setting by macro average precision of left-out scores.

    Parameters
    ----------
    name : {"ridge", "logistic", "gda"}
    block : Block
    targets : ndarray of shape (n, t), int8
        1, 0, or -1 where unknown.
    spans : tuple of slice
        The columns of each group. A row with no known cell in a group takes no part in it.
    families : ndarray of shape (n,), int64
    sample : ndarray of shape (s,), int64
        The rows whose left-out scores are wanted; whole families.
    """
    spread = DEFAULTS[name] if typical_support(targets, families) < FEW else None
    settings = (spread,) if spread else SETTINGS[name]
    if block.prior is None:
        settings = tuple(dict.fromkeys(Setting(0.0, one.penalty) for one in settings))
    if name == "ridge":
        return _ridge(block, targets, spans, families, sample, settings)
    solve = _logistic if name == "logistic" else _gaussian
    return _by_folds(solve, block, targets, families, sample, settings)


def typical_support(targets: NDArray[np.int8], families: Ints) -> float:
    """Return the median over labels of the number of families that show one."""
    return float(np.median([len(np.unique(families[column == 1])) for column in targets.T]))


# -- ridge ------------------------------------------------------------------------------------


class _Pattern:
    """One system of equations, for all labels whose groups the same rows annotate.

    Z'Z or ZZ', whichever is smaller, is taken apart once for every setting. With the axes V and
    B = Z V, where B'B is diagonal, the solution is V (B'B + λ)⁻¹ B'R and the hat matrix
    B (B'B + λ)⁻¹ B'. Only the sampled rows of B are kept: 17,000 rows would take 70 MB.
    """

    def __init__(
        self,
        block: Block,
        targets: NDArray[np.int8],
        rows: Ints,
        columns: list[int],
        sample: Ints,
        gram: Floats | None,
    ) -> None:
        self.columns = columns
        self.prior = None if block.prior is None else block.prior[:, columns]
        z = block.x if len(rows) == len(block.x) else block.x[rows]
        if gram is not None:
            # Few rows are blank in one group and not in another: taking them off is cheaper than
            # adding up all others again.
            blank = block.usable.copy()
            blank[rows] = False
            gram = gram - block.x[blank].T @ block.x[blank]
        self.axes, self.values = _main_axes(z, gram)
        y = _filled(targets[rows][:, columns])
        self._y_axes = self.axes.T @ (z.T @ y)
        told = 0.0 if self.prior is None else self.axes.T @ (z.T @ (z @ self.prior))
        self._told_axes = told
        self.mine = np.isin(sample, rows)
        self.basis = z[np.searchsorted(rows, sample[self.mine])] @ self.axes  # rows are sorted
        self.y = y[np.searchsorted(rows, sample[self.mine])]

    def solve(self, one: Setting) -> Floats:
        """Return coefficients of shape (p, t), prior included."""
        found = (self._y_axes - one.prior * self._told_axes) / (self.values + one.penalty)[:, None]
        coef = self.axes @ found
        return np.asarray(coef if self.prior is None else coef + one.prior * self.prior, np.float32)

    def leave_out(self, one: Setting, x: Floats, families: Ints, coef: Floats) -> Floats:
        """Return scores of shape (s, t) of sampled rows `x`, each without its family."""
        held = x @ coef
        gain = (1.0 / (self.values + one.penalty)).astype(np.float32)
        error = _leave_out(self.y - held[self.mine], self.basis, gain, families[self.mine])
        held[self.mine] = self.y - error
        return held

    def only(self, some: NDArray[np.bool_]) -> _Pattern:
        """Return the same system with fewer sampled rows."""
        fewer = copy(self)
        fewer.mine = self.mine[some]
        fewer.basis, fewer.y = self.basis[some[self.mine]], self.y[some[self.mine]]
        return fewer


def _main_axes(z: Floats, gram: Floats | None) -> tuple[Floats, Floats]:
    """Return V of shape (p, r) and the diagonal of B'B, of shape (r,); `gram` is Z'Z if known."""
    if len(z) > z.shape[1]:
        values, axes = np.linalg.eigh(z.T @ z if gram is None else gram)
        keep = values > max(values[-1], 1e-30) * 1e-7
        return axes[:, keep], values[keep]
    values, rows = np.linalg.eigh(z @ z.T)
    keep = values > max(values[-1], 1e-30) * 1e-7
    return z.T @ rows[:, keep] / np.sqrt(values[keep]), values[keep]


def _ridge(
    block: Block,
    targets: NDArray[np.int8],
    spans: tuple[slice, ...],
    families: Ints,
    sample: Ints,
    settings: tuple[Setting, ...],
) -> Head:
    by_rows: dict[bytes, list[int]] = {}
    for span in spans:
        known = block.usable & (targets[:, span] >= 0).any(axis=1)
        by_rows.setdefault(known.tobytes(), []).extend(range(targets.shape[1])[span])
    least = min(sum(rows) for rows in by_rows)
    gram = None
    if len(by_rows) > 1 and least > max(block.x.shape[1], block.usable.sum() / 2):
        gram = block.x[block.usable].T @ block.x[block.usable]
    patterns = [
        _Pattern(block, targets, np.flatnonzero(np.frombuffer(rows, bool)), columns, sample, gram)
        for rows, columns in by_rows.items()
        if any(rows)
    ]
    x, kin = block.x[sample], families[sample]

    def left_out(parts: list[_Pattern], one: Setting, x: Floats, kin: Ints) -> Floats:
        out = np.zeros((len(x), targets.shape[1]), np.float32)
        for part in parts:
            out[:, part.columns] = part.leave_out(one, x, kin, part.solve(one))
        return out

    best = settings[0]
    if len(settings) > 1:
        some = _whole_families(kin)
        fewer, truth = [part.only(some) for part in patterns], targets[sample[some]]
        scores = [
            macro(average_precision_score(truth, left_out(fewer, one, x[some], kin[some])))
            for one in settings
        ]
        best = settings[int(np.argmax(np.nan_to_num(scores)))]
    coef = np.zeros((block.x.shape[1], targets.shape[1]), np.float32)
    for part in patterns:
        coef[:, part.columns] = part.solve(best)
    return Head(coef, left_out(patterns, best, x, kin), best)


def _whole_families(families: Ints) -> NDArray[np.bool_]:
    """Mark about `CHOOSE_ON` rows, of whole families."""
    numbers, member = np.unique(families, return_inverse=True)
    share = min(1.0, CHOOSE_ON / len(families))
    taken = np.random.default_rng(0).random(len(numbers)) < share
    return np.asarray(taken[member] | (share == 1.0))


def _filled(targets: NDArray[np.int8]) -> Floats:
    """Return 0/1 targets; a gap in an annotated row gets its label's rate, which says nothing."""
    known = targets >= 0
    rates = (targets == 1).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, targets, rates).astype(np.float32)


def _leave_out(error: Floats, basis: Floats, gain: Floats, families: Ints) -> Floats:
    """Return the errors (I - H_FF)⁻¹ r_F that each family F has when it isn't in the fit."""
    out = np.empty_like(error)
    _, member, sizes = np.unique(families, return_inverse=True, return_counts=True)
    order = np.argsort(member, kind="stable")
    size_of = sizes[member[order]]
    for size in np.unique(sizes):
        rows = order[size_of == size].reshape(-1, size)
        # 256 families at a time keep the gathered rows of a thousand axes below 100 MB.
        for chunk in np.array_split(rows, max(1, rows.size // 256)):
            near = basis[chunk]
            hat = (near * gain) @ near.transpose(0, 2, 1)
            out[chunk] = np.linalg.solve(np.eye(size, dtype=np.float32) - hat, error[chunk])
    return out


def _best(left_out: Floats, targets: NDArray[np.int8]) -> int:
    """Return the place of the setting with the best macro average precision."""
    if len(left_out) == 1:
        return 0
    values = [macro(average_precision_score(targets, scores)) for scores in left_out]
    return int(np.nanargmax(values)) if np.isfinite(values).any() else 0


# -- logistic and Gaussian --------------------------------------------------------------------

Solver = Callable[[Floats, NDArray[np.int8], Floats, float], Floats]


def _by_folds(
    solve: Solver,
    block: Block,
    targets: NDArray[np.int8],
    families: Ints,
    sample: Ints,
    settings: tuple[Setting, ...],
) -> Head:
    """Fit a head that has no closed form for leaving out: five folds of whole families."""
    usable = np.flatnonzero(block.usable)
    fold = np.random.default_rng(0).integers(0, FOLDS, families.max() + 1)[families]

    def fit(rows: Ints, one: Setting) -> Floats:
        prior = np.zeros((block.x.shape[1], targets.shape[1]), np.float32)
        if block.prior is not None:
            prior += np.float32(one.prior) * block.prior
        if not len(rows):
            return prior
        return prior + solve(block.x[rows], targets[rows], block.x[rows] @ prior, one.penalty)

    left_out = np.zeros((len(settings), len(sample), targets.shape[1]), np.float32)
    for number, one in enumerate(settings):
        for held in range(FOLDS):
            mine = fold[sample] == held
            if mine.any():
                coef = fit(usable[fold[usable] != held], one)
                left_out[number][mine] = block.x[sample[mine]] @ coef
    best = _best(left_out, targets[sample])
    return Head(fit(usable, settings[best]), left_out[best], settings[best])


def _logistic(x: Floats, targets: NDArray[np.int8], offset: Floats, penalty: float) -> Floats:
    """Minimise logistic loss of all labels at once plus penalty/2 · ‖W‖², by L-BFGS."""
    from scipy.optimize import minimize

    known = (targets >= 0).astype(np.float32)
    y = (targets == 1).astype(np.float32)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        coef = flat.reshape(x.shape[1], -1).astype(np.float32)
        logits = x @ coef + offset
        chance = 1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60)))
        value = known * (np.logaddexp(0.0, logits) - y * logits)
        gradient = x.T @ (known * (chance - y)) + penalty * coef
        total = float(value.sum()) + 0.5 * penalty * float((coef * coef).sum())
        return total, gradient.ravel().astype(np.float64)

    start = np.zeros(x.shape[1] * targets.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x.reshape(x.shape[1], -1), np.float32)


def _gaussian(x: Floats, targets: NDArray[np.int8], offset: Floats, penalty: float) -> Floats:
    """Return log density ratios of Gaussians with one covariance (Wang et al., ICLR 2024).

    The covariance is shrunk towards its mean variance times `penalty`. The prior takes no part:
    `offset` is ignored here and added by the caller.
    """
    del offset
    features = x[:, :-1]
    centre = features.mean(axis=0)
    spread = (features - centre).T @ (features - centre) / len(x)
    ridge = penalty * max(float(np.trace(spread)) / max(spread.shape[0], 1), 1e-12)
    positive = (targets == 1).astype(np.float32)
    means = positive.T @ features / np.maximum(positive.sum(axis=0), 1.0)[:, None]
    means = np.where(positive.sum(axis=0)[:, None] > 0, means, centre)
    slopes = np.linalg.solve(spread + ridge * np.eye(len(spread)), (means - centre).T)
    intercepts = -0.5 * ((means + centre).T * slopes).sum(axis=0)
    return np.vstack([slopes, intercepts]).astype(np.float32)
