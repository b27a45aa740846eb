"""What a few labelled products add to zero-shot: a local residual on its probabilities.

``P(y | x) = P_zs(y | x) + Σ_i k(x, x_i) α_iy`` with ``α = (K + Λ)⁻¹ (Y - P_zs)``: kernel ridge
regression centred on zero-shot (ProKeR, Bendou et al., CVPR 2025, is the nearest published form).
``x_i`` are the labelled products and, with residual 0, unlabelled ones that zero-shot gives a label
("anchors": Titsias et al., ICLR 2020, regularise functions so). They hold zero-shot where nobody
corrected it, for what people label is no fair sample: corrections are errors, every one.

What is given then follows a budget. Counted over the user's own catalogue, what a fit newly gives
may be expected to be wrong at most as often as what it takes back or replaces was. Where it can't
show that, zero-shot's answers stand.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from fashiontag.heads.calibration import candidates, promise_thresholds
from fashiontag.heads.groups import GroupSpan
from fashiontag.heads.statistics import unit
from fashiontag.heads.thresholds import Decider

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fashiontag.heads.zeroshot import Scores
    from fashiontag.labels import LabelSpace

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST = 1_500
"""Labelled products up to which groups are judged so; with more the linear head knows enough."""


@dataclass(frozen=True, slots=True)
class Constants:
    """What fits one model's vectors; chosen on `val` by ``python -m benchmarks.lab.refit``.

    Attributes
    ----------
    sharpness : float
        k = exp(-sharpness (1 - cosine)).
    noise, anchor_noise : float
        Λ of labelled products and of anchors.
    margin : float
        How much likelier a label has to be than zero-shot's own to take its place.
    lost : float
        Right ones that may be expected to be lost for each that is expected to be mended.
    doubt : float
        An expected wrong one costs 1 + doubt / m wrong ones that were taken away, where m products
        are labelled: a margin for a calibration that few products fit. Where a label that zero-shot
        never gives ends, those say too that it gives another.
    """

    sharpness: float
    noise: float
    anchor_noise: float
    margin: float
    lost: float
    doubt: float

    @classmethod
    def load(cls) -> Self:
        """Read those of the embedded model, which other models' vectors are judged by, too."""
        return cls(**json.loads(CONSTANTS.read_text("utf-8")))


CONSTANTS = Path(__file__).with_name("local.json")
FITTED = Constants.load()

ANCHORS = 800
"""Without anchors 40 corrections of shelves lose 178 of 1,119 right ones of val, with them 20 to
30, and win more."""
KEPT = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Calibrated probabilities, one of them chosen, below which zero-shot's own label is taken back."""
OPEN_PRICE = 3.5
"""The price in open groups, where the linear head's calibration is freer: at 2.5 the wrong ones of
a buyer's styles rose by up to 1 % of val after four examples per label."""
SILENT, ALLOWED = 0.05, 0.05
"""Share of products below which zero-shot counts as silent, and of errors that are then allowed."""
UNHEARD, RARELY = 0.002, 0.125
"""Share of the catalogue, and of the labelled products of a label, below which zero-shot counts as
silent on it: one wrong T-shirt in 300 products is no knowledge of what smocks are."""
BELIEVED = 0.5
"""The least that a product of such a label weighs: with 1 120 corrections of val lost a fifth of
what they mended."""
LEAST = 0.35
FAIR = 20.0
"""Products as whose word it is taken that labels were drawn as often as the catalogue has them."""
TRUST = (4.0, 1.0)
"""Zero-shot's labels are right in four of five cases, as firmly as five products would say so."""
LESS = 0.99
"""Of a given label's share, what all others may have together."""
_TINY = 1e-4


class Directions(NamedTuple):
    """Products as the kernel compares them: unit rows of shape (n, d), zeros without a title."""

    image: Floats
    title: Floats

    def of(self, rows: Ints | Bools) -> Directions:
        """Return some of the products."""
        return Directions(self.image[rows], self.title[rows])

    @property
    def titled(self) -> Bools:
        """Which products have a title."""
        return np.asarray(self.title.any(axis=1))


def similarity(one: Directions, other: Directions, sharpness: float, *, fuses: bool) -> Floats:
    """Return the kernel of n and m products, shape (n, m), in [0, 1].

    With ``fuses`` of the mean of picture's and title's cosine, else of the picture's alone.
    """
    cosine = one.image @ other.image.T
    if fuses:
        cosine = (cosine + one.title @ other.title.T) / 2
    return np.asarray(np.exp(-sharpness * (1 - cosine)), np.float32)


