"""Heads that lost to ridge regression (`fashiontag.heads.linear`), for the suites to compare.

They have no closed form for leaving out, so left-out scores come from five folds of families.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashiontag.heads.linear import (
    Block,
    FittedHead,
    Labelled,
    Ridge,
    Setting,
    usable_settings,
)
from fashiontag.metrics import average_precision_score, macro

if TYPE_CHECKING:
    from fashiontag.heads.linear import Ints

Floats = NDArray[np.float32]

FOLDS = 5


class _ByFolds(Ridge):
    """A head that is fitted once per setting and fold of whole families."""

    unit = 1.0  # its scores are logits
    settings: tuple[Setting, ...]
    default: Setting

    def solve(self, x: Floats, targets: NDArray[np.int8], offset: Floats, penalty: float) -> Floats:
        """Return coefficients of shape (p + 1, t) to be added to a prior of scores `offset`."""
        raise NotImplementedError

    def fit(self, block: Block, labelled: Labelled) -> FittedHead:
        """Fit, choosing a setting by macro average precision of left-out scores."""
        targets, families, sample = labelled.targets, labelled.families, labelled.sample
        settings = usable_settings(block, labelled, self.settings, self.default)
        usable = np.flatnonzero(block.usable)
        fold = np.random.default_rng(0).integers(0, FOLDS, families.max() + 1)[families]

        def fit(rows: Ints, setting: Setting) -> Floats:
            prior = np.zeros((block.x.shape[1], targets.shape[1]), np.float32)
            if block.prior is not None:
                prior += np.float32(setting.prior) * block.prior
            if not len(rows):
                return prior
            x = block.x[rows]
            return prior + self.solve(x, targets[rows], x @ prior, setting.penalty)

        left_out = np.zeros((len(settings), len(sample), targets.shape[1]), np.float32)
        for scores, setting in zip(left_out, settings, strict=True):
            for held in range(FOLDS):
                rows = fold[sample] == held
                if rows.any():
                    coef = fit(usable[fold[usable] != held], setting)
                    scores[rows] = block.x[sample[rows]] @ coef
        best = _best(left_out, targets[sample])
        return FittedHead(fit(usable, settings[best]), left_out[best], settings[best])


@dataclass(frozen=True)
class Logistic(_ByFolds):
    """Logistic loss of all labels at once plus penalty/2 · ‖W‖², by L-BFGS."""

    settings = tuple(Setting(p, penalty) for p in (0.0, 1.0) for penalty in (0.03, 0.3))
    default = Setting(1.0, 0.1)

    def solve(self, x: Floats, targets: NDArray[np.int8], offset: Floats, penalty: float) -> Floats:
        """Minimise the loss."""
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


@dataclass(frozen=True)
class Gaussian(_ByFolds):
    """Log density ratios of Gaussians with one covariance (Wang et al., ICLR 2024).

    The covariance is shrunk towards its mean variance times the penalty. The prior takes no part
    in solving: its scores are added.
    """

    settings = tuple(Setting(p, penalty) for p in (0.0, 1.0) for penalty in (0.3, 3.0))
    default = Setting(1.0, 1.0)

    def solve(self, x: Floats, targets: NDArray[np.int8], offset: Floats, penalty: float) -> Floats:
        """Return slopes and intercepts."""
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


HEADS: dict[str, Ridge] = {"ridge": Ridge(), "logistic": Logistic(), "gda": Gaussian()}
"""By the name that suites use."""


def _best(left_out: Floats, targets: NDArray[np.int8]) -> int:
    """Return the place of the setting with the best macro average precision."""
    if len(left_out) == 1:
        return 0
    values = [macro(average_precision_score(targets, scores)) for scores in left_out]
    return int(np.nanargmax(values)) if np.isfinite(values).any() else 0
