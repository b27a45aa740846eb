"""Fusions and heads that lost to the package's own, for the suites to compare.

A fusion makes blocks of features out of picture, title and words; each block gets a head of its
own. The joint space of a model allows its image and title embeddings to be combined number by
number. Products without a title are judged by their picture alone in any case.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.heads import HEADS
from fashiontag.heads.classifier import ProbeClassifier, Side
from fashiontag.heads.linear import Block, FittedHead, Ridge, with_one
from fashiontag.heads.prior import ZeroLogits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fashiontag.heads.features import Parts, Widths
    from fashiontag.heads.linear import Labelled
    from fashiontag.heads.prior import Prior

Floats = NDArray[np.float32]

BILINEAR_AXES = 31
"""Principal axes per modality whose products `Bilinear` takes: 32 x 32 with a 1 each."""


class Early:
    """One block for all, and so one head."""

    sees_image = True

    def fit(self, parts: Parts, titled: NDArray[np.bool_], labelled: Labelled) -> Early:
        """Learn nothing."""
        del parts, titled, labelled
        return self

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return image and title, combined number by number."""
        raise NotImplementedError

    def prior(self, parts: Parts) -> list[Floats | None]:
        """Return the mean of both priors."""
        return [np.asarray((parts.image + parts.title) / 2, np.float32)]


@dataclass(frozen=True)
class Concat(Early):
    """One head on all columns."""

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return all columns."""
        return [np.hstack(parts)]

    def prior(self, parts: Parts) -> list[Floats | None]:
        """Return all coefficients, and one intercept for all."""
        intercept = np.array([part[-1] for part in parts]).sum(axis=0)
        return [np.vstack([*(part[:-1] for part in parts), intercept]).astype(np.float32)]


@dataclass(frozen=True)
class Add(Early):
    """The sum of the embeddings."""

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return image + title."""
        return [parts.image + parts.title]


@dataclass(frozen=True)
class Average(Early):
    """The mean of the embeddings."""

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return (image + title) / 2."""
        return [np.float32(0.5) * (parts.image + parts.title)]


@dataclass(frozen=True)
class Product(Early):
    """The product of the embeddings."""

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return image · title."""
        # Numbers of about 1/sqrt(d) have products of 1/d: scaled back to unit rows.
        return [parts.image * parts.title * np.float32(np.sqrt(parts.image.shape[1]))]

    def prior(self, parts: Parts) -> list[Floats | None]:
        """Return none: no cosine is a linear function of products."""
        del parts
        return [None]


@dataclass(frozen=True)
class Gated(Early):
    """``g·image + (1 - g)·title``, g a sigmoid of both.

    Attributes
    ----------
    coef : ndarray of shape (image + title + 1, ), float32, or None
        The gate's, once it is learned.
    """

    coef: Floats | None = None

    def fit(self, parts: Parts, titled: NDArray[np.bool_], labelled: Labelled) -> Gated:
        """Open the gate to the picture where the picture's own left-out error is the smaller."""
        rows = labelled.sample[titled[labelled.sample]]
        sampled = replace(labelled, sample=rows)
        errors = []
        for part in (parts.image, parts.title):
            head = Ridge().fit(Block(with_one(part), titled, None), sampled)
            known = labelled.targets[rows] >= 0
            errors.append((((head.left_out - labelled.targets[rows]) ** 2) * known).sum(axis=1))
        z = with_one(np.hstack([parts.image, parts.title]))[rows]
        wish = np.where(errors[0] < errors[1], 2.0, -2.0).astype(np.float32)
        gate = np.linalg.solve(z.T @ z + 10.0 * np.eye(z.shape[1]), z.T @ wish)
        return Gated(gate.astype(np.float32))

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return the gated mean."""
        assert self.coef is not None, "fit makes a gate"
        logits = np.hstack([parts.image, parts.title]) @ self.coef[:-1] + self.coef[-1]
        gate = np.asarray(1 / (1 + np.exp(-logits)), np.float32)[:, None]
        return [gate * parts.image + (1 - gate) * parts.title]


@dataclass(frozen=True)
class Bilinear(Early):
    """Products of the embeddings' main axes.

    Attributes
    ----------
    axes : tuple of two ndarrays of shape (d, k), float32, or None
        Of image and title, once they are learned.
    """

    axes: tuple[Floats, Floats] | None = None

    def fit(self, parts: Parts, titled: NDArray[np.bool_], labelled: Labelled) -> Bilinear:
        """Find the main axes of the titled rows."""
        del labelled
        return Bilinear((_main_axes(parts.image[titled]), _main_axes(parts.title[titled])))

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return the products of all pairs of axes, with a 1 each."""
        assert self.axes is not None, "fit finds the axes"
        image, title = (
            with_one(part @ axes)
            for part, axes in zip((parts.image, parts.title), self.axes, strict=True)
        )
        return [(image[:, :, None] * title[:, None, :]).reshape(len(image), -1)]

    def prior(self, parts: Parts) -> list[Floats | None]:
        """Return none: no cosine is a linear function of products."""
        del parts
        return [None]


