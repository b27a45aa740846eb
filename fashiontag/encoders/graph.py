"""The image tower as a graph for ONNX Runtime, where a model folder holds one: no torch."""

from __future__ import annotations

import os
import threading
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
        self._turn = threading.Lock()  # two batches at once would share the same cores
        path = files.folder / FILE_NAME
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors are raised, and what it warns of is for its makers
        options.intra_op_num_threads = threads()
        # Threads that wait in a loop take the cores from those that decode: 1.8 to 1.9 times as
        # long for the same pictures on two busy cores, decoding included.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
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
        batch = np.stack(pixels)
        with self._turn:
            vectors: Vectors = self._session.run([VECTORS], {PIXELS: batch})[0]
        check_unit(vectors, self.name, "picture")
        return vectors


def threads() -> int:
    """Return how many processors this process may use; one that Ray started has a share."""
    if (share := os.environ.get("OMP_NUM_THREADS", "")).isdigit():
        return int(share)
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
