"""The linear head on one block of features: ridge regression, drawn to a prior.

Targets and a prior in, coefficients out, and scores of training rows that come from a fit without
the row's family. Those left-out scores choose the settings here and later weigh the heads,
calibrate them and set thresholds, so no validation rows are needed.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashiontag.metrics import average_precision_score, label_rates, macro

if TYPE_CHECKING:
    from fashiontag.heads.groups import GroupSpan

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

FEW = 3
"""Below this many families per label nothing can be chosen by leaving one out."""
CHOOSE_ON = 1_500
"""Rows that choose among settings; they differ by more than what 4,000 rows would see."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How far a head trusts its prior (`prior`) and how stiff it is (`penalty`)."""

    prior: float
    penalty: float


@dataclass(frozen=True, slots=True)
class Labelled:
    """What is known of n training rows, the same for every head.

    Attributes
    ----------
    targets : ndarray of shape (n, t), int8
        1, 0, or -1 where unknown.
    groups : tuple of g GroupSpan
        A row with no known cell in a group takes no part in it.
    families : ndarray of shape (n,), int64
        Near-duplicates share a number.
    sample : ndarray of shape (s,), int64
        The rows whose left-out scores are wanted, ascending; whole families.
    """

    targets: NDArray[np.int8]
    groups: tuple[GroupSpan, ...]
    families: Ints
    sample: Ints

    @property
    def support(self) -> float:
        """The median over labels of the number of families that show one."""
        columns = self.targets.T
        return float(np.median([len(np.unique(self.families[y == 1])) for y in columns]))


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
class FittedHead:
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


def with_one(x: Floats) -> Floats:
    """Append the column of ones that an intercept belongs to."""
    return np.hstack([x, np.ones((len(x), 1), np.float32)])


def usable_settings(
    block: Block, labelled: Labelled, grid: tuple[Setting, ...], default: Setting
) -> tuple[Setting, ...]:
    """Return the settings worth trying: the default for few families; a prior only if there is."""
    settings = (default,) if labelled.support < FEW else grid
    if block.prior is None:
        settings = tuple(dict.fromkeys(Setting(0.0, setting.penalty) for setting in settings))
    return settings