@dataclass(frozen=True, slots=True)
class Evidenced:
    """Products with what zero-shot says of one exclusive group.

    Attributes
    ----------
    at : Directions
    zero : ndarray of shape (n, k + 1), float32
        Its probabilities, the last column "none of these".
    given : ndarray of shape (n, k), bool
        The lowest labels that its answer leaves open: one, those under the parent that it gives, or
        none where it gives nothing.
    """

    at: Directions
    zero: Floats
    given: Bools

    def of(self, rows: Ints | Bools) -> Evidenced:
        """Return some of the products."""
        return Evidenced(self.at.of(rows), self.zero[rows], self.given[rows])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of n products in one group.

    Attributes
    ----------
    chances : ndarray of shape (n, k + 1), float32
        Rows sum to 1 at most; the last column is "none of these".
    cut : ndarray of shape (n,), float32
        The probability from which the best label is given.
    """

    chances: Floats
    cut: Floats

    def told(self, given: Bools) -> Bools:
        """Mark the products of which it says more than zero-shot, whose answers are `given`.

        Where it gives no label instead of a parent, or of nothing, and "none of these" isn't
        likelier than all, zero-shot's scores stand and what it makes of them: children that tie
        give their parent. Of 1,404 paths of val that pictures alone get right, teaching lost 385 to
        565 without this.
        """
        labels, nothing = self.chances[:, :-1], self.chances[:, -1]
        gives, one = labels.max(axis=1) >= self.cut, given.sum(axis=1) == 1
        return np.asarray(one | gives | (nothing > labels.sum(axis=1)))


@dataclass(frozen=True, slots=True)
class LocalGroup:
    """One exclusive group, judged with titles or without.

    Attributes
    ----------
    keys : ndarray of shape (m,), int64
        Rows of the head's keys (labelled products, then the catalogue's) that take part.
    alpha : ndarray of shape (m, k + 1), float32
    shift : float
        What zero-shot's own labels are made likelier by, in logits.
    line : tuple of two float
        Intercept and slope of the logit of a newly given label.
    margin : float
        How much likelier a label has to be than zero-shot's own to take its place.
    kept : float
        Calibrated probability from which zero-shot's own label is given.
    cut : float
        The same of a label that zero-shot didn't give; above 1 where none is.
    promises : ndarray of shape (k,), float32
        Probabilities from which labels may be published; inf where nothing can be promised.
    """

    keys: Ints
    alpha: Floats
    shift: float
    line: tuple[float, float]
    margin: float
    kept: float
    cut: float
    promises: Floats

    def judge(self, zero: Floats, given: Bools, moved: Floats) -> Verdict:
        """Judge n products whose residuals are known; shapes (n, k + 1), (n, k), (n, k + 1)."""
        chances = _shares(zero + moved)
        stands = Standing.of(given, chances, self.margin)
        stays, best = stands.stays, stands.best
        every = np.arange(len(zero))
        sure = chances[every, best]
        calm = np.where(stays, shifted(sure, self.shift), _on_line(sure, self.line))
        calm = np.where(stands.replaced | (best == zero.shape[1] - 1), sure, calm)
        cut = np.where(stays, self.kept, np.where(stands.new, self.cut, 2.0))
        cut = np.where(stands.replaced, 0.0, cut)
        # What is given is not to be beaten by others together, as by a parent of theirs, or by
        # "none of these", because the group is little trusted.
        most = np.where(calm >= cut, np.minimum(1 - calm, LESS * calm), 1 - calm)
        chances *= (most / np.maximum(1 - sure, _TINY))[:, None]
        chances[every, best] = calm
        return Verdict(chances, cut.astype(np.float32))


class Standing(NamedTuple):
    """What becomes of zero-shot's answers about n products, each of shape (n,).

    Attributes
    ----------
    best : ndarray of int64
        Its own label where that stays, else the likeliest; k for "none of these".
    stays, replaced, new : ndarray of bool
        It keeps its one label, gets another label for its answer, or gets one where there was none,
        or the parent of this one. None of them: a parent stays, or nothing is likelier than all.
    own : ndarray of float32
        How likely its answer is.
    """

    best: Ints
    stays: Bools
    replaced: Bools
    new: Bools
    own: Floats

    @classmethod
    def of(cls, given: Bools, chances: Floats, margin: float) -> Standing:
        """Let a label that is likelier by the margin take the place of zero-shot's answer."""
        every, best = np.arange(len(given)), chances.argmax(axis=1)
        several, none = given.sum(axis=1), given.shape[1]
        own = np.where(given, chances[:, :-1], 0).sum(axis=1)
        inside = given[every, np.minimum(best, none - 1)] & (best < none)
        ahead = chances[every, best] > own + margin
        replaced = (several > 0) & ~inside & (best < none) & ahead
        stays = (several == 1) & ~replaced
        new = (best < none) & ((several == 0) | ((several > 1) & inside))
        return cls(np.where(stays, given.argmax(axis=1), best), stays, replaced, new, own)


