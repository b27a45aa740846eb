"""Fusions that lost to the package's own (`fashiontag.heads.fusion`), for the suites to compare.

Each is an object that `ProbeClassifier` takes as its `fusion`; the joint space of a model allows
its image and title embeddings to be combined number by number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashiontag.heads.fusion import IMAGE_ONLY, TITLE_ONLY, Fusion, Heads, Parts
from fashiontag.heads.linear import Block, Ridge, with_one

if TYPE_CHECKING:
    from fashiontag.heads.linear import Labelled

Floats = NDArray[np.float32]

BILINEAR_AXES = 31
"""Principal axes per modality whose products `Bilinear` takes: 32 x 32 with a 1 each."""


class _Early:
    """One block for all, and so one head."""

    sees_image = True
    sees_title = True

    def fit(self, parts: Parts, titled: NDArray[np.bool_], labelled: Labelled) -> Fusion:
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
class Concat(_Early):
    """One head on all columns."""

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return all columns."""
        return [np.hstack(parts)]

    def prior(self, parts: Parts) -> list[Floats | None]:
        """Return all coefficients, and one intercept for all."""
        intercept = np.array([part[-1] for part in parts]).sum(axis=0)
        return [np.vstack([*(part[:-1] for part in parts), intercept]).astype(np.float32)]


@dataclass(frozen=True)
class Add(_Early):
    """The sum of the embeddings."""

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return image + title."""
        return [parts.image + parts.title]


@dataclass(frozen=True)
class Average(_Early):
    """The mean of the embeddings."""

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return (image + title) / 2."""
        return [np.float32(0.5) * (parts.image + parts.title)]


@dataclass(frozen=True)
class Product(_Early):
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
class Gated(_Early):
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
class Bilinear(_Early):
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


FUSIONS: dict[str, Fusion] = {
    "heads": Heads(),
    "concat": Concat(),
    "add": Add(),
    "average": Average(),
    "product": Product(),
    "gated": Gated(),
    "bilinear": Bilinear(),
    "image": IMAGE_ONLY,
    "title": TITLE_ONLY,
}
"""By the name that suites use."""


def _main_axes(x: Floats) -> Floats:
    """Return the first principal axes, scaled so that the projections have unit variance."""
    values, axes = np.linalg.eigh(np.cov(x, rowvar=False).astype(np.float32))
    best = np.argsort(values)[::-1][:BILINEAR_AXES]
    return np.asarray(axes[:, best] / np.sqrt(np.maximum(values[best], 1e-6)) / 4, np.float32)