# Targets are 0 and 1, priors are deviations from what products usually show, so 0.1 means that a
# label's prompt two deviations above the usual counts as a fifth of a positive.
_SETTINGS = tuple(
    Setting(prior, penalty) for prior in (0.03, 0.1) for penalty in (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
)
_DEFAULT = Setting(0.1, 1.0)


@dataclass(frozen=True)
class Ridge:
    """Ridge regression on targets of 0 and 1, in closed form, leaving out included."""

    unit = 6.0
    """What its score, from 0 to 1, plausibly weighs in a logit."""

    def fit(self, block: Block, labelled: Labelled) -> FittedHead:
        """Fit, choosing a setting by macro average precision of left-out scores."""
        targets, families, sample = labelled.targets, labelled.families, labelled.sample
        systems = _systems(block, labelled)
        x, sampled_families = block.x[sample], families[sample]

        def left_out(parts: list[_System], setting: Setting, x: Floats, families: Ints) -> Floats:
            out = np.zeros((len(x), targets.shape[1]), np.float32)
            for part in parts:
                out[:, part.columns] = part.leave_out(setting, x, families)
            return out

        settings = usable_settings(block, labelled, _SETTINGS, _DEFAULT)
        best = settings[0]
        if len(settings) > 1:
            some = whole_families(sampled_families, CHOOSE_ON)
            fewer, truth = [system.only(some) for system in systems], targets[sample[some]]
            values = [
                macro(
                    average_precision_score(
                        truth, left_out(fewer, setting, x[some], sampled_families[some])
                    )
                )
                for setting in settings
            ]
            best = settings[int(np.argmax(np.nan_to_num(values)))]
        coef = np.zeros((block.x.shape[1], targets.shape[1]), np.float32)
        for system in systems:
            coef[:, system.columns] = system.solve(best)
        return FittedHead(coef, left_out(systems, best, x, sampled_families), best)


def _systems(block: Block, labelled: Labelled) -> list[_System]:
    """Return one system per set of rows that annotate a group."""
    columns_of: dict[bytes, list[int]] = {}
    for group in labelled.groups:
        known = block.usable & (labelled.targets[:, group.span] >= 0).any(axis=1)
        columns = range(labelled.targets.shape[1])[group.span]
        columns_of.setdefault(known.tobytes(), []).extend(columns)
    least = min(sum(known) for known in columns_of)
    gram = None
    if len(columns_of) > 1 and least > max(block.x.shape[1], block.usable.sum() / 2):
        gram = block.x[block.usable].T @ block.x[block.usable]
    return [
        _System(block, labelled, np.flatnonzero(np.frombuffer(known, bool)), columns, gram)
        for known, columns in columns_of.items()
        if any(known)
    ]


class _System:
    """One system of equations, for all labels whose groups the same rows annotate.

    Z'Z or ZZ', whichever is smaller, is taken apart once for every setting. With the axes V and
    B = Z V, where B'B is diagonal, the solution is V (B'B + λ)⁻¹ B'R and the hat matrix
    B (B'B + λ)⁻¹ B'. Only the sampled rows of B are kept: 17,000 rows would take 70 MB.
    """

    def __init__(
        self,
        block: Block,
        labelled: Labelled,
        rows: Ints,
        columns: list[int],
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
        y = _filled(labelled.targets[rows][:, columns])
        self._y_axes = self.axes.T @ (z.T @ y)
        self._prior_axes = 0.0 if self.prior is None else self.axes.T @ (z.T @ (z @ self.prior))
        self.inside = np.isin(labelled.sample, rows)
        """Which of the sampled rows take part."""
        place = np.searchsorted(rows, labelled.sample[self.inside])  # rows are sorted
        self.basis, self.y = z[place] @ self.axes, y[place]

    def solve(self, setting: Setting) -> Floats:
        """Return coefficients of shape (p, t), prior included."""
        rest = self._y_axes - setting.prior * self._prior_axes
        coef = self.axes @ (rest / (self.values + setting.penalty)[:, None])
        return np.asarray(
            coef if self.prior is None else coef + setting.prior * self.prior, np.float32
        )

    def leave_out(self, setting: Setting, x: Floats, families: Ints) -> Floats:
        """Return scores of shape (s, t) of sampled rows `x`, each without its family."""
        scores = x @ self.solve(setting)
        gain = (1.0 / (self.values + setting.penalty)).astype(np.float32)
        error = _leave_out(self.y - scores[self.inside], self.basis, gain, families[self.inside])
        scores[self.inside] = self.y - error
        return scores

    def only(self, some: NDArray[np.bool_]) -> _System:
        """Return the same system with fewer sampled rows."""
        fewer = copy(self)
        fewer.inside = self.inside[some]
        fewer.basis, fewer.y = self.basis[some[self.inside]], self.y[some[self.inside]]
        return fewer


def _main_axes(z: Floats, gram: Floats | None) -> tuple[Floats, Floats]:
    """Return V of shape (p, r) and the diagonal of B'B, of shape (r,); `gram` is Z'Z if known."""
    tall = len(z) > z.shape[1]
    if gram is None or not tall:
        gram = z.T @ z if tall else z @ z.T
    values, axes = np.linalg.eigh(gram)
    keep = values > max(values[-1], 1e-30) * 1e-7
    values, axes = values[keep], axes[:, keep]
    return axes if tall else z.T @ axes / np.sqrt(values), values


def whole_families(families: Ints, most: int) -> NDArray[np.bool_]:
    """Mark at most so many rows, made of whole families."""
    if len(families) <= most:
        return np.ones(len(families), bool)
    order = np.random.default_rng(0).permutation(families.max() + 1)
    chosen = order[np.cumsum(np.bincount(families)[order]) <= most]
    return np.isin(families, chosen)


def _filled(targets: NDArray[np.int8]) -> Floats:
    """Return 0/1 targets; a gap in an annotated row gets its label's rate, which says nothing."""
    return np.where(targets >= 0, targets, label_rates(targets)).astype(np.float32)


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
