"""Images or texts in, unit vectors of one joint space out, with any model that open_clip reads."""

from __future__ import annotations

import re
import threading
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.datamodels import EncodedTexts, Pixels, Vectors
from fashiontag.encoders import graph, registry, text_numpy
from fashiontag.encoders.files import Access
from fashiontag.encoders.preprocess import Preprocess
from fashiontag.encoders.registry import KnownModel
from fashiontag.encoders.shipped import ShippedTexts
from fashiontag.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL import Image

    from fashiontag.encoders.files import ModelFiles
    from fashiontag.encoders.openclip import OpenClipModel

__all__ = ["FEW_TEXTS", "KNOWN_MODELS", "PRECISIONS", "KnownModel", "LazyEncoder", "resolve"]

_LATIN_WORD = re.compile("[A-Za-z\u00c0-\u024f]{2}")

FEW_TEXTS = text_numpy.FEW
"""Texts that are encoded without torch at most, where a model's text tower allows that."""

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
"""What `resolve` takes as ``precision``."""

KNOWN_MODELS = registry.KNOWN
"""The models with short names, the embedded one first."""


def resolve(
    name: str | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    offline: bool = False,
    allow_pickle: bool = False,
    announce: Callable[[str], None] | None = None,
) -> LazyEncoder:
    """Find a model by name and check its files; torch is imported only when it first encodes.

    Parameters
    ----------
    name : str or None
        None for the embedded model; a short name of `KNOWN_MODELS`; ``ARCHITECTURE/PRETRAINED``
        of open_clip; ``hf-hub:ORG/NAME``; or ``local-dir:PATH``.
    device : str
        ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
    precision : str
        What torch computes in: ``fp32``, ``bf16``, ``fp16``, or ``auto`` for what the device is
        fastest in. No part of the fingerprint: what is decided stays the same.
    offline : bool
        Touch no network: a model of the hub must be in the cache.
    allow_pickle : bool
        Accept weights that exist only as a pickle; they are still read with ``weights_only=True``.
    announce : callable or None
        Called with one sentence (size, licence) before anything is downloaded.

    Raises
    ------
    UsageError
        If the name, device or precision means nothing; the message suggests the nearest name.
    ModelError
        If the model can't be had; the message gives the way out.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise UsageError(f"There is no device {device!r}; give auto, cpu, mps, cuda or cuda:N.")
    if precision not in PRECISIONS:
        raise UsageError(f"There is no precision {precision!r}; give {', '.join(PRECISIONS)}.")
    files = registry.locate(name, Access(offline, allow_pickle, announce))
    return LazyEncoder(files, device, precision)


class LazyEncoder:
    """An `Encoder` that knows itself from its files and loads its weights at the first vector.

    Parameters
    ----------
    files : ModelFiles
        The model's files, checked.
    device, precision : str
        As in `resolve`.

    Attributes
    ----------
    name : str
        The model as a user would type it after ``--model``.
    folder : Path
        Where the model's own files are.
    dim : int
        The length d of a vector.
    image_size : int
        The longer side in pixels of what `prepare` gives.
    """

    def __init__(self, files: ModelFiles, device: str = "auto", precision: str = "auto") -> None:
        self.files = files
        self.device, self.precision = device, precision
        self.preprocess = Preprocess.from_config(files.config, files.name)
        self.name, self.folder = files.name, files.folder
        self.dim = int(files.config["model_cfg"]["embed_dim"])
        self.image_size = max(self.preprocess.size)
        self._lock = threading.Lock()
        self._loaded: OpenClipModel | None = None
        self._loaded_graph: graph.ImageGraph | None = None

    def __repr__(self) -> str:
        return f"LazyEncoder({self.name!r}, dim={self.dim}, device={self.device!r})"

    @cached_property
    def fingerprint(self) -> str:
        """Hex digest that changes with the weights, the configuration or the preprocessing."""
        return self.files.fingerprint()

    @property
    def batch_size(self) -> int:
        """How many pictures the device takes at once; asking loads the model."""
        return (self._graph or self._model()).batch_size

    def prepare(self, image: Image.Image) -> Pixels:
        """Take one upright RGB picture's excess margin off, and resize and crop it. Needs no torch.

        Returns
        -------
        ndarray of shape (height, width, 3), uint8
        """
        from fashiontag.encoders.margins import trim  # Pillow: words alone must not wait for it

        return self.preprocess(trim(image, self.preprocess.size))

    def reads(self, text: str) -> bool:
        """Tell whether the model can make something of a text.

        Models with open_clip's own tokenizer learned Latin letters; of others they see bytes.
        """
        return self.files.tokenizer is not None or _LATIN_WORD.search(text) is not None

    def encode_images(self, pixels: Sequence[Pixels]) -> Vectors:
        """Encode prepared pictures, as one batch, into unit vectors of shape (n, d), float32.

        Raises
        ------
        ValueError
            If an array doesn't come from `prepare`.
        ModelError
            If the model can't be loaded, or gives something that is no unit vector.
        """
        shape = (*self.preprocess.size, 3)
        for array in pixels:
            if array.shape != shape or array.dtype != np.uint8:
                raise ValueError(
                    f"{self.name} takes uint8 pixels of shape {shape} as prepare() gives them, got"
                    f" {array.dtype} of shape {array.shape}."
                )
        if not len(pixels):
            return np.empty((0, self.dim), dtype=np.float32)
        return (self._graph or self._model()).encode_images(pixels)

    def encode_texts(self, texts: Sequence[str]) -> EncodedTexts:
        """Encode texts; one longer than the model's context is cut in windows and averaged.

        Raises
        ------
        ValueError
            If a text is empty: it has no direction, so nobody may ask for it.
        ModelError
            If the model can't be loaded, or gives something that is no unit vector.
        """
        if not all(texts):
            raise ValueError("An empty text has no vector; leave it out before encoding.")
        if not len(texts):
            empty = np.empty((0, self.dim), dtype=np.float32)
            return EncodedTexts(empty, np.empty(0, dtype=np.int64))
        shipped = self._shipped
        if shipped is None:
            return self._encode_texts(texts)
        rows = shipped.find(texts)
        vectors = shipped.vectors[rows].astype(np.float32)
        windows = np.ones(len(texts), dtype=np.int64)
        new = np.flatnonzero(rows < 0)
        if len(new):
            encoded = self._encode_texts([texts[place] for place in new.tolist()])
            vectors[new], windows[new] = encoded.vectors, encoded.windows
        return EncodedTexts(vectors, windows)

    def _encode_texts(self, texts: Sequence[str]) -> EncodedTexts:
        # By files and number alone, not by what happens to be loaded: a run that was stopped and
        # repeated must take the same way, for the two differ in the last digit.
        few = self._has_graph or len(texts) <= FEW_TEXTS
        return ((self._text_tower if few else None) or self._model()).encode_texts(texts)

    @cached_property
    def engine(self) -> str:
        """What computes pictures, as ``fashiontag doctor`` says it."""
        return f"ONNX Runtime, {graph.threads()} threads" if self._has_graph else "torch"

    @property
    def _is_plain(self) -> bool:
        """Whether torch may be left out: a device or half precision asked for by name is used."""
        return self.device in {"auto", "cpu"} and self.precision in {"auto", "fp32"}

    @property
    def _has_graph(self) -> bool:
        return self._is_plain and (self.folder / graph.FILE_NAME).is_file()

    @property
    def _graph(self) -> graph.ImageGraph | None:
        """The image tower without torch, where the model's folder holds it."""
        if not self._has_graph:
            return None
        with self._lock:
            if self._loaded_graph is None:
                self._loaded_graph = graph.ImageGraph(self.files, self.preprocess)
            return self._loaded_graph

    @cached_property
    def _shipped(self) -> ShippedTexts | None:
        """The vectors of texts that ship with the model."""
        return ShippedTexts.of(self.files)

    @cached_property
    def _text_tower(self) -> text_numpy.TextTower | None:
        """The text tower without torch, where the model allows that."""
        usable = self._is_plain and text_numpy.fits(self.files)
        return text_numpy.TextTower(self.files) if usable else None

    def _model(self) -> OpenClipModel:
        with self._lock:
            if self._loaded is None:
                from fashiontag.encoders.openclip import OpenClipModel

                self._loaded = OpenClipModel(
                    self.files, self.preprocess, self.device, self.precision
                )
            return self._loaded
