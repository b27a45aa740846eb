"""The few-shot probe as a scikit-learn estimator: pictures, titles and title words → labels.

One linear head per modality (picture, title, title words), drawn to the zero-shot classifier and
fitted in closed form; one weight per head and attribute group; probabilities, thresholds and
promises from scores that leave a row's own family out. A product without a title is judged by the
picture's head alone. See `linear` for the head, `calibration` for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from fashiontag.heads.calibration import Stack, candidates, f1_thresholds, promise_thresholds
from fashiontag.heads.features import Widths
from fashiontag.heads.groups import GroupSpan
from fashiontag.heads.linear import (
    FEW,
    Block,
    FittedHead,
    Labelled,
    Ridge,
    whole_families,
    with_one,
)
from fashiontag.metrics import average_precision_score, label_rates, macro

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sklearn.utils import Tags

    from fashiontag.heads.linear import Ints
    from fashiontag.heads.prior import Prior, ZeroLogits

Floats = NDArray[np.float32]

SAMPLE = 4_000
"""Rows whose left-out scores choose, weigh and calibrate; more rows change no choice."""

# A head's default weight, where zero-shot knows nothing, is this share of `Ridge.unit`, for the
# scores of one or two shots are mostly noise: on val, a third of it was .001 below zero-shot there
# with titles plain, and a sixth nowhere below.
_SHARE = 1 / 6

MISTAKEN = 0.05
"""Share of titles that are taken to be another product's. On val, with a fifth swapped in its type,
it brings the calibration error of colours from .113 to .057 and of audiences from .050 to .018, and
costs plain titles .003 and .002 of top-1; a tenth brings .021 and costs .007 and .006."""
SWAPPED = 0.2
"""Share of titles that are swapped where thresholds of a promise are chosen: it is kept so, too."""


class Said(NamedTuple):
    """What is said of n products and t labels, each of shape (n, t).

    Attributes
    ----------
    image, title : ndarray
        What picture and title each add to the logits; the title's NaN where titles aren't used.
    chances : ndarray
        Probabilities.
    thresholds, promises : ndarray
        Probabilities from which a label is given, and may be published.
    """

    image: Floats
    title: Floats
    chances: Floats
    thresholds: Floats
    promises: Floats


@dataclass(frozen=True, slots=True)
class Side:
    """All that judges products with a title, or those without.

    Attributes
    ----------
    widths : Widths
    zero : ndarray of shape (p + 2, t), float32, or None
        Zero-shot logits over all columns, for what this side may see, as in `ZeroLogits`.
    coefs : tuple of m ndarrays of shape (p_m + 1, t), float32
        Of the picture's head, with titles of the title's and its words', too.
    stack : Stack
    thresholds : ndarray of shape (t,), float32
        Probability from which a label is given.
    promises : ndarray of shape (t,), float32
        Probability from which it may be published; inf where nothing can be promised.
    rates : ndarray of shape (t,), float32, or None
        How often labels occur, to doubt titles by; None where too few families tell, or no title
        takes part.
    """

    widths: Widths
    zero: Floats | None
    coefs: tuple[Floats, ...]
    stack: Stack
    thresholds: Floats
    promises: Floats
    rates: Floats | None = None

    def scores(self, x: Floats) -> list[Floats]:
        """Return what is stacked, each of shape (n, t): zero-shot's scores, then the heads'."""
        zero = [] if self.zero is None else [_zero_scores(x, self.zero)]
        heads = zip(self.widths.split(x), self.coefs, strict=False)
        return [*zero, *(block @ coef[:-1] + coef[-1] for block, coef in heads)]

    def title_part(self, x: Floats, scores: Sequence[Floats]) -> Floats:
        """Return what titles add to the logits, shape (n, t); scores as they are stacked."""
        seen, own = self.widths.image, [*scores]
        own[-3] = np.zeros_like(own[-3])  # the picture's head
        if self.zero is not None:
            own[0] = x[:, seen:] @ self.zero[seen:-2] + self.zero[-1]
        return self.stack.logits(own) - self.stack.offsets

    def chances(self, logits: Floats, seen: Floats | None, part: Floats) -> Floats:
        """Return probabilities of shape (n, t), doubting titles that the picture contradicts.

        In an exclusive group picture and title together speak for their product's labels as far as
        the title is its own, else the picture alone. If a title is, the answers p of one and q of
        the other to a group whose labels have the rates r come together Σ p q / r times as often as
        those of two products (Bayes).

        Parameters
        ----------
        logits : ndarray of shape (n, t)
        seen : ndarray of shape (n, t), or None
            Probabilities by picture alone.
        part : ndarray of shape (n, t)
            What titles add to the logits.
        """
        out = self.stack.probabilities(logits)
        if self.rates is None or seen is None:
            return out
        for span in (group.span for group in self.stack.groups if group.exclusive):
            image, told = seen[:, span], softmax(part[:, span], axis=1)
            share = self.rates[span] / self.rates[span].sum()
            together = (image * told / np.maximum(share, 1e-4)).sum(axis=1)
            together /= np.maximum(image.sum(axis=1), 1e-6)
            mistaken = MISTAKEN / (MISTAKEN + (1 - MISTAKEN) * together)
            out[:, span] += mistaken[:, None] * (image - out[:, span])
        return out

    def above(self, span: slice, least: float) -> Side:
        """Return the same with thresholds of at least so much in some columns."""
        thresholds = self.thresholds.copy()
        thresholds[span] = np.maximum(thresholds[span], least)
        return replace(self, thresholds=thresholds)


class ProbeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A linear probe over several modalities, with calibrated probabilities.

    Parameters
    ----------
    widths : tuple of int, or None
        Columns of image, title and words in X; None means that all are the image's. Title and
        word columns of zeros stand for a missing title.
    groups : sequence of GroupSpan, or None
        The attribute groups that the columns of y belong to, in order. None makes a
        one-dimensional y one exclusive group, and a two-dimensional y one open group.
    precision : float or None
        The precision to promise for what is published.
    together : bool
        Whether the promise is one for a group's labels together, or one for each.

    Attributes
    ----------
    classes_ : ndarray of shape (t,)
        The classes of a one-dimensional y, else column numbers.
    titled_, alone_ : Side
        What judges products with and without a title.
    fuses_ : bool
        Whether titles are used: `titled_` is `alone_` where they aren't.
    sample_ : ndarray of shape (s,), int64
        Training rows that have left-out scores.
    left_out_, left_out_alone_ : ndarray of shape (s, t), float32
        Their probabilities, each by a fit without the row's family; by picture alone.
    settings_ : tuple of Setting
        What was chosen for each block.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]])
    >>> ProbeClassifier().fit(x, ["hat", "hat", "boot", "boot"]).predict([[1.0, 0.1]]).tolist()
    ['boot']
    """

    _head: ClassVar[Ridge] = Ridge()

    def __init__(
        self,
        widths: tuple[int, int, int] | None = None,
        groups: Sequence[GroupSpan] | None = None,
        precision: float | None = None,
        together: bool = True,
    ) -> None:
        self.widths = widths
        self.groups = groups
        self.precision = precision
        self.together = together

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

        Raises
        ------
        ValueError
            A parameter or an array can't be used; the sentence says why.
        """
        if self.precision is not None and not 0 < self.precision < 1:
            raise ValueError(f"precision is {self.precision}; give a share between 0 and 1.")
        x, y = validate_data(self, X, y, multi_output=True, dtype=np.float32)
        targets = self._targets(np.asarray(y))
        groups = self._layout(targets.shape[1])
        widths = Widths(*(self.widths or (x.shape[1],)))
        if x.shape[1] != sum(widths):
            raise ValueError(f"X has {x.shape[1]} columns, but widths add up to another number.")
        kin = np.arange(len(x)) if families is None else np.asarray(families)
        kin = np.unique(kin, return_inverse=True)[1].astype(np.int64)
        self.sample_ = np.flatnonzero(whole_families(kin, SAMPLE))
        labelled = Labelled(targets, groups, kin, self.sample_)
        self.alone_, heads, self.left_out_alone_ = self._fit_side(x, widths, labelled, prior)
        self.titled_, self.left_out_ = self.alone_, self.left_out_alone_
        titled = x[:, widths.image :].any(axis=1)
        self.fuses_ = bool(titled.any())
        if self.fuses_:
            self.titled_, heads, fused = self._fit_side(x, widths, labelled, prior, heads[0])
            self.left_out_ = np.where(titled[self.sample_][:, None], fused, self.left_out_alone_)
        self.settings_ = tuple(head.setting for head in heads)
        return self

    def restore(self, alone: Side, titled: Side) -> Self:
        """Take the learned state of a saved probe, all but the left-out scores."""
        self._single = False
        self.classes_ = np.arange(len(alone.thresholds))
        self.n_features_in_ = sum(alone.widths)
        self.alone_, self.titled_, self.fuses_ = alone, titled, titled is not alone
        return self

    def raise_thresholds(self, span: slice, least: float) -> None:
        """Give no label of some columns below a probability."""
        self.titled_, self.alone_ = (
            self.titled_.above(span, least),
            self.alone_.above(span, least),
        )

    def decision_function(self, X: ArrayLike) -> NDArray[np.floating[Any]]:  # noqa: N803
        """Return log odds of shape (n, t), or (n,) for two classes."""
        chances = self.predict_proba(X).astype(np.float64)
        odds: NDArray[np.float64] = logit(np.clip(chances, 1e-15, 1 - 1e-15))
        binary = self._single and len(self.classes_) == 2
        return odds[:, 1] - odds[:, 0] if binary else odds

    def predict_proba(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Return probabilities of shape (n, t); in an exclusive group they add up to at most 1."""
        return self.say(self._checked(X)).chances

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Return the best class, or for a two-dimensional y the labels above their threshold."""
        said = self.say(self._checked(X))
        if self._single:
            best: NDArray[Any] = self.classes_[said.chances.argmax(axis=1)]
            return best
        offered = candidates(said.chances, self.alone_.stack.groups)
        return (offered >= said.thresholds).astype(np.int64)

    def say(self, x: Floats) -> Said:
        """Say all there is to say of n products with features of shape (n, p)."""
        image = self.alone_.stack.logits(self.alone_.scores(x))
        title, chances = np.full_like(image, np.nan), self.alone_.stack.probabilities(image)
        if self.fuses_:
            scores = self.titled_.scores(x)
            title = self.titled_.title_part(x, scores)
            fused = self.titled_.chances(self.titled_.stack.logits(scores), chances, title)
            chances = np.where(self.titled(x)[:, None], fused, chances)
        return Said(image, title, chances, *self.cuts(x))

    def titled(self, x: Floats) -> NDArray[np.bool_]:
        """Return which products have a title that the probe uses, shape (n,)."""
        return np.asarray(self.fuses_ & x[:, self.alone_.widths.image :].any(axis=1))

    def cuts(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the thresholds and promises that hold for each product, shape (n, t) twice."""
        titled, sides = self.titled(x)[:, None], (self.titled_, self.alone_)
        thresholds = np.where(titled, *(side.thresholds for side in sides))
        return thresholds, np.where(titled, *(side.promises for side in sides))

    # -- how it works -------------------------------------------------------------------------

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

    def _layout(self, columns: int) -> tuple[GroupSpan, ...]:
        if not self.groups:
            return (GroupSpan(slice(0, columns), exclusive=self._single),)
        end = self.groups[-1].span.stop
        if end != columns:
            raise ValueError(f"groups have {end} labels in all, y has {columns} columns.")
        return tuple(self.groups)

    def _checked(self, x: ArrayLike) -> Floats:
        check_is_fitted(self, "titled_")
        return np.asarray(validate_data(self, x, reset=False, dtype=np.float32))

    def _fit_side(
        self,
        x: Floats,
        widths: Widths,
        labelled: Labelled,
        prior: Prior | None,
        picture: FittedHead | None = None,
    ) -> tuple[Side, list[FittedHead], Floats]:
        """Fit the heads of one side and their stack; return left-out probabilities, too.

        That of titles stands on the picture's head, which is fitted on all rows.
        """
        parts = widths.split(x)
        usable: NDArray[np.bool_] = np.ones(len(x), bool)
        zero: ZeroLogits | None = None
        believed: Sequence[Floats | None] = (None, None, None)
        if prior is not None:
            zero, believed = prior.alone if picture is None else prior.titled, prior.deviations
        if picture is None:
            block = Block(with_one(parts.image), usable, believed[0])
            heads = [self._head.fit(block, labelled)]
        else:
            usable = np.asarray(x[:, widths.image :].any(axis=1))
            pairs = zip(parts[1:], believed[1:], strict=True)
            blocks = [Block(with_one(part), usable, own) for part, own in pairs]
            heads = [picture, *(self._head.fit(block, labelled) for block in blocks)]
        seen = None if picture is None else self.left_out_alone_
        side, chances = self._side(x, widths, labelled, usable, zero, heads, seen)
        return side, heads, chances

    def _side(
        self,
        x: Floats,
        widths: Widths,
        labelled: Labelled,
        usable: NDArray[np.bool_],
        zero: ZeroLogits | None,
        heads: list[FittedHead],
        seen: Floats | None = None,
    ) -> tuple[Side, Floats]:
        """Stack zero-shot's logits and fitted heads; return left-out probabilities, too.

        Where titles are to be doubted, `seen` is what pictures alone say, families left out.
        """
        sample = self.sample_
        scores = [fitted.left_out for fitted in heads]
        truth = np.where(usable[sample][:, None], labelled.targets[sample], -1).astype(np.int8)
        units = np.full(len(heads), self._head.unit, np.float32)
        weights = np.tile(units, (len(labelled.groups), 1))
        none = np.full(len(labelled.groups), -np.inf, np.float32)
        if zero is not None:
            # No label was used to make the zero-shot scores, so on these rows they show how far
            # they can be trusted: where they are right, heads of a few shots could only do harm.
            scores.insert(0, _zero_scores(x[sample], zero.coef))
            weights *= _SHARE * _doubt(scores[0], truth, labelled.groups)[:, None]
            weights, units = np.insert(weights, 0, 1, axis=1), np.insert(units, 0, 1)
            none = zero.none
        default = Stack(labelled.groups, weights, np.zeros(truth.shape[1], np.float32), none)
        few = labelled.support < FEW
        stack = default.fit(scores, truth, units, fixed=few)
        flat = np.full(truth.shape[1], np.inf, np.float32)
        coef = None if zero is None else zero.coef
        rates = None if few or seen is None else label_rates(labelled.targets)
        side = Side(widths, coef, tuple(h.coef for h in heads), stack, flat, flat, rates)
        logits = stack.logits(scores)
        part = np.zeros_like(logits) if rates is None else side.title_part(x[sample], scores)
        chances = side.chances(logits, seen, part)
        offered = candidates(chances, labelled.groups)
        side = replace(side, thresholds=f1_thresholds(offered, truth, labelled.groups))
        if self.precision is not None:
            if rates is not None:
                other = part[_swapped(usable[sample])]
                offered = candidates(
                    side.chances(logits - part + other, seen, other), labelled.groups
                )
            kin = labelled.families[sample]
            groups = labelled.groups if self.together else None
            found = promise_thresholds(offered, truth, kin, self.precision, groups)
            side = replace(side, promises=found)
        return side, chances


def _swapped(titled: NDArray[np.bool_]) -> Ints:
    """Return whose title each of n products gets where `SWAPPED` of them get another's."""
    rng, out = np.random.default_rng(0), np.arange(len(titled))
    some = rng.permutation(np.flatnonzero(titled))
    some = some[: round(SWAPPED * len(some))]
    out[some] = np.roll(some, 1)
    return out


def _doubt(zero: Floats, truth: NDArray[np.int8], groups: Sequence[GroupSpan]) -> Floats:
    """Return how far zero-shot scores rank wrongly, per group: 1 - macro average precision."""
    precision = [
        macro(average_precision_score(truth[:, group.span], zero[:, group.span]))
        for group in groups
    ]
    return 1.0 - np.nan_to_num(np.array(precision, np.float32))


def _zero_scores(x: Floats, zero: Floats) -> Floats:
    return np.asarray(x @ zero[:-2] + (zero[-2] + zero[-1]), np.float32)