class Promise(NamedTuple):
    """A precision that is promised, of a group's labels together or of each."""

    precision: float
    together: bool = True


class Fitted(NamedTuple):
    """A group, and what it says of its labelled products without their families."""

    group: LocalGroup
    left_out: Verdict


def fit_group(
    labelled: Evidenced,
    targets: Floats,
    families: Ints,
    catalogue: Evidenced,
    *,
    fuses: bool,
    promise: Promise | None = None,
    constants: Constants = FITTED,
) -> Fitted:
    """Fit one exclusive group.

    Parameters
    ----------
    labelled : Evidenced
        m products.
    targets : ndarray of shape (m, k + 1), float32
        Rows sum to 1, see `known_shares`; the last column is "none of these".
    families : ndarray of shape (m,), int64
    catalogue : Evidenced
        Unlabelled products, drawn at random.
    fuses : bool
        Whether titles take part.
    promise : Promise or None
        What precision to promise.
    constants : Constants
    """
    m = len(targets)
    anchors = np.flatnonzero(catalogue.given.any(axis=1))[:ANCHORS]
    held = catalogue.of(anchors)
    keys = Directions(
        np.vstack([labelled.at.image, held.at.image]), np.vstack([labelled.at.title, held.at.title])
    )
    gram = similarity(keys, keys, constants.sharpness, fuses=fuses).astype(np.float64)
    unheard = _unheard(targets, catalogue)
    weight = _fairness(targets, catalogue, unheard)
    noise = constants.noise / weight
    gram[np.diag_indices_from(gram)] += np.append(
        noise, np.full(len(anchors), constants.anchor_noise)
    )
    inverse = np.linalg.inv(gram)
    residual = np.zeros((len(gram), targets.shape[1]))
    residual[:m] = targets - labelled.zero
    alpha = np.asarray(inverse @ residual, np.float64)
    kin = np.concatenate([families, families.max(initial=0) + 1 + np.arange(len(anchors))])
    moved = (residual - _errors(inverse, alpha, kin)).astype(np.float32)
    other = np.setdiff1d(np.arange(len(catalogue.given)), anchors)
    others = catalogue.of(other)
    all_moved = np.zeros_like(catalogue.zero)
    all_moved[anchors] = moved[m:]
    all_moved[other] = similarity(others.at, keys, constants.sharpness, fuses=fuses) @ alpha
    taught, seen = (labelled, moved[:m]), (catalogue, all_moved)
    budget = _budgeted(taught, targets, seen, unheard, float(weight.sum()), constants)
    size = targets.shape[1] - 1
    nothing = np.full(size, np.inf, np.float32)
    places = np.append(np.arange(m), m + anchors)
    group = LocalGroup(places, alpha.astype(np.float32), *budget, nothing)
    left_out = group.judge(labelled.zero, labelled.given, moved[:m])
    if promise is not None:
        spans = (GroupSpan(slice(0, size), exclusive=True),)
        offered = candidates(left_out.chances[:, :-1], spans)
        own = targets[:, :-1]
        truth = np.where((own > 0) & (own < 1), -1, own).astype(np.int8)
        units = spans if promise.together else None
        found = promise_thresholds(offered, truth, families, promise.precision, units)
        group = replace(group, promises=found)
    return Fitted(group, left_out)


def _unheard(targets: Floats, catalogue: Evidenced) -> Bools:
    """Mark the k labels that zero-shot gives to next to no product; "none of these" isn't one."""
    given, taught = catalogue.given.sum(axis=0), targets[:, :-1].sum(axis=0)
    least = np.maximum(UNHEARD * len(catalogue.given), RARELY * taught)
    return np.append(given < least, False)


