"""A few vectors that a model folder's maker wrote down, compared with those computed here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from fashiontag.encoders.files import reason
from fashiontag.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

    from fashiontag.datamodels import Vectors

FILE_NAME = "selftest.json"
_COSINE = 0.999  # bf16, the coarsest, stays above 0.9997 on 2,000 photos and 0.9999 on their titles


@dataclass(frozen=True, slots=True)
class SelfTest:
    """n texts, and the vectors wanted of them and, in the last row, of `picture`: (n + 1, d)."""

    path: Path
    texts: tuple[str, ...]
    vectors: NDArray[np.float64]

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """Read a folder's self-test, None where it has none.

        Raises
        ------
        ModelError
            If the file can't be understood.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            return None
        try:
            wanted = json.loads(path.read_text(encoding="utf-8"))
            texts, image = dict(wanted["texts"]), wanted["image"]["vector"]
            vectors = np.array([*texts.values(), image], dtype=np.float64)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is no self-test ({reason(error)}); delete it.") from None
        return cls(path, tuple(texts), vectors)

    def check_texts(self, model: str, vectors: Vectors) -> None:
        """Raise ModelError unless these vectors of the texts, shape (n, d), are those wanted."""
        self._check(model, vectors, self.vectors[:-1], [repr(text) for text in self.texts])

    def check_picture(self, model: str, vector: Vectors) -> None:
        """Raise ModelError unless this vector of `picture`, shape (1, d), is the one wanted."""
        self._check(model, vector, self.vectors[-1:], ["its picture"])

    def _check(
        self, model: str, got: Vectors, target: NDArray[np.float64], cases: list[str]
    ) -> None:
        if got.shape != target.shape:
            raise ModelError(
                f"{self.path} holds vectors of length {target.shape[1]}, {model} gives"
                f" {got.shape[1]}; the folder's files don't belong together."
            )
        cosines = (got * target).sum(axis=1) / np.linalg.norm(target, axis=1)
        worst = int(np.argmin(np.where(np.isnan(cosines), -2, cosines)))
        if not cosines[worst] >= _COSINE:
            raise ModelError(
                f"{model} fails its self-test: for {cases[worst]} the cosine with the vector in"
                f" {self.path} is {cosines[worst]:.4f}, wanted {_COSINE}; weights, configuration or"
                " preprocessing were changed: get the folder again."
            )


def picture() -> Image.Image:
    """Return the self-test's 64 x 64 picture: pixel[y, x] = (4x mod 256, 4y mod 256, 128)."""
    from PIL import Image

    ramp = (4 * np.arange(64) % 256).astype(np.uint8)
    pixels = np.full((64, 64, 3), 128, dtype=np.uint8)
    pixels[..., 0], pixels[..., 1] = ramp[None, :], ramp[:, None]
    return Image.fromarray(pixels)
