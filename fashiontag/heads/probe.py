"""The few-shot probe as a scikit-learn estimator: pictures, titles and title words → labels.

One linear head per modality, drawn to the zero-shot classifier and fitted in closed form; one
weight per head and attribute group; probabilities, thresholds and promises from scores that leave
a row's own family out. See `linear` for the heads, `fusion` for how modalities meet, `calibration`
for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from fashiontag.heads.calibration import Stack, candidates, f1_thresholds, promise_thresholds
from fashiontag.heads.fusion import FUSIONS, Fusion, FusionName, Widths
from fashiontag.heads.linear import FEW, SETTINGS, Block, Head, HeadName, fit_head, typical_support
from fashiontag.metrics import average_precision_score, macro

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sklearn.utils import Tags

    from fashiontag.heads.linear import Ints

Floats = NDArray[np.float32]

SAMPLE = 4_000
"""Rows whose left-out scores choose, weigh and calibrate; more rows change no choice."""

# What a head's score plausibly weighs in a logit: a ridge score runs from 0 to 1, the others are
# logits already. The default is this share of it, where zero-shot knows nothing, for the scores of
# one or two shots are mostly noise: on val, a third of it was .001 below zero-shot there with
# titles plain, and a sixth nowhere below.
_UNIT = {"ridge": 6.0, "logistic": 1.0, "gda": 1.0}
_SHARE = 1 / 6


@dataclass(frozen=True, slots=True)
class Prior:
    """The zero-shot classifier as coefficients over the same features.

    Attributes
    ----------
    deviations : ndarray of shape (p + 3, t), float32
        Standardised evidence of each modality for each label; the last three rows are the
        intercepts of image, title and words.
    logits : ndarray of shape (p + 2, t), float32
        Zero-shot logits of a product with a title; the last two rows are the intercepts of picture
        and title.
    alone : ndarray of shape (image columns + 1, t), float32
        The same of one without.
    none, none_alone : ndarray of shape (g,), float32
        The logit of "none of these" beside them; -inf where there is none.
    """

    deviations: Floats
    logits: Floats
    alone: Floats
    none: Floats
    none_alone: Floats


@dataclass(frozen=True, slots=True)
class Side:
    """All that judges products with a title, or those without.

    Attributes
    ----------
    zero : ndarray of shape (p + 2, t), float32, or None
        Zero-shot logits over all columns, for what this side may see, as in `Prior`.
    coefs : tuple of m ndarrays of shape (p_m + 1, t), float32
        One head per block.
    stack : Stack
    thresholds : ndarray of shape (t,), float32
        Probability from which a label is given.
    promises : ndarray of shape (t,), float32
        Probability from which it may be published; inf where nothing can be promised.
    """

    zero: Floats | None
    coefs: tuple[Floats, ...]
    stack: Stack
    thresholds: Floats
    promises: Floats


class ProbeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A linear probe over several modalities, with calibrated probabilities.

    Parameters
    ----------
    fusion : str
        How modalities meet; see `Fusion`.
    head : {"ridge", "logistic", "gda"}
        What is fitted on each block of features.
    widths : tuple of int, or None
        Columns of image, title and words in X; None means that all are the image's. Title and
        word columns of zeros stand for a missing title.
    groups : sequence of (int, bool), or None
        For each attribute group its number of columns in y and whether it is exclusive. None makes
        a one-dimensional y one exclusive group, and a two-dimensional y one open group.
    precision : float or None
        The precision to promise for what is published.

    Attributes
    ----------
    classes_ : ndarray of shape (t,)
        The classes of a one-dimensional y, else column numbers.
    titled_, alone_ : Side
        What judges products with and without a title.
    sample_ : ndarray of shape (s,), int64
        Training rows that have left-out scores.
    left_out_, left_out_alone_ : ndarray of shape (s, t), float32
        Their probabilities from fits without their family: as they are judged, and by picture
        alone.
    settings_ : tuple of Setting
        What was chosen for each block, the picture's alone last.
    """

    def __init__(
        self,
        fusion: FusionName = "heads",
        head: HeadName = "ridge",
        widths: tuple[int, int, int] | None = None,
        groups: Sequence[tuple[int, bool]] | None = None,
        precision: float | None = None,
    ) -> None:
        self.fusion = fusion
        self.head = head
        self.widths = widths
        self.groups = groups
        self.precision = precision

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(
        self,
        X: ArrayLike,  # noqa: N803
        y: ArrayLike,
        *,
        families: ArrayLike | None = None,
        prior: Prior | None = None,
        rates: ArrayLike | None = None,
    ) -> Self:
        """Fit all heads and everything that follows from them.

        Parameters
        ----------
        X : array-like of shape (n, p)
        y : array-like of shape (n,), or of shape (n, t) with 1, 0 and -1 for unknown
            A row with no known cell in a group takes no part in it.
        families : array-like of shape (n,) or None
            Near-duplicates share a number, and are left out together. None: all differ.
        prior : Prior or None
            The zero-shot classifier.
        rates : array-like of shape (t,) or None
            How often labels really occur, where the rows were picked to be balanced.

        Raises
        ------
        ValueError
            A parameter or an array can't be used; the sentence says why.
        """
        self._check_parameters()
        x, y = validate_data(self, X, y, multi_output=True, dtype=np.float32)
        targets = self._targets(np.asarray(y))
        self._spans, self._exclusive = self._layout(targets.shape[1])
        self.fusion_ = Fusion(self.fusion, Widths(*(self.widths or (x.shape[1],))))
        width = self.fusion_.widths
        if x.shape[1] != width.image + width.title + width.words:
            raise ValueError(f"X has {x.shape[1]} columns, but widths add up to another number.")
        kin = np.arange(len(x)) if families is None else np.asarray(families)
        kin = np.unique(kin, return_inverse=True)[1].astype(np.int64)
        known = None if rates is None else np.asarray(rates, np.float32)
        self.sample_ = _sample(kin)
        titled = x[:, width.image :].any(axis=1)
        alone = replace(self.fusion_, name="image")
        self.alone_, heads, self.left_out_alone_ = self._fit_side(
            alone, x, np.ones(len(x), bool), targets, kin, prior, _alone(prior, x.shape[1]), known
        )
        self.titled_, self.left_out_ = self.alone_, self.left_out_alone_
        self.settings_ = tuple(head.setting for head in heads)
        self.fuses_ = self.fusion != "image" and bool(titled.any())
        if self.fuses_:
            self.fusion_ = self._learned(x, titled, targets, kin)
            self.titled_, more, fused = self._fit_side(
                self.fusion_,
                x,
                titled,
                targets,
                kin,
                prior,
                self._zero(prior, width),
                known,
                heads[0] if titled.all() else None,
            )
            rows = titled[self.sample_][:, None]
            self.left_out_ = np.where(rows, fused, self.left_out_alone_)
            self.settings_ = (*(head.setting for head in more), *self.settings_)
        return self

    def restore(self, fusion: Fusion, alone: Side, titled: Side, *, fuses: bool) -> Self:
        """Take the learned state of a saved probe, all but the left-out scores."""
        columns = len(alone.thresholds)
        self._single = False
        self.classes_ = np.arange(columns)
        self._spans, self._exclusive = self._layout(columns)
        width = fusion.widths
        self.n_features_in_ = width.image + width.title + width.words
        self.fusion_, self.alone_, self.titled_, self.fuses_ = fusion, alone, titled, fuses
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.floating[Any]]:  # noqa: N803
        """Return logits of shape (n, t), or (n,) for two classes."""
        logits = self._judge(self._checked(X), probabilities=False)
        return logits[:, 1] - logits[:, 0] if self._binary else logits

    def predict_proba(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Return probabilities of shape (n, t); in an exclusive group they add up to at most 1."""
        return self._judge(self._checked(X), probabilities=True)

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Return the best class, or for a two-dimensional y the labels above their threshold."""
        x = self._checked(X)
        chances = self._judge(x, probabilities=True)
        if self._single:
            best: NDArray[Any] = self.classes_[chances.argmax(axis=1)]
            return best
        offered = candidates(chances, self._spans, self._exclusive)
        cuts = np.where(self.titled(x)[:, None], self.titled_.thresholds, self.alone_.thresholds)
        return (offered >= cuts).astype(np.int64)

    def titled(self, x: Floats) -> NDArray[np.bool_]:
        """Return which products have a title that the probe uses, shape (n,)."""
        return np.asarray(self.fuses_ & x[:, self.fusion_.widths.image :].any(axis=1))

    def by_part(self, x: Floats) -> tuple[Floats, Floats]:
        """Return what picture and title each add to the logits, shape (n, t) twice.

        Only with one head per modality can they be told apart; else both are the whole.
        """
        parts = self._scores(self.titled_, self.fusion_, x) if self.fuses_ else []
        image = self._logits(self.alone_, replace(self.fusion_, name="image"), x)
        if not parts or self.fusion != "heads":
            return image, self._logits(self.titled_, self.fusion_, x) if parts else image
        stack, shift = self.titled_.stack, len(parts) - 3
        said = np.zeros_like(image)
        for number, span in enumerate(self._spans):
            for weight, part in zip(
                stack.weights[number][1 + shift :], parts[1 + shift :], strict=True
            ):
                said[:, span] += weight * part[:, span]
        if self.titled_.zero is not None:
            told = x.copy()
            told[:, : self.fusion_.widths.image] = 0
            zero = told @ self.titled_.zero[:-2] + self.titled_.zero[-1]
            for number, span in enumerate(self._spans):
                said[:, span] += stack.weights[number][0] * zero[:, span]
        return image, said

    # -- how it works -------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        if self.fusion not in FUSIONS:
            raise ValueError(f"fusion is {self.fusion!r}; give one of {', '.join(FUSIONS)}.")
        if self.head not in SETTINGS:
            raise ValueError(f"head is {self.head!r}; give one of {', '.join(SETTINGS)}.")
        if self.precision is not None and not 0 < self.precision < 1:
            raise ValueError(f"precision is {self.precision}; give a share between 0 and 1.")

    def _targets(self, y: NDArray[Any]) -> NDArray[np.int8]:
        if y.ndim == 2 and y.shape[1] == 1 and self.groups is None:
            y = column_or_1d(y, warn=True)  # as scikit-learn's own classifiers take it
        self._single = y.ndim == 1
        if self._single:
            check_classification_targets(y)
            self.classes_ = np.unique(y)
            if len(self.classes_) < 2:
                raise ValueError("y has one class only; at least two classes are needed.")
            return np.asarray(y[:, None] == self.classes_, np.int8)
        if not np.isin(y, (-1, 0, 1)).all():
            raise ValueError("y holds other values than 1, 0 and -1 (unknown).")
        self.classes_ = np.arange(y.shape[1])
        return y.astype(np.int8)

    def _layout(self, columns: int) -> tuple[tuple[slice, ...], tuple[bool, ...]]:
        groups = self.groups or [(columns, self._single)]
        ends = np.cumsum([size for size, _ in groups]).tolist()
        if ends[-1] != columns:
            raise ValueError(f"groups have {ends[-1]} labels in all, y has {columns} columns.")
        spans = tuple(slice(end - size, end) for end, (size, _) in zip(ends, groups, strict=True))
        return spans, tuple(exclusive for _, exclusive in groups)

    @property
    def _binary(self) -> bool:
        return self._single and len(self.classes_) == 2

    def _checked(self, x: ArrayLike) -> Floats:
        check_is_fitted(self, "titled_")
        return np.asarray(validate_data(self, x, reset=False, dtype=np.float32))

    def _zero(self, prior: Prior | None, width: Widths) -> tuple[Floats, Floats] | None:
        if prior is None:
            return None
        if self.fusion != "title":
            return prior.logits, prior.none
        zero = prior.logits.copy()
        zero[: width.image] = zero[-2] = 0
        return zero, np.full_like(prior.none, -np.inf)  # it was weighed against both sides

    def _learned(
        self, x: Floats, titled: NDArray[np.bool_], targets: NDArray[np.int8], kin: Ints
    ) -> Fusion:
        fusion = self.fusion_.learn(x, titled)
        if self.fusion != "gated":
            return fusion
        # The gate opens to the picture where the picture's own left-out error is the smaller.
        rows = self.sample_[titled[self.sample_]]
        errors = []
        for part in fusion.widths.parts[:2]:
            block = Block(_with_one(x[:, part]), titled, None)
            head = fit_head("ridge", block, targets, self._spans, kin, rows)
            known = targets[rows] >= 0
            errors.append((((head.left_out - targets[rows]) ** 2) * known).sum(axis=1))
        z = _with_one(x[rows, : fusion.widths.image + fusion.widths.title])
        wish = np.where(errors[0] < errors[1], 2.0, -2.0).astype(np.float32)
        gate = np.linalg.solve(z.T @ z + 10.0 * np.eye(z.shape[1]), z.T @ wish)
        return replace(fusion, learned={"gate": gate.astype(np.float32)})

    def _fit_side(
        self,
        fusion: Fusion,
        x: Floats,
        usable: NDArray[np.bool_],
        targets: NDArray[np.int8],
        kin: Ints,
        prior: Prior | None,
        zero: tuple[Floats, Floats] | None,
        rates: Floats | None,
        image: Head | None = None,
    ) -> tuple[Side, list[Head], Floats]:
        """Fit the heads of one side and their stack; `image` is the picture's, if it is known."""
        blocks = fusion.blocks(x)
        priors = fusion.prior(prior.deviations) if prior else [None] * len(blocks)
        heads = [image] if image is not None and fusion.name == "heads" else []
        for block, one in list(zip(blocks, priors, strict=True))[len(heads) :]:
            features = Block(_with_one(block), usable, one)
            heads.append(fit_head(self.head, features, targets, self._spans, kin, self.sample_))
        scores = [head.left_out for head in heads]
        mine = usable[self.sample_]
        truth = np.where(mine[:, None], targets[self.sample_], -1).astype(np.int8)
        units = [_UNIT[self.head]] * len(heads)
        default = np.full((len(self._spans), len(heads)), _UNIT[self.head], np.float32)
        logits, none = zero or (None, None)
        if logits is not None:
            # No label was used to make the zero-shot scores, so on these rows they show how far
            # they can be trusted: where they are right, heads of a few shots could only do harm.
            scores.insert(0, _zero_scores(x[self.sample_], logits))
            default *= _SHARE * _doubt(scores[0], truth, self._spans)[:, None]
            default = np.hstack([np.ones((len(default), 1), np.float32), default])
            units.insert(0, 1.0)
        few = typical_support(targets, kin) < FEW
        stack = Stack.fit(
            scores, truth, self._spans, self._exclusive, default, units, rates, none, fixed=few
        )
        chances = stack.probabilities(
            stack.logits(scores, self._spans), self._spans, self._exclusive
        )
        offered = candidates(chances, self._spans, self._exclusive)
        promises = np.full(targets.shape[1], np.inf, np.float32)
        if self.precision is not None:
            promises = promise_thresholds(offered, truth, kin[self.sample_], self.precision)
        side = Side(
            logits,
            tuple(head.coef for head in heads),
            stack,
            f1_thresholds(offered, truth, self._spans),
            promises,
        )
        return side, heads, chances

    def _judge(self, x: Floats, *, probabilities: bool) -> Floats:
        out = self._logits(self.alone_, replace(self.fusion_, name="image"), x)
        stack = self.alone_.stack
        if probabilities:
            out = stack.probabilities(out, self._spans, self._exclusive)
        titled = self.titled(x)
        if titled.any():
            fused = self._logits(self.titled_, self.fusion_, x[titled])
            if probabilities:
                fused = self.titled_.stack.probabilities(fused, self._spans, self._exclusive)
            out[titled] = fused
        return out

    def _logits(self, side: Side, fusion: Fusion, x: Floats) -> Floats:
        return side.stack.logits(self._scores(side, fusion, x), self._spans)

    def _scores(self, side: Side, fusion: Fusion, x: Floats) -> list[Floats]:
        scores = [
            block @ coef[:-1] + coef[-1]
            for block, coef in zip(fusion.blocks(x), side.coefs, strict=True)
        ]
        if side.zero is not None:
            scores.insert(0, _zero_scores(x, side.zero))
        return scores


def _doubt(zero: Floats, truth: NDArray[np.int8], spans: Sequence[slice]) -> Floats:
    """Return how far zero-shot scores rank wrongly, per group: 1 - macro average precision."""
    precision = [macro(average_precision_score(truth[:, span], zero[:, span])) for span in spans]
    return 1.0 - np.nan_to_num(np.array(precision, np.float32))


def _sample(families: Ints) -> Ints:
    """Return at most `SAMPLE` rows, sorted, made of whole families."""
    if len(families) <= SAMPLE:
        return np.arange(len(families))
    order = np.random.default_rng(0).permutation(families.max() + 1)
    sizes = np.bincount(families)[order]
    chosen = order[np.cumsum(sizes) <= SAMPLE]
    return np.flatnonzero(np.isin(families, chosen))


def _with_one(x: Floats) -> Floats:
    return np.hstack([x, np.ones((len(x), 1), np.float32)])


def _alone(prior: Prior | None, columns: int) -> tuple[Floats, Floats] | None:
    """Spread the zero-shot classifier of products without a title over all columns."""
    if prior is None:
        return None
    out = np.zeros((columns + 2, prior.alone.shape[1]), np.float32)
    out[: len(prior.alone) - 1], out[-2] = prior.alone[:-1], prior.alone[-1]
    return out, prior.none_alone


def _zero_scores(x: Floats, zero: Floats) -> Floats:
    return np.asarray(x @ zero[:-2] + (zero[-2] + zero[-1]), np.float32)
