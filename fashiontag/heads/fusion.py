"""How picture and title come together: which blocks of features get a head of their own.

Features are columns ``[image | title | words]``. A product without a title has zeros in the last
two, and is always judged by the image head alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fashiontag.heads.linear import Labelled

Floats = NDArray[np.float32]


class Widths(NamedTuple):
    """How many columns each modality has; 0 for one that isn't there."""

    image: int
    title: int = 0
    words: int = 0

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The columns of image, title and words."""
        middle = self.image + self.title
        return slice(0, self.image), slice(self.image, middle), slice(middle, sum(self))

    def split(self, x: Floats) -> Parts:
        """Part features of shape (n, p)."""
        return Parts(*(x[:, columns] for columns in self.slices))


class Parts(NamedTuple):
    """One array per modality: features of shape (n, p_m), or a prior over them, (p_m + 1, t)."""

    image: Floats
    title: Floats
    words: Floats


class Fusion(Protocol):
    """Makes blocks of features out of modalities; each block gets a head of its own.

    Attributes
    ----------
    sees_image, sees_title : bool
        What takes part where there is a title.
    """

    sees_image: bool
    sees_title: bool

    def fit(self, parts: Parts, titled: NDArray[np.bool_], labelled: Labelled) -> Fusion:
        """Return the fusion with what it learns from all n training rows; it stays as it is."""

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return the feature blocks of titled products, each of shape (n, p_m)."""

    def prior(self, parts: Parts) -> list[Floats | None]:
        """Return the prior of each block, of shape (p_m + 1, t), from the modalities' own."""


@dataclass(frozen=True)
class Heads(Fusion):
    """One head per modality that is seen, summed; nothing is learned."""

    sees_image: bool = True
    sees_title: bool = True

    def fit(self, parts: Parts, titled: NDArray[np.bool_], labelled: Labelled) -> Self:
        """Learn nothing."""
        del parts, titled, labelled
        return self

    def blocks(self, parts: Parts) -> list[Floats]:
        """Return one block per modality that is seen."""
        return [parts.image] * self.sees_image + [parts.title, parts.words] * self.sees_title

    def prior(self, parts: Parts) -> list[Floats | None]:
        """Return the modalities' own priors."""
        return [*self.blocks(parts)]


IMAGE_ONLY = Heads(sees_title=False)
TITLE_ONLY = Heads(sees_image=False)
"""One head on the title's vector and one on its words."""