def _fairness(targets: Floats, catalogue: Evidenced, unheard: Bools) -> Floats:
    """Return what each labelled product weighs, shape (m,), at most 1.

    Of a label that was labelled far more often than the catalogue seems to have it, a product
    weighs less: sixteen of one label and none of its neighbours say nothing of where it ends. Of a
    label that zero-shot never gives nobody else says how often the catalogue has it: there people
    are believed.
    """
    labels = catalogue.zero[:, :-1].sum(axis=0)
    if not labels.any():
        return np.ones(len(targets), np.float32)
    share = labels / labels.sum()
    labelled = (targets[:, :-1].sum(axis=0) + FAIR * share) / (len(targets) + FAIR)
    weight = np.append(np.clip(share / np.maximum(labelled, _TINY), 0.05, 1.0), 1.0)
    weight[unheard] = np.maximum(weight[unheard], BELIEVED)
    return np.asarray(weight[targets.argmax(axis=1)], np.float32)


def _errors(inverse: NDArray[Any], alpha: NDArray[Any], families: Ints) -> Floats:
    """Return the errors that each family has when it isn't in the fit: (A_FF)⁻¹ α_F."""
    out = np.asarray(alpha / np.diag(inverse)[:, None])
    _, member, sizes = np.unique(families, return_inverse=True, return_counts=True)
    for family in np.flatnonzero(sizes > 1):
        rows = np.flatnonzero(member == family)
        out[rows] = np.linalg.solve(inverse[np.ix_(rows, rows)], alpha[rows])
    return np.asarray(out, np.float32)


def _budgeted(
    taught: tuple[Evidenced, Floats],
    targets: Floats,
    seen: tuple[Evidenced, Floats],
    unheard: Bools,
    taught_by: float,
    constants: Constants,
) -> tuple[float, tuple[float, float], float, float, float]:
    """Return shift and line from left-out scores, the margin, and the cuts in the budget.

    Labelled products, worth as many as `taught_by`, and the catalogue's come with their residuals.
    """
    (labelled, moved), (catalogue, all_moved) = taught, seen
    every, price = np.arange(len(targets)), 1 + constants.doubt / taught_by
    taught_ = np.unique(targets.argmax(axis=1))
    # Of products that all have one label nobody can tell where it ends: nothing takes its place.
    margin = constants.margin if len(taught_) > 1 or unheard[taught_].all() else 1.0
    chances = _shares(labelled.zero + moved)
    stands = Standing.of(labelled.given, chances, margin)
    came = np.flatnonzero(stands.new)
    sure, right = (of[every, stands.best][came] for of in (chances, targets))
    zero, given = catalogue.zero, catalogue.given
    if not len(given):
        zero, given, all_moved = labelled.zero, labelled.given, moved
    chances, rows = _shares(zero + all_moved), np.arange(len(zero))
    trust = _trust(labelled, targets, catalogue)
    # What zero-shot names has no label that it never gives, as far as it is to be trusted.
    named = given.any(axis=1)
    others = chances[named][:, taught_[unheard[taught_]]].max(axis=1, initial=0.0)
    each = trust * len(came) / max(len(others), 1)  # together as much as those that were taught
    line = _line(
        np.append(sure, others),
        np.append(right, np.zeros_like(others)),
        np.append(np.ones_like(sure), np.full_like(others, each)),
    )
    stands = Standing.of(given, chances, margin)
    sure, replaced = chances[rows, stands.best], stands.replaced
    shift = shift_to(sure[stands.stays], trust)
    newly = _on_line(sure[stands.new], line)
    first = np.argsort(-newly)
    fixed = Balance(
        saved=float((sure - stands.own)[replaced].sum()),
        lost=float(stands.own[replaced].sum()),
        mended=float(sure[replaced].sum()),
    )
    alone = unheard[stands.best[stands.new][first]]
    silent = alone | (named.mean() < SILENT)
    prices = np.where(alone, 1 + constants.doubt / (taught_by + trust * len(others)), price)
    spending = Spending(prices, constants.lost, silent)
    kept = shifted(sure[stands.stays], shift)
    return shift, line, margin, *budgeted_cuts(kept, newly[first], fixed, spending)


