"""What a model's scores look like on products: the constants that turn cosines into decisions.

They are fitted once per model, on validation pictures that neither trained the model nor test it,
and travel in the model's folder as ``statistics.safetensors``. A model without them gets neutral
constants, and its figures are scores, not probabilities.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

FILE_NAME = "statistics.safetensors"


@dataclass(frozen=True, slots=True)
class Moments:
    """How one modality's vectors lie in the joint space.

    Attributes
    ----------
    mean : ndarray of shape (d,), float32
        Subtracted where vectors of both modalities meet, in search and in probes: images and texts
        of one model live in different cones (the modality gap).
    centre : ndarray of shape (d,), float32
        Mean of the centred, re-normalised vectors.
    covariance : ndarray of shape (d, d), float32
        Their covariance. With it the mean and spread of *any* prompt's cosine over products are
        ``centre @ p`` and ``sqrt(p @ covariance @ p)``, so a label invented today is standardised
        like the shipped ones.
    """

    mean: NDArray[np.float32]
    centre: NDArray[np.float32]
    covariance: NDArray[np.float32]

    @classmethod
    def fit(cls, vectors: NDArray[np.float32]) -> Moments:
        """Take the moments of unit vectors of shape (n, d)."""
        mean = vectors.mean(axis=0)
        centred = unit(vectors - mean)
        return cls(
            mean.astype(np.float32),
            centred.mean(axis=0).astype(np.float32),
            np.cov(centred, rowvar=False).astype(np.float32),
        )


@dataclass(frozen=True, slots=True)
class GroupConstants:
    """The few numbers with which one attribute group weighs its evidence.

    In an exclusive group the logit of label k is ``image·cos + title·cos + words·w``, and that of
    "unknown" is ``logaddexp(unknown, image·background)``; the score is their softmax. In an open
    group the score is ``sigmoid(image·cos + title·cos + words·w − unknown)``. Where there is no
    title, ``image_alone`` and ``unknown_alone`` stand in.

    Attributes
    ----------
    image_alone, unknown_alone : float
        Weight of the picture and logit of "unknown" without a title.
    image, title, words, unknown : float
        Weights and logit of "unknown" with one.
    cut_alone, cut : float
        Lowest score in [0, 1] at which a label is given, without and with a title.
    fitted_on : str
        What labelled data they come from; "" where they are borrowed or neutral.
    blank : float
        How far "unknown" must be ahead of all labels together, titles aside, in logits, for a
        picture to count as one of no product; in a label file's main group. Below 0 it need not
        be ahead.
    standard : bool
        In an open group, whether ``cos`` stands for deviations: how far a product's cosine with
        the label is from its cosines with all kinds of products (SPARC, Miller et al., CVPR 2025,
        takes the prompts at hand, but of seven none can be 2.3 deviations ahead).
    """

    image_alone: float
    unknown_alone: float
    image: float
    title: float
    words: float
    unknown: float
    cut_alone: float = 0.0
    cut: float = 0.0
    fitted_on: str = ""
    blank: float = 0.0
    standard: bool = False


# Neutral constants, for a model nobody has fitted. 100 is the logit scale at which every CLIP
# checkpoint was trained to saturation (Radford et al. 2021, section 2.5). Cosines between two texts
# spread about five times wider than those between a picture and a text, hence the 20. A word in
# the title outweighs a difference of 0.05 in the picture's cosine.
_NEUTRAL_EXCLUSIVE = GroupConstants(
    image_alone=100.0, unknown_alone=-50.0, image=100.0, title=20.0, words=5.0, unknown=-50.0
)
# Beyond 2.75 deviations, where the embedded model's statistics have their cut; a word in the title
# carries its label against anything but the strongest doubt.
_NEUTRAL_OPEN = GroupConstants(
    image_alone=2.0,
    unknown_alone=5.5,
    image=1.0,
    title=1.0,
    words=10.0,
    unknown=5.5,
    cut_alone=0.5,
    cut=0.5,
    standard=True,
)


WORDS_ONLY = GroupConstants(
    image_alone=0.0,
    unknown_alone=0.0,
    image=0.0,
    title=0.0,
    words=6.0,
    unknown=0.0,
    cut_alone=0.9,
    cut=0.9,
)
"""For groups that no picture shows, under any model: a title's word is believed (0.998)."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """All constants of one model.

    Attributes
    ----------
    image, title : Moments or None
        None for a model without statistics.
    prompt_mean : ndarray of shape (d,), float32, or None
    exclusive, open : GroupConstants
        For groups that have none of their own: all groups of a user's own label file.
    groups : Mapping of str to GroupConstants
        Keys are ``label file/group``.
    whole : ndarray of shape (d + 1,), float32, or None
        A logistic regression on image vectors, its offset last: whether a photo shows a product as
        a whole, and no detail, swatch or size chart.
    """

    image: Moments | None = None
    title: Moments | None = None
    prompt_mean: NDArray[np.float32] | None = None
    exclusive: GroupConstants = _NEUTRAL_EXCLUSIVE
    open: GroupConstants = _NEUTRAL_OPEN
    groups: Mapping[str, GroupConstants] = field(default_factory=dict)
    whole: NDArray[np.float32] | None = None

    def shows_whole(self, images: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the chance that each of n photos shows a whole product, shape (n,).

        1 for all, if nobody fitted it.
        """
        if self.whole is None:
            return np.ones(len(images))
        # In double precision and rounded, so that it doesn't depend on the number of rows.
        logits = np.round(images.astype(np.float64) @ self.whole[:-1] + self.whole[-1], 6)
        return np.asarray(1 / (1 + np.exp(-logits)))

    def centred(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return image vectors without what all have in common; as they are, if it isn't known."""
        return images if self.image is None else unit(images - self.image.mean)

    @property
    def fitted(self) -> bool:
        """Whether labelled products stand behind these constants."""
        return self.image is not None

    def of(self, space: str, group: str, *, exclusive: bool) -> GroupConstants:
        """Return the constants of one group, borrowed ones where it has none."""
        own = self.groups.get(f"{space}/{group}")
        if own is not None:
            return own
        return self.exclusive if exclusive else self.open

    def save(self, path: Path) -> None:
        """Write ``statistics.safetensors``; the constants go into its header."""
        from safetensors.numpy import save_file

        if self.image is None or self.title is None or self.prompt_mean is None:
            raise ValueError("statistics without moments are neutral and need no file")
        arrays = {
            "prompt.mean": self.prompt_mean,
            **{f"image.{name}": value for name, value in asdict(self.image).items()},
            **{f"title.{name}": value for name, value in asdict(self.title).items()},
        }
        if self.whole is not None:
            arrays["image.whole"] = self.whole
        constants = {
            "exclusive": asdict(self.exclusive),
            "open": asdict(self.open),
            "groups": {name: asdict(value) for name, value in sorted(self.groups.items())},
        }
        save_file(
            {name: np.ascontiguousarray(value, np.float32) for name, value in arrays.items()},
            path,
            metadata={"constants": json.dumps(constants, sort_keys=True)},
        )
        path.chmod(0o644)  # safetensors writes for the owner alone

    @classmethod
    def load(cls, folder: Path | None, dim: int) -> Statistics:
        """Read the statistics of a model folder; neutral ones where it has none.

        Parameters
        ----------
        folder : Path or None
            The model's folder; None for a model that isn't local.
        dim : int
            The length of the model's vectors.

        Raises
        ------
        ModelError
            The file is damaged or belongs to a model of another dimension.
        """
        path = folder / FILE_NAME if folder else None
        if path is None or not path.is_file():
            return cls()
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                constants = json.loads(file.metadata()["constants"])
            found = cls(
                image=Moments(*(arrays[f"image.{n}"] for n in ("mean", "centre", "covariance"))),
                title=Moments(*(arrays[f"title.{n}"] for n in ("mean", "centre", "covariance"))),
                prompt_mean=arrays["prompt.mean"],
                exclusive=GroupConstants(**constants["exclusive"]),
                open=GroupConstants(**constants["open"]),
                groups={n: GroupConstants(**c) for n, c in constants["groups"].items()},
                whole=arrays.get("image.whole"),
            )
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{path} can't be read as statistics ({error}); delete it to use neutral ones, "
                "or fetch the model folder again."
            ) from error
        if arrays["prompt.mean"].shape != (dim,):
            raise ModelError(
                f"{path} belongs to a model of {arrays['prompt.mean'].shape[0]} dimensions, "
                f"this one has {dim}; delete the file or fetch the model folder again."
            )
        return found


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit length; a row of zeros stays one."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)
