"""The image tower as a graph for ONNX Runtime, where a model folder holds one: no torch."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.encoders import selftest
from fashiontag.encoders.files import check_made_of, reason
from fashiontag.encoders.selftest import SelfTest
from fashiontag.encoders.tokens import check_unit
from fashiontag.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fashiontag.datamodels import Pixels, Vectors
    from fashiontag.encoders.files import ModelFiles
    from fashiontag.encoders.preprocess import Preprocess

FILE_NAME = "image_tower.onnx"
PIXELS, VECTORS = "pixels", "vectors"
"""Its input, uint8 of shape (n, height, width, 3), and its output, (n, d) float32 unit rows."""

_AT_ONCE = 4
"""Pictures of one call. A call has one thread, and each processor works on a call of its own: no
thread waits for another, and what is between two layers stays in the cache. Two cores encode 1.3
times as many of 160 x 120 so as with 32 in a call that both share, in a third of the memory. How
pictures are divided changes no bit of their vectors."""


class ImageGraph:
    """The image tower as `FILE_NAME` describes it, on the processor.

    The file holds no weights: it names their places in the safetensors file beside it, so there is
    one truth, and batch normalisation is folded into the convolutions when it is loaded.

    Parameters
    ----------
    files : ModelFiles
        Of a folder that holds a graph.
    preprocess : Preprocess
        How pictures were prepared; its mean and std are in the graph.

    Attributes
    ----------
    batch_size : int
        How many pictures are encoded at once unless asked otherwise.

    Raises
    ------
    ModelError
        If the graph can't be read, was made of other weights or another configuration, or fails the
        picture's part of the folder's self-test.
    """

    def __init__(self, files: ModelFiles, preprocess: Preprocess) -> None:
        import onnxruntime

        self.name = files.name
        self.batch_size = 32  # a processor gains nothing beyond
        self._calls = ThreadPoolExecutor(threads(), "graph")
        path = files.folder / FILE_NAME
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors are raised, and what it warns of is for its makers
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # of a dozen classes that are its own
            raise ModelError(
                f"{path} can't be loaded ({reason(error)}); get the folder again, or delete that"
                " file to let torch compute the pictures."
            ) from None
        made_of = self._session.get_modelmeta().custom_metadata_map.get("made_of")
        check_made_of(path, made_of, files)
        test = SelfTest.of(files.folder)
        if test is not None:
            test.check_picture(self.name, self.encode_images([preprocess(selftest.picture())]))

    def encode_images(self, pixels: Sequence[Pixels]) -> Vectors:
        """Encode prepared pictures as `OpenClipModel.encode_images` does, to 1e-5."""
        parts = [np.stack(pixels[at : at + _AT_ONCE]) for at in range(0, len(pixels), _AT_ONCE)]
        vectors: Vectors = np.concatenate(list(self._calls.map(self._call, parts)))
        check_unit(vectors, self.name, "picture")
        return vectors

    def _call(self, pixels: Pixels) -> Vectors:
        vectors: Vectors = self._session.run([VECTORS], {PIXELS: pixels})[0]
        return vectors


def threads() -> int:
    """Return how many processors this process may use; one that Ray started has a share."""
    if (share := os.environ.get("OMP_NUM_THREADS", "")).isdigit():
        return int(share)
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