class Balance(NamedTuple):
    """Expected numbers: wrong ones taken away, right ones lost, wrong or empty ones mended."""

    saved: float
    lost: float
    mended: float


class Spending(NamedTuple):
    """What an expected wrong one costs, what may be lost for one mended, see `Constants`.

    Zero-shot is silent on a label if it gives next to nothing of it, or of its whole group. Price
    and silence are one for all new labels, or one for each, surest first.
    """

    price: float | Floats
    lost: float
    silent: bool | Bools


def budgeted_cuts(
    stays: Floats, fresh: Floats, fixed: Balance, spending: Spending
) -> tuple[float, float]:
    """Return the two cuts under which most is right, within the budget.

    Parameters
    ----------
    stays : ndarray of shape (n,)
        Calibrated probabilities of zero-shot's own labels.
    fresh : ndarray of shape (m,)
        Those of labels that it didn't give, highest first.
    fixed : Balance
        Of the labels that take another's place.
    spending : Spending
    """
    won = np.cumsum(fresh)
    best, chosen = -np.inf, (0.0, 2.0)
    for kept in (0.0, *KEPT):
        back = stays[stays < kept]
        saved = fixed.saved + float((1 - back).sum())
        count = affordable(fresh, saved, spending.price, silent=spending.silent)
        lost = fixed.lost + back.sum()
        mended = fixed.mended + (won[count - 1] if count else 0.0)
        if mended - lost > best and (kept == 0 or lost <= spending.lost * mended):
            best = mended - lost
            chosen = kept, max(float(fresh[count - 1]), LEAST) if count else 2.0
    return chosen


def affordable(sure: Floats, wrong: float, price: float | Floats, *, silent: bool | Bools) -> int:
    """Return how many of some labels, surest first, may be given for so many expected errors.

    Where zero-shot is silent it makes none, and one label in twenty may be wrong. An expected error
    counts `price` times.
    """
    cost = np.cumsum(price * (1 - sure))
    allowed = wrong + ALLOWED * np.cumsum(np.broadcast_to(silent, sure.shape))
    fits = np.flatnonzero(cost <= allowed)
    return int(fits[-1]) + 1 if len(fits) else 0


def _trust(labelled: Evidenced, targets: Floats, catalogue: Evidenced) -> float:
    """Return how often zero-shot's labels are right in this group, a Beta posterior's mean.

    Where not one of the labelled products bears zero-shot out, they are corrections, and say
    nothing of the rest. Else a label counts as often as the catalogue has it, not as often as it
    was labelled.
    """
    own, one = labelled.given.argmax(axis=1), labelled.given.sum(axis=1) == 1
    right = targets[np.arange(len(own)), own] > 0
    if not (right & one).any():
        return believed(0, 0)
    size, alone = targets.shape[1], catalogue.given.sum(axis=1) == 1
    seen = np.bincount(own[one], minlength=size)
    there = np.bincount(catalogue.given.argmax(axis=1)[alone], minlength=size)
    weight = np.ones(size)
    if there.sum():
        weight = np.clip(
            there / there.sum() / np.maximum(seen / max(seen.sum(), 1), 1e-9), 0.1, 10.0
        )
    counts = weight[own[one]]
    # Of labels that zero-shot gave none of these products, nothing was seen.
    covered = there[seen > 0].sum() / max(there.sum(), 1) if there.sum() else 1.0
    counts *= covered * len(counts) / counts.sum()
    return believed(float(counts[right[one]].sum()), float(counts.sum()))


def believed(right: float, given: float) -> float:
    """Return how often zero-shot's labels are right, after so many were seen: a Beta posterior."""
    return (TRUST[0] + right) / (sum(TRUST) + given)


def _shares(values: Floats) -> Floats:
    """Return probabilities: nothing below a tiny one, rows that sum to 1."""
    floor = np.maximum(values, _TINY)
    return np.asarray(floor / floor.sum(axis=1, keepdims=True), np.float32)


def shifted(sure: Floats, shift: float) -> Floats:
    """Move probabilities by so many logits."""
    return np.asarray(expit(_logit(sure) + shift), np.float32)


def _on_line(sure: Floats, line: tuple[float, float]) -> Floats:
    return np.asarray(expit(line[0] + line[1] * _logit(sure)), np.float32)


def _logit(sure: Floats) -> NDArray[np.float64]:
    return np.asarray(logit(np.clip(sure.astype(np.float64), 0.01, 0.99)))


