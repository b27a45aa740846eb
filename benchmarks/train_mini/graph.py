"""What makes the first minute quick, put beside the weights of an open_clip folder.

    python -m benchmarks.train_mini.graph fashiontag/encoders/mini

writes `image_tower.onnx`, the image tower for ONNX Runtime, and `prompts.safetensors`, the vectors
of the shipped label files' prompts. To be run again whenever the weights, the configuration or
`prompts/*.toml` change. Any folder with a convolutional tower of timm's and weights in safetensors
will do.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import onnx
import open_clip
import torch
from safetensors.numpy import save_file
from torch import nn

from fashiontag.encoders import graph, resolve
from fashiontag.encoders.files import safetensors_header
from fashiontag.encoders.openclip import OpenClipModel
from fashiontag.encoders.shipped import FILE_NAME, text_keys
from fashiontag.labels import load_labels, shipped_labels
from fashiontag.workspace.prompts import reference_sentences, sentences

if TYPE_CHECKING:
    from fashiontag.encoders.files import ModelFiles
    from fashiontag.encoders.preprocess import Preprocess

OPSET = 17
_TYPES = {"F16": onnx.TensorProto.FLOAT16, "F32": onnx.TensorProto.FLOAT}


class Pictures(nn.Module):
    """uint8 pixels (n, height, width, 3) → unit vectors (n, d)."""

    def __init__(self, visual: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.visual = visual
        mean, std = torch.tensor(preprocess.mean), torch.tensor(preprocess.std)
        # (x/255 - mean)/std in two passes over the pixels.
        self.scale = (1 / (255 * std)).view(1, 3, 1, 1)
        self.shift = (-mean / std).view(1, 3, 1, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Turn channels to the front while they are bytes, normalise, encode."""
        x = self.visual(pixels.permute(0, 3, 1, 2).float() * self.scale + self.shift)
        return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)


def write_graph(files: ModelFiles, preprocess: Preprocess) -> None:
    """Write the image tower with the weights left where they are: in the safetensors file."""
    model = open_clip.create_model(f"local-dir:{files.folder.resolve()}").eval()
    tower = Pictures(model.visual, preprocess).eval()
    with TemporaryDirectory() as place:
        raw = Path(place) / "raw.onnx"
        torch.onnx.export(
            tower,
            (torch.zeros(2, *preprocess.size, 3, dtype=torch.uint8),),
            raw,
            dynamo=False,  # the other exporter folds weights into new ones
            # Whatever is folded has no place in the safetensors; ONNX Runtime does it when loading.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            opset_version=OPSET,
            input_names=[graph.PIXELS],
            output_names=[graph.VECTORS],
            dynamic_axes={graph.PIXELS: {0: "n"}, graph.VECTORS: {0: "n"}},
        )
        made = onnx.load(raw)
    _leave_weights(made, files.weights)
    made.metadata_props.add(key="made_of", value=files.digest)
    (files.folder / graph.FILE_NAME).write_bytes(made.SerializeToString())


def _leave_weights(made: onnx.ModelProto, weights: Path) -> None:
    """Replace every weight by its place in the safetensors file, and a cast if it is float16."""
    header = safetensors_header(weights)
    with weights.open("rb") as file:
        start = 8 + struct.unpack("<Q", file.read(8))[0]
    places, casts = [], []
    for weight in made.graph.initializer:
        entry = header[weight.name]
        half = entry["dtype"] == "F16"
        place = onnx.TensorProto(
            name=weight.name + ".half" if half else weight.name,
            data_type=_TYPES[entry["dtype"]],
            dims=entry["shape"],
            data_location=onnx.TensorProto.EXTERNAL,
        )
        first, end = entry["data_offsets"]
        for key, value in (
            ("location", weights.name), ("offset", start + first), ("length", end - first),
        ):  # fmt: skip
            place.external_data.add(key=key, value=str(value))
        places.append(place)
        if half:
            to = onnx.TensorProto.FLOAT
            casts.append(onnx.helper.make_node("Cast", [place.name], [weight.name], to=to))
    nodes = [*casts, *made.graph.node]
    del made.graph.initializer[:], made.graph.node[:]
    made.graph.initializer.extend(places)
    made.graph.node.extend(nodes)


def write_prompts(files: ModelFiles, preprocess: Preprocess) -> None:
    """Write the vectors of all prompts of the shipped label files, backgrounds included."""
    texts = dict.fromkeys(reference_sentences())
    for name in shipped_labels():
        for some in sentences(load_labels(name)):
            texts |= dict.fromkeys(some)
    model = OpenClipModel(files, preprocess, "cpu", "fp32")
    encoded = model.encode_texts(list(texts))
    whole = [text for text, windows in zip(texts, encoded.windows, strict=True) if windows == 1]
    keys = text_keys(whole)
    order = np.argsort(keys)
    vectors = encoded.vectors[encoded.windows == 1][order].astype(np.float16)
    save_file(
        {"keys": keys[order], "vectors": vectors},
        files.folder / FILE_NAME,
        metadata={"made_of": files.digest},
    )
    (files.folder / FILE_NAME).chmod(0o644)  # safetensors writes for the owner alone


def equip(folder: Path) -> None:
    """Write both files beside the weights of a folder."""
    encoder = resolve(f"local-dir:{folder}", device="cpu")
    write_graph(encoder.files, encoder.preprocess)
    write_prompts(encoder.files, encoder.preprocess)
    for name in (graph.FILE_NAME, FILE_NAME):
        print(f"wrote {folder / name}: {(folder / name).stat().st_size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    equip(Path(sys.argv[1]))
