"""How picture and title come together: which blocks of features get a head of their own.

Features are columns ``[image | title | words]``. A product without a title has zeros in the last
two, and is always judged by the image head alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
FusionName = Literal[
    "heads",
    "concat",
    "add",
    "average",
    "product",
    "gated",
    "bilinear",
    "image",
    "title",
]
FUSIONS: tuple[str, ...] = get_args(FusionName)

BILINEAR_AXES = 31
"""Principal axes per modality whose products the bilinear fusion takes: 32 x 32 with a 1 each."""


@dataclass(frozen=True, slots=True)
class Widths:
    """How many columns each modality has; 0 for one that isn't there."""

    image: int
    title: int = 0
    words: int = 0

    @property
    def parts(self) -> tuple[slice, slice, slice]:
        """The columns of image, title and words."""
        middle = self.image + self.title
        return (
            slice(0, self.image),
            slice(self.image, middle),
            slice(middle, middle + self.words),
        )


@dataclass(frozen=True, slots=True)
class Fusion:
    """One of the named fusions, with what it has learned from features.

    Attributes
    ----------
    name : str
        ``heads``: one head per modality, summed. ``concat``: one head on all columns. ``add``,
        ``average``, ``product``: image and title embeddings combined number by number, which the
        joint space allows. ``gated``: ``g·image + (1 - g)·title``, g a sigmoid of both.
        ``bilinear``: products of the embeddings' main axes. ``image``, ``title``: one side only.
    widths : Widths
    learned : dict of str to ndarray
        Axes of ``bilinear``, the gate's coefficients of ``gated``.
    """

    name: str
    widths: Widths
    learned: dict[str, Floats] = field(default_factory=dict)

    def learn(self, x: Floats, titled: NDArray[np.bool_]) -> Fusion:
        """Return the fusion with the main axes of its training rows."""
        if self.name != "bilinear" or not titled.any():
            return self
        found = {
            name: _main_axes(x[titled][:, part])
            for name, part in zip(("image", "title"), self.widths.parts, strict=False)
        }
        return Fusion(self.name, self.widths, found)

    def blocks(self, x: Floats) -> list[Floats]:
        """Return the feature blocks of titled products, each of shape (n, p_m)."""
        image, title, words = (x[:, part] for part in self.widths.parts)
        if self.name == "heads":
            return [image, title, words]
        if self.name == "concat":
            return [x]
        if self.name == "image":
            return [image]
        if self.name == "title":
            return [title, words]
        if self.name == "add":
            return [image + title]
        if self.name == "average":
            return [np.float32(0.5) * (image + title)]
        if self.name == "product":
            # Numbers of about 1/sqrt(d) have products of 1/d: scaled back to unit rows.
            return [image * title * np.float32(np.sqrt(self.widths.image))]
        if self.name == "gated":
            gate = self.gate(x)[:, None]
            return [gate * image + (1 - gate) * title]
        left = _with_one(image @ self.learned["image"])
        right = _with_one(title @ self.learned["title"])
        return [(left[:, :, None] * right[:, None, :]).reshape(len(x), -1)]

    def gate(self, x: Floats) -> Floats:
        """Return how far each product is judged by its picture, shape (n,), in [0, 1]."""
        if "gate" not in self.learned:
            return np.full(len(x), 0.5, np.float32)
        logits = x[:, : self.widths.image + self.widths.title] @ self.learned["gate"][:-1]
        return np.asarray(1 / (1 + np.exp(-logits - self.learned["gate"][-1])), np.float32)

    def prior(self, prior: Floats) -> list[Floats | None]:
        """Return the prior of each block, from one over all columns and three intercepts.

        Parameters
        ----------
        prior : ndarray of shape (image + title + words + 3, t)
        """
        parts = self.widths.parts
        own: list[Floats] = [
            np.vstack([prior[part], prior[number - 3]]) for number, part in enumerate(parts)
        ]
        if self.name == "heads":
            return [*own]
        if self.name == "image":
            return [own[0]]
        if self.name == "title":
            return [*own[1:]]
        if self.name == "concat":
            return [np.vstack([prior[:-3], prior[-3:].sum(axis=0)]).astype(np.float32)]
        if self.name in {"add", "average", "gated"}:
            return [np.asarray((own[0] + own[1]) / 2, np.float32)]
        return [None]


def _main_axes(x: Floats) -> Floats:
    """Return the first principal axes, scaled so that the projections have unit variance."""
    values, axes = np.linalg.eigh(np.cov(x, rowvar=False).astype(np.float32))
    best = np.argsort(values)[::-1][:BILINEAR_AXES]
    return np.asarray(axes[:, best] / np.sqrt(np.maximum(values[best], 1e-6)) / 4, np.float32)


def _with_one(x: Floats) -> Floats:
    return np.hstack([x, np.ones((len(x), 1), np.float32)])
