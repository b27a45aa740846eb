"""The zero-shot classifier as coefficients over the probe's features: where every head starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashiontag.heads.features import typical_length

if TYPE_CHECKING:
    from fashiontag.heads.features import Features
    from fashiontag.heads.statistics import Moments
    from fashiontag.heads.zeroshot import ZeroShot

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

    @classmethod
    def zeros(cls, columns: int, labels: int, groups: int) -> ZeroLogits:
        """Return logits that say nothing."""
        none = np.full(groups, -np.inf, np.float32)
        return cls(np.zeros((columns + 2, labels), np.float32), none)

    def without(self, image: slice) -> ZeroLogits:
        """Return what is left where the picture, in these columns, is not to be seen."""
        coef = self.coef.copy()
        coef[image] = coef[-2] = 0
        return ZeroLogits(coef, np.full_like(self.none, -np.inf))  # it was weighed against both


@dataclass(frozen=True, slots=True)
class Prior:
    """The zero-shot classifier over p columns of features and t labels.

    Attributes
    ----------
    deviations : ndarray of shape (p + 3, t), float32
        Standardised evidence of each modality for each label; the last three rows are the
        intercepts of image, title and words.
    titled, alone : ZeroLogits
        Of a product with a title, and of one without.
    """

    deviations: Floats
    titled: ZeroLogits
    alone: ZeroLogits


@dataclass(frozen=True, slots=True)
class _Linear:
    """A score of each label as a linear function of one modality's vectors."""

    slopes: Floats
    intercepts: Floats

    def where(self, shown: Floats) -> _Linear:
        return _Linear(self.slopes * shown, self.intercepts * shown)


def zero_shot_prior(features: Features, zero: ZeroShot, image: Moments, title: Moments) -> Prior:
    """Write the zero-shot classifier as coefficients over the probe's features.

    Parameters
    ----------
    features : Features
    zero : ZeroShot
    image, title : Moments
        How the vectors that are to be judged lie.
    """
    space, statistics = features.space, zero.statistics
    at_image, at_title, _ = features.widths.slices
    size, columns = space.size, sum(features.widths)
    visible = space.visible.astype(np.float32)
    image_deviations = _standardised(zero.centred, image).where(visible)
    title_deviations = _standardised(zero.centred, title)
    image_cosines = _cosines(zero.prompts, features.image).where(visible)
    title_cosines = _cosines(zero.prompts, features.title)

    deviations = np.zeros((columns + 3, size), np.float32)
    deviations[at_image], deviations[-3] = image_deviations.slopes, image_deviations.intercepts
    deviations[at_title], deviations[-2] = title_deviations.slopes, title_deviations.intercepts
    deviations[columns - size : columns] = _NAMED * np.eye(size)

    both, single = (ZeroLogits.zeros(columns, size, len(space.groups)) for _ in range(2))
    titled, alone = both.coef, single.coef
    # "Unknown" is as near as the group's background is to a product's picture on the average.
    background = zero.background(features.image[None])[0]
    for number, group in enumerate(space.groups):
        span = space.span(group.name)
        weight = statistics.of(space.name, group.name, exclusive=group.exclusive)
        by_image, by_title = image_cosines, title_cosines
        if not group.exclusive and not statistics.fitted:
            # As near as can be to rows that are standardised over the prompts at hand.
            by_image, by_title = image_deviations, title_deviations
        titled[at_image, span] = weight.image * by_image.slopes[:, span]
        titled[at_title, span] = weight.title * by_title.slopes[:, span]
        titled[-2, span] = weight.image * by_image.intercepts[span]
        titled[-1, span] = weight.title * by_title.intercepts[span]
        titled[columns - size : columns][span, span] = weight.words * np.eye(len(group.labels))
        alone[at_image, span] = weight.image_alone * by_image.slopes[:, span]
        alone[-2, span] = weight.image_alone * by_image.intercepts[span]
        if group.exclusive:
            both.none[number] = np.logaddexp(weight.unknown, weight.image * background[number])
            single.none[number] = np.logaddexp(
                weight.unknown_alone, weight.image_alone * background[number]
            )
        else:
            titled[-2, span] -= weight.unknown
            alone[-2, span] -= weight.unknown_alone
    return Prior(deviations, both, single)


def _standardised(prompts: Floats, moments: Moments) -> _Linear:
    """Return cosines as deviations from what products usually show; `prompts` are centred."""
    variances = np.einsum("td,de,te->t", prompts, moments.covariance, prompts)
    spread = np.maximum(np.sqrt(np.maximum(variances, 0)), 1e-6).astype(np.float32)
    return _Linear(prompts.T / spread, -(prompts @ moments.centre) / spread)


def _cosines(prompts: Floats, mean: Floats) -> _Linear:
    """Return cosines themselves: length · (features @ prompt) + mean @ prompt."""
    return _Linear(typical_length(mean) * prompts.T, prompts @ mean)