def shift_to(sure: Floats, trust: float) -> float:
    """Return the logits by which probabilities have to be moved for their mean to be `trust`."""
    from scipy.optimize import brentq

    if not len(sure):
        return 0.0
    at = _logit(sure)
    return float(brentq(lambda shift: expit(at + shift).mean() - trust, -10, 10))


def _line(sure: Floats, right: Floats, weight: Floats) -> tuple[float, float]:
    """Fit Platt's line, drawn to the identity as firmly as 5 and 10 products would."""
    from scipy.optimize import minimize

    at, truth = _logit(sure), right.astype(np.float64)

    def loss(line: NDArray[np.float64]) -> float:
        z = line[0] + line[1] * at
        drawn = 2.5 * line[0] ** 2 + 5.0 * (line[1] - 1) ** 2
        return float(weight @ (np.logaddexp(0.0, z) - truth * z) + drawn)

    found = minimize(loss, [0.0, 1.0], bounds=[(-3, 2), (0.3, 2)]).x
    return float(found[0]), float(found[1])


def directions(x: Floats, widths: Sequence[int]) -> Directions:
    """Return the directions of products from their features, see `Features`."""
    image, title = widths[0], widths[0] + widths[1]
    return Directions(unit(x[:, :image]), unit(x[:, image:title]))


@dataclass(frozen=True, slots=True)
class LocalHead:
    """All exclusive groups of a probe.

    Attributes
    ----------
    space : LabelSpace
        The groups with all their labels, those without an example included.
    keys : Directions
        Labelled products and anchors.
    titled, alone : mapping of str to LocalGroup
        By the group's name, for products with a title and without.
    sharpness : float
        Of the kernel that it was fitted with.
    """

    space: LabelSpace
    keys: Directions
    titled: Mapping[str, LocalGroup]
    alone: Mapping[str, LocalGroup]
    sharpness: float

    def overlay(self, out: Scores, scores: Scores, space: LabelSpace, at: Directions) -> None:
        """Write what it says, with its cuts and promises, over zero-shot scores.

        Parameters
        ----------
        out : Scores
            With arrays of its own; they are changed.
        scores : Scores
            Zero-shot's own.
        space : LabelSpace
            Of both; it may have labels that the head doesn't know, and lack some that it does.
        at : Directions
        """
        assert out.label_cuts is not None
        known = said(scores, space, at)
        for name in self.titled:
            products, span = known[name], space.span(name)
            place = {tag: at for at, tag in enumerate(space.tags[span])}
            own = self.space.tags[self.space.span(name)]
            columns = np.array([*(place.get(tag, -1) for tag in own), len(place)])
            verdict = self.judge(name, products, columns)
            told = verdict.told(products.given)
            out.labels[told, span] = verdict.chances[told, :-1]
            out.unknown[told, space.names.index(name)] = verdict.chances[told, -1]
            out.label_cuts[told, span] = verdict.cut[told, None]
            if out.promises is not None:
                there = columns[:-1] >= 0
                places = span.start + columns[:-1][there]
                out.promises[:, span] = np.inf
                out.promises[:, places] = self.promises(name, at.titled)[:, there]

    def judge(self, name: str, products: Evidenced, columns: Ints) -> Verdict:
        """Judge products in one group.

        Parameters
        ----------
        name : str
        products : Evidenced
            n products over j labels and "none of these".
        columns : ndarray of shape (k + 1,), int64
            Where the group's own labels and "none of these" stand among the j + 1, -1 for a label
            that isn't there. Labels that the head doesn't know keep what zero-shot says of them.
        """
        titled = products.at.titled
        out = Verdict(np.empty_like(products.zero), np.empty(len(titled), np.float32))
        known = columns >= 0
        for rows, groups, fuses in ((titled, self.titled, True), (~titled, self.alone, False)):
            group, some = groups[name], products.of(rows)
            moved = np.zeros_like(some.zero)
            keys = self.keys.of(group.keys)
            near = similarity(some.at, keys, self.sharpness, fuses=fuses)
            moved[:, columns[known]] = (near @ group.alpha)[:, known]
            verdict = group.judge(some.zero, some.given, moved)
            out.chances[rows], out.cut[rows] = verdict.chances, verdict.cut
        return out

    def promises(self, name: str, titled: Bools) -> Floats:
        """Return a group's promises for each of n products, shape (n, k)."""
        sides = self.titled[name].promises, self.alone[name].promises
        return np.where(titled[:, None], *sides).astype(np.float32)


