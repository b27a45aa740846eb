"""The zero-shot classifier as coefficients over the probe's features: where every head starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashiontag.heads.features import Parts, typical_length

if TYPE_CHECKING:
    from fashiontag.heads.features import Features
    from fashiontag.heads.statistics import Moments
    from fashiontag.heads.zeroshot import ZeroShot
    from fashiontag.labels import LabelSpace

Floats = NDArray[np.float32]

_NAMED = 5.0
"""Deviations that a label's name in the title is worth as a prior: no cosine reaches them."""


@dataclass(frozen=True, slots=True)
class ZeroLogits:
    """Zero-shot logits as a linear function of p columns of features.

    Attributes
    ----------
    coef : ndarray of shape (p + 2, t), float32
        The last two rows are the intercepts of picture and title.
    none : ndarray of shape (g,), float32
        The logit of "none of these" that belongs to them; -inf where there is none.
    """

    coef: Floats
    none: Floats


@dataclass(frozen=True, slots=True)
class Prior:
    """The zero-shot classifier over p columns of features and t labels.

    Attributes
    ----------
    deviations : Parts
        Standardised evidence of each modality for each label, shape (p_m + 1, t), float32; the last
        row is the intercept.
    titled, alone : ZeroLogits
        Of a product with a title, and of one without.
    """

    deviations: Parts
    titled: ZeroLogits
    alone: ZeroLogits

    def only(self, space: LabelSpace, some: LabelSpace) -> Prior:
        """Return that of some groups of its label space."""
        columns = [space.column(tag) for tag in some.tags]
        groups = [space.names.index(name) for name in some.names]
        titled, alone = (
            ZeroLogits(one.coef[:, columns], one.none[groups]) for one in (self.titled, self.alone)
        )
        return Prior(Parts(*(part[:, columns] for part in self.deviations)), titled, alone)


def zero_shot_prior(features: Features, zero: ZeroShot, image: Moments, title: Moments) -> Prior:
    """Write the zero-shot classifier as coefficients over the probe's features.

    Parameters
    ----------
    features : Features
    zero : ZeroShot
    image, title : Moments
        How the vectors that are to be judged lie.
    """
    space, statistics, widths = features.space, zero.statistics, features.widths
    size, groups = space.size, len(space.groups)
    visible = space.visible.astype(np.float32)
    image_cosines = _cosines(zero.prompts, features.image) * visible
    title_cosines = _cosines(zero.prompts, features.title)
    # The last columns of the words say, label by label, whether the title names it.
    named = np.eye(widths.words + 1, size, size - widths.words, np.float32)
    deviations = Parts(
        _standardised(zero.centred, image) * visible,
        _standardised(zero.centred, title),
        _NAMED * named,
    )
    titled, alone = (
        ZeroLogits(
            np.zeros((sum(widths) + 2, size), np.float32), np.full(groups, -np.inf, np.float32)
        )
        for _ in range(2)
    )
    # "Unknown" is as near as the group's background is to a product's picture on the average.
    background = zero.background(features.image[None])[0]
    for number, group in enumerate(space.groups):
        span = space.span(group.name)
        weights = statistics.of(space.name, group.name, exclusive=group.exclusive)
        image_scores, title_scores = image_cosines[:, span], title_cosines[:, span]
        if weights.standard and not group.exclusive:
            image_scores = (_from_reference(zero, features.image, image) * visible)[:, span]
            title_scores = _from_reference(zero, features.title, title)[:, span]
        for logits, image_weight, title_weight, words_weight, unknown in (
            (titled, weights.image, weights.title, weights.words, weights.unknown),
            (alone, weights.image_alone, 0.0, 0.0, weights.unknown_alone),
        ):
            by_image, by_title = image_weight * image_scores, title_weight * title_scores
            slopes = by_image[:-1], by_title[:-1], words_weight * named[:-1, span]
            logits.coef[:, span] = np.vstack([*slopes, by_image[-1], by_title[-1]])
            if group.exclusive:
                logits.none[number] = np.logaddexp(unknown, image_weight * background[number])
            else:
                logits.coef[-2, span] -= unknown
    return Prior(deviations, titled, alone)


def _standardised(prompts: Floats, moments: Moments) -> Floats:
    """Return cosines as deviations from what products usually show; `prompts` are centred.

    Shape (p_m + 1, t): slopes, then the intercept.
    """
    variances = np.einsum("td,de,te->t", prompts, moments.covariance, prompts)
    spread = np.maximum(np.sqrt(np.maximum(variances, 0)), 1e-6).astype(np.float32)
    return np.asarray(np.vstack([prompts.T, -(prompts @ moments.centre)]) / spread, np.float32)


def _cosines(prompts: Floats, mean: Floats) -> Floats:
    """Return cosines themselves: length · (features @ prompt) + mean @ prompt; shape as above."""
    return np.vstack([np.float32(typical_length(mean)) * prompts.T, prompts @ mean])


def _from_reference(zero: ZeroShot, mean: Floats, moments: Moments) -> Floats:
    """Return `ZeroShot.deviations`, their spread the same for all products; shape as above.

    It is the root of what the reference's cosines vary by about their mean, over products of these
    moments.
    """
    middle = zero.reference.mean(axis=0)
    apart = zero.reference - middle
    varying = np.einsum("rd,de,re->r", apart, moments.covariance, apart) * typical_length(mean) ** 2
    spread = np.sqrt(np.maximum((varying + (apart @ mean) ** 2).mean(), 1e-12))
    return np.asarray(_cosines(zero.prompts - middle, mean) / spread, np.float32)