@dataclass(frozen=True)
class Titles(Early):
    """One head on the title's vector and one on its words."""

    sees_image = False

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return title and words."""
        return [parts.title, parts.words]

    def prior(self, parts: Parts) -> list[Floats | None]:
        """Return their own priors."""
        return [*self.blocks(parts)]


FUSIONS: dict[str, Early] = {
    "concat": Concat(),
    "add": Add(),
    "average": Average(),
    "product": Product(),
    "gated": Gated(),
    "bilinear": Bilinear(),
    "title": Titles(),
}
"""By the name that suites use."""


@dataclass(frozen=True, slots=True)
class _FusedSide(Side):
    """What judges products with a title under a fusion."""

    fusion: Early = Concat()

    def scores(self, x: Floats) -> list[Floats]:
        """Return what is stacked, each of shape (n, t): zero-shot's scores, then the heads'."""
        blocks = self.fusion.blocks(self.widths.split(x))
        zero = [] if self.zero is None else [x @ self.zero[:-2] + self.zero[-2:].sum(axis=0)]
        heads = zip(blocks, self.coefs, strict=True)
        return [*zero, *(block @ coef[:-1] + coef[-1] for block, coef in heads)]

    def title_part(self, x: Floats, scores: Sequence[Floats]) -> Floats:
        """Return the whole: what titles add can't be told."""
        del x
        return self.stack.logits(scores)


class FusedProbe(ProbeClassifier):
    """The probe under another fusion; all else as in `ProbeClassifier`."""

    def __init__(
        self,
        fusion: Early | None = None,
        widths: tuple[int, int, int] | None = None,
        groups: Any = None,  # noqa: ANN401
        precision: float | None = None,
        together: bool = True,
    ) -> None:
        super().__init__(widths, groups, precision, together)
        self.fusion = fusion

    def _fit_side(
        self,
        x: Floats,
        widths: Widths,
        labelled: Labelled,
        prior: Prior | None,
        picture: FittedHead | None = None,
    ) -> tuple[Side, list[FittedHead], Floats]:
        if picture is None:
            return super()._fit_side(x, widths, labelled, prior)
        parts, titled = widths.split(x), np.asarray(x[:, widths.image :].any(axis=1))
        fusion = (self.fusion or Concat()).fit(parts, titled, labelled)
        blocks, zero = fusion.blocks(parts), None
        priors: list[Floats | None] = [None] * len(blocks)
        if prior is not None:
            priors, zero = fusion.prior(prior.deviations), prior.titled
            if not fusion.sees_image:
                coef = zero.coef.copy()
                coef[: widths.image] = coef[-2] = 0
                # "None of these" was weighed against both.
                zero = ZeroLogits(coef, np.full_like(zero.none, -np.inf))
        heads = [
            self._head.fit(Block(with_one(block), titled, own), labelled)
            for block, own in zip(blocks, priors, strict=True)
        ]
        # What titles add can't be told here, so they can't be doubted.
        side, chances = self._side(x, widths, labelled, titled, zero, heads)
        own = {field.name: getattr(side, field.name) for field in fields(side)}
        return _FusedSide(**own, fusion=fusion), heads, chances


class LogisticProbe(ProbeClassifier):
    """The probe with logistic heads."""

    _head = HEADS["logistic"]


class GaussianProbe(ProbeClassifier):
    """The probe with heads of Gaussians."""

    _head = HEADS["gda"]


PROBES: dict[str, type[ProbeClassifier]] = {
    "ridge": ProbeClassifier,
    "logistic": LogisticProbe,
    "gda": GaussianProbe,
}
"""By the name that suites use of their heads."""


def _main_axes(x: Floats) -> Floats:
    """Return the first principal axes, scaled so that the projections have unit variance."""
    values, axes = np.linalg.eigh(np.cov(x, rowvar=False).astype(np.float32))
    best = np.argsort(values)[::-1][:BILINEAR_AXES]
    return np.asarray(axes[:, best] / np.sqrt(np.maximum(values[best], 1e-6)) / 4, np.float32)