def said(scores: Scores, space: LabelSpace, at: Directions) -> dict[str, Evidenced]:
    """Return what zero-shot scores say of the exclusive groups of their space, by name."""
    reached, found = Decider(space).reach(scores), {}
    for group in space.groups:
        if group.exclusive:
            span, position = space.span(group.name), space.names.index(group.name)
            zero = np.column_stack([scores.labels[:, span], scores.unknown[:, position]])
            found[group.name] = Evidenced(at, zero, reached[:, span])
    return found


class LocalFit(NamedTuple):
    """A head, and what it says of its labelled products without their families.

    Attributes
    ----------
    head : LocalHead
    chances, cuts, promises : ndarray of shape (n, t), float32
        Over the head's own labels; NaN where a product says nothing of the group.
    """

    head: LocalHead
    chances: Floats
    cuts: Floats
    promises: Floats


def fit_local(
    space: LabelSpace,
    labelled: tuple[Directions, Scores],
    targets: NDArray[np.int8],
    families: Ints,
    catalogue: tuple[Directions, Scores],
    promise: Promise | None = None,
    constants: Constants = FITTED,
) -> LocalFit:
    """Fit all exclusive groups of a space of which some product says something.

    Parameters
    ----------
    space : LabelSpace
        Of the scores and of the t columns of the targets.
    labelled, catalogue : (Directions, Scores)
        n labelled products, and unlabelled ones drawn at random from the user's catalogue.
    targets : ndarray of shape (n, t), int8
        1, 0, or -1 where unknown. A row of zeros in a group is one of "none of these".
    families : ndarray of shape (n,), int64
    promise : Promise or None
    constants : Constants
    """
    at, there = labelled[0], catalogue[0]
    chances, cuts, promises = (np.full(targets.shape, np.nan, np.float32) for _ in range(3))
    groups: dict[bool, dict[str, LocalGroup]] = {True: {}, False: {}}
    names = []
    mine, rest = (said(scores, space, place) for place, scores in (labelled, catalogue))
    for group in space.groups:
        span = space.span(group.name)
        own = targets[:, span]
        known = (own == 1).any(axis=1) | (own == 0).all(axis=1)
        if not group.exclusive or not known.any():
            continue
        names.append(group.name)
        truth = known_shares(own, mine[group.name].zero)
        for fuses in (False, True):
            rows = np.flatnonzero(known & (at.titled | (not fuses)))
            others = np.flatnonzero(there.titled | (not fuses))
            if fuses and not len(rows):
                groups[True][group.name] = groups[False][group.name]
                continue
            fitted = fit_group(
                mine[group.name].of(rows),
                truth[rows],
                families[rows],
                rest[group.name].of(others),
                fuses=fuses,
                promise=promise,
                constants=constants,
            )
            places = np.append(rows, len(at.image) + others)
            groups[fuses][group.name] = replace(fitted.group, keys=places[fitted.group.keys])
            chances[rows, span] = fitted.left_out.chances[:, :-1]
            cuts[rows, span] = fitted.left_out.cut[:, None]
            promises[rows, span] = groups[fuses][group.name].promises
    # As they are kept, so that a loaded head judges like the fitted one.
    halves = (np.vstack(pair).astype(np.float16) for pair in zip(at, there, strict=True))
    keys = Directions(*(half.astype(np.float32) for half in halves))
    tags = {tag for tag in space.tags if tag.split("=")[0] in names}
    head = LocalHead(space.only(tags), keys, groups[True], groups[False], constants.sharpness)
    return LocalFit(head, chances, cuts, promises)


def known_shares(own: NDArray[np.int8], zero: Floats) -> Floats:
    """Return what is known of n products in an exclusive group, shares of 1: shape (n, k + 1).

    Where a label holds and it isn't known which under it, zero-shot shares it out among them all.
    """
    truth = np.column_stack([own == 1, (own == 0).all(axis=1)]).astype(np.float32)
    vague = np.flatnonzero((own == 1).any(axis=1) & (own < 0).any(axis=1))
    shares = (zero[vague, :-1] + _TINY) * (own[vague] != 0)
    truth[vague, :-1] = shares / shares.sum(axis=1, keepdims=True)
    return truth
