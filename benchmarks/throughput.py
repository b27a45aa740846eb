"""How fast are pictures encoded? ``python -m benchmarks.throughput``.

The same weights (random: speed doesn't depend on them), photos and cores; models are loaded and
warmed up before the clock starts; rounds are interleaved, so that a slow minute hits every system;
medians over rounds. ``fashiontag`` is the whole of what ``tag`` does with a picture: read, hash,
decode, encode, store. Written to ``benchmarks/results/throughput.md``.

Every system is shown at the best of 1, 8, 32 and 64 pictures at a time, in single precision and,
where the processor multiplies it, in bf16, which is what each offers for speed.

- *open_clip*: the loop of its README, a picture at a time as it stands there, and at its best.
- *sentence-transformers*, *transformers*: their own image encoding.
- *ONNX Runtime*: open_clip's tower exported, a batch read by as many threads as there are cores:
  how rclip computes since it left torch.
- *forward only*: ready tensors in memory; *decode only*: `fashiontag`'s decoding, all cores.
- *limit*: both after each other on the same cores: 1 / (1 / forward + 1 / decode).

Peers: ``pip install sentence-transformers transformers torchvision onnx onnxruntime`` beside this
package. Two can't be installed beside it: *rclip* (``pipx install rclip``; 3.3 wants Pillow below
13, and its own weights, 256 pixels wide, from a hub) and *clip-retrieval* (2.45 wants numpy below
2 and open_clip below 3; what it runs for a picture is open_clip's loop at a batch size). What
is not there is left out and said.

``--products`` instead says what the processor allows ViT-B-32: how much of its forward pass are
matrix products, how many operations they are, how many of these the cores do in a second.
Written to ``benchmarks/results/throughput-products.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
import torch
from PIL import Image

from benchmarks import markdown, products
from benchmarks.paths import RESULTS, ROOT
from fashiontag.catalog import read_catalog
from fashiontag.catalog.images import load_image
from fashiontag.encoders import graph, resolve
from fashiontag.encoders.devices import choose_precision, precision_name
from fashiontag.encoders.openclip import OpenClipModel
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import embed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from fashiontag.encoders import LazyEncoder

RESULT = RESULTS / "throughput.md"
ONNX = "fp32, ONNX Runtime"
BATCH_SIZE = 32
SIZES = (1, 8, 32, 64)
MODELS = ("ViT-B-32", "ViT-B-16-SigLIP", "embedded")
PHOTOS = ("full size", "224 px", "80 px")
CORES = os.cpu_count() or 1


Key = tuple[str, str]
"""A system, and what it computes in."""
OURS = "fashiontag"


@dataclass(frozen=True)
class Bench:
    """One model on one folder of photos."""

    model: str
    folder: Path  # of the weights
    photos: list[Path]
    scratch: Path

    def systems(self) -> dict[Key, Callable[[], None]]:
        """Return what is timed, warmed up, fashiontag as it is by default first."""
        best = choose_precision("auto", torch.device("cpu"))
        found: dict[Key, Callable[[], None]] = {}
        for precision in dict.fromkeys(("auto", "fp32")):
            encoder = resolve(f"local-dir:{self.folder}", precision=precision)
            encoder.encode_images([np.zeros((*encoder.preprocess.size, 3), np.uint8)])  # loads
            found[OURS, computes(encoder)] = partial(self._ours, encoder)
        for dtype in dict.fromkeys((best, torch.float32)):
            name = precision_name(dtype)
            loaded = OpenClipModel(encoder.files, encoder.preprocess, "cpu", name)
            found["forward only", name] = partial(self._forward, encoder, loaded)
            readme = partial(self._readme, encoder, loaded._model, dtype)  # noqa: SLF001
            if dtype == torch.float32:
                found["open_clip, 1 at a time", name] = partial(readme, 1)
            found |= at_best("open_clip", name, readme)
        if has_graph(encoder):
            tower = graph.ImageGraph(encoder.files, encoder.preprocess)
            found["forward only", ONNX] = partial(self._forward, encoder, tower)
        found["decode only", ""] = partial(self._decode_all, encoder)
        if self.model == "ViT-B-32":
            found |= _peers(self.folder, self.photos, best)
            found |= _onnx(encoder, self.photos, self.scratch)
        for run in found.values():
            run()  # the first call of each pays for what is made once
        return found

    def _ours(self, encoder: LazyEncoder) -> None:
        items = read_catalog(str(self.photos[0].parent)).items
        place = Path(tempfile.mkdtemp(dir=self.scratch))
        with Workspace.open(place, encoder) as workspace:
            done = sum(window.encoded for window in embed(workspace, items))
        shutil.rmtree(place)
        if done != len(self.photos):
            raise RuntimeError(f"{done} of {len(self.photos)} pictures were encoded.")

    def _readme(self, encoder: LazyEncoder, tower: Any, dtype: torch.dtype, size: int) -> None:  # noqa: ANN401
        prepare = openclip_transform(encoder)
        with torch.inference_mode():
            for start in range(0, len(self.photos), size):
                some = self.photos[start : start + size]
                image = torch.stack([prepare(Image.open(path)) for path in some]).to(dtype)
                features = tower.encode_image(image)
                features /= features.norm(dim=-1, keepdim=True)

    def _forward(self, encoder: LazyEncoder, loaded: Any) -> None:  # noqa: ANN401
        batch = [encoder.prepare(load_image(self.photos[0].read_bytes()))] * BATCH_SIZE
        for start in range(0, len(self.photos), BATCH_SIZE):
            loaded.encode_images(batch[: len(self.photos) - start])

    def _decode_all(self, encoder: LazyEncoder) -> None:
        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(self._decode(encoder), self.photos))

    @staticmethod
    def _decode(encoder: Any) -> Callable[[Path], object]:  # noqa: ANN401
        return lambda path: encoder.prepare(
            load_image(path.read_bytes(), at_least=encoder.image_size)
        )


def openclip_transform(encoder: Any) -> Callable[[Image.Image], torch.Tensor]:  # noqa: ANN401
    """Return open_clip's own inference transform for the model's configuration."""
    ours = encoder.preprocess
    return open_clip.image_transform(
        ours.size, is_train=False, mean=ours.mean, std=ours.std, resize_mode=ours.resize_mode,
        interpolation=ours.interpolation, fill_color=ours.fill_color,
    )  # fmt: skip


def computes(encoder: LazyEncoder) -> str:
    """Return what fashiontag computes pictures in, and with what if that isn't torch."""
    if has_graph(encoder) and encoder.precision in {"auto", "fp32"}:
        return ONNX
    return precision_name(choose_precision(encoder.precision, torch.device("cpu")))


def has_graph(encoder: LazyEncoder) -> bool:
    """Whether the model's folder holds a graph that ONNX Runtime computes."""
    return (encoder.folder / graph.FILE_NAME).is_file()


def at_best(
    system: str, precision: str, run: Callable[[int], None]
) -> dict[Key, Callable[[], None]]:
    """Return a system at the batch size that is fastest, each tried once after a warm-up."""
    run(BATCH_SIZE)
    seconds = {}
    for size in SIZES:
        begun = time.monotonic()
        run(size)
        seconds[size] = time.monotonic() - begun
    size = min(seconds, key=seconds.__getitem__)
    return {(f"{system}, {size} at a time (its best)", precision): partial(run, size)}


def _peers(
    folder: Path, photos: Sequence[Path], best: torch.dtype
) -> dict[Key, Callable[[], None]]:
    """Return what else encodes pictures with the same weights."""
    try:
        from sentence_transformers import SentenceTransformer
        from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection, pipeline
    except ImportError as error:
        print(f"left out: {error}")
        return {}

    def sentences(model: SentenceTransformer, size: int) -> None:
        pictures = [Image.open(path) for path in photos]
        model.encode(pictures, batch_size=size, show_progress_bar=False)

    def transformers(features: Any, size: int) -> None:  # noqa: ANN401
        for _ in features([str(path) for path in photos], batch_size=size):
            pass

    found: dict[Key, Callable[[], None]] = {}
    for dtype in dict.fromkeys((best, torch.float32)):
        model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": dtype})
        features = pipeline(
            "image-feature-extraction",
            model=CLIPVisionModelWithProjection.from_pretrained(folder, dtype=dtype),
            image_processor=CLIPImageProcessor.from_pretrained(folder),
            device="cpu",
        )
        name = precision_name(dtype)
        found |= at_best("sentence-transformers", name, partial(sentences, model))
        found |= at_best("transformers pipeline", name, partial(transformers, features))
    return found


def _onnx(
    encoder: LazyEncoder, photos: Sequence[Path], scratch: Path
) -> dict[Key, Callable[[], None]]:
    """Return ONNX Runtime on the exported image tower, photos read by threads."""
    try:
        import onnx  # noqa: F401 - the export asks for it
        import onnxruntime
    except ImportError as error:
        print(f"left out: {error}")
        return {}
    path = scratch / "tower.onnx"
    prepare = openclip_transform(encoder)
    if not path.exists():
        model = OpenClipModel(encoder.files, encoder.preprocess, "cpu", "fp32")
        torch.backends.mha.set_fastpath_enabled(False)  # it has no counterpart there
        torch.onnx.export(
            model._model.visual,  # noqa: SLF001
            (torch.zeros(2, 3, *encoder.preprocess.size),),
            path, dynamo=False, input_names=["input"], dynamic_axes={"input": {0: "n"}},
        )  # fmt: skip
        torch.backends.mha.set_fastpath_enabled(True)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])

    def run(size: int) -> None:
        with ThreadPoolExecutor(CORES) as pool:
            prepared = pool.map(lambda path: prepare(Image.open(path)).numpy(), photos)
            while batch := list(islice(prepared, size)):
                session.run(None, {"input": np.stack(batch)})

    return at_best("ONNX Runtime", "fp32", run)


def weights(model: str, scratch: Path) -> Path:
    """Write a model folder with random weights; the embedded model's own folder as it is."""
    if model == "embedded":
        return ROOT / "fashiontag" / "encoders" / "mini"
    folder = scratch / model
    if folder.exists():
        return folder
    folder.mkdir()
    torch.manual_seed(0)
    if model == "ViT-B-32":
        _write_clip(folder)
        return folder
    from safetensors.torch import save_file

    config = open_clip.get_model_config(model)
    settings = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    settings["resize_mode"] = "squash"
    # Pictures only: open_clip's own tokenizer stands in for the one that would be fetched.
    config["text_cfg"].pop("hf_tokenizer_name", None)
    config["text_cfg"].pop("tokenizer_kwargs", None)
    config["text_cfg"]["vocab_size"] = open_clip.SimpleTokenizer().vocab_size
    config["vision_cfg"]["timm_model_pretrained"] = False
    towers = {name: value for name, value in config.items() if name != "custom_text"}
    made = open_clip.CustomTextCLIP(**towers)
    save_file(made.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": settings})
    )
    return folder


def _write_clip(folder: Path) -> None:
    """Write ViT-B-32 as transformers stores it, which all four programs read."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    CLIPModel(CLIPConfig()).save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    words = open_clip.SimpleTokenizer()
    (folder / "vocab.json").write_text(json.dumps(words.encoder))
    merges = sorted(words.bpe_ranks, key=words.bpe_ranks.__getitem__)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def inputs(scratch: Path, count: int, sizes: Collection[str]) -> dict[str, list[Path]]:
    """Copy ``count`` photos of some sizes under names and with bytes of their own."""
    data = products.data_folder() / "fashion-products"
    full = sorted((data / "hires").glob("*.jpg"))
    small, middle = [], []
    for path in sorted((data / "images").glob("*.jpg")):
        with Image.open(path) as image:
            (small if min(image.size) < 100 else middle).append(path)
        if len(small) >= count and len(middle) >= count:
            break
    found = {}
    for name, photos in zip(PHOTOS, (full, middle, small), strict=True):
        if name not in sizes:
            continue
        folder = scratch / name.replace(" ", "-")
        folder.mkdir()
        for number in range(count):
            # Contents are stored once, so each copy gets bytes of its own behind the picture.
            data_ = photos[number % len(photos)].read_bytes() + number.to_bytes(4, "big")
            (folder / f"{number:05d}.jpg").write_bytes(data_)
        found[name] = sorted(folder.iterdir())
    return found


def timed(systems: dict[Key, Callable[[], None]], rounds: int) -> dict[Key, list[float]]:
    """Seconds per round of each system, one after the other within a round."""
    found: dict[Key, list[float]] = {name: [] for name in systems}
    for _ in range(rounds):
        for name, run in systems.items():
            begun = time.monotonic()
            run()
            found[name].append(time.monotonic() - begun)
    return found


def rows_of(model: str, size: str, count: int, seconds: dict[Key, list[float]]) -> list[list[str]]:
    """Pictures per second of each system, and fashiontag's default's ratio to it."""
    rate = {key: count / statistics.median(times) for key, times in seconds.items()}
    ours, precision = next(iter(rate))
    rate["limit", precision] = 1 / (
        1 / rate["forward only", precision] + 1 / rate["decode only", ""]
    )
    rows = []
    for key, value in rate.items():
        times = seconds.get(key)
        spread = f"{count / max(times):.1f}–{count / min(times):.1f}" if times else ""
        ratio = f"{rate[ours, precision] / value:.2f}"
        rows.append([model, size, *key, f"{value:.1f}", spread, ratio])
    return rows


def products_alone(folder: Path, rounds: int) -> list[str]:
    """Return rows on the matrix products of ViT-B-32: share, operations, rate, bound."""
    from torch.profiler import ProfilerActivity, profile
    from torch.utils.flop_counter import FlopCounterMode

    encoder = resolve(f"local-dir:{folder}")
    tower = OpenClipModel(encoder.files, encoder.preprocess, "cpu", "fp32")._model  # noqa: SLF001
    batch = torch.zeros(BATCH_SIZE, 3, *encoder.preprocess.size)
    layer = torch.nn.Linear(768, 3072).requires_grad_(requires_grad=False)
    rows = torch.rand(BATCH_SIZE * 50, 768)  # 49 patches and the class, of every picture
    with torch.inference_mode():
        tower.encode_image(batch)
        torch.backends.mha.set_fastpath_enabled(False)  # the counter can't look into it
        with FlopCounterMode(display=False) as counter:
            tower.encode_image(batch)
        torch.backends.mha.set_fastpath_enabled(True)
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            tower.encode_image(batch)
        seconds = []
        for _ in range(4 * rounds):
            begun = time.perf_counter()
            layer(rows)
            seconds.append(time.perf_counter() - begun)
    spent = {one.key: one.self_cpu_time_total for one in seen.key_averages()}
    share = sum(spent.get(f"aten::{name}", 0) for name in ("addmm", "mm", "bmm"))
    each = counter.get_total_flops() / BATCH_SIZE / 1e9
    rate = 2 * rows.shape[0] * 768 * 3072 / np.array(seconds[rounds:]) / 1e9
    return markdown.table(
        ["", ""],
        [
            [
                "matrix products, of the time of a forward pass",
                f"{share / sum(spent.values()):.2f}",
            ],
            ["operations of a picture", f"{each:.1f} GFLOP"],
            [
                f"1600 × 768 by 768 × 3072 in fp32, {CORES} cores, median [least, most]",
                f"{np.median(rate):.0f} [{rate.min():.0f}, {rate.max():.0f}] GFLOP/s",
            ],
            ["pictures a second if nothing else were to do", f"{rate.max() / each:.1f}"],
        ],
    )


def main() -> None:
    """Time every system; write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=64, help="per size, and 8 times as many "
                        "for the embedded model")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--sizes", nargs="+", choices=PHOTOS, default=PHOTOS)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--products", action="store_true", help="what the processor allows")
    options = parser.parse_args()
    if options.products:
        with tempfile.TemporaryDirectory() as name:
            found = products_alone(weights("ViT-B-32", Path(name)), options.rounds)
        lines = ["# The matrix products of ViT-B-32", "", "`python -m benchmarks.throughput "
                 f"--products` · {products.made_with(data=False)}.", "", *found, ""]  # fmt: skip
        markdown.write(RESULT.with_name("throughput-products.md"), lines)
        return
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as name:
        for model in options.models:
            scratch = Path(name) / f"{model}-photos"
            scratch.mkdir()
            count = options.photos * (8 if model == "embedded" else 1)
            folder = weights(model, Path(name))
            for size, photos in inputs(scratch, count, options.sizes).items():
                systems = Bench(model, folder, photos, Path(name)).systems()
                found = rows_of(model, size, count, timed(systems, options.rounds))
                print("\n".join(" | ".join(row) for row in found), flush=True)
                rows += found
    lines = [
        "# Throughput", "",
        f"`python -m benchmarks.throughput --photos {options.photos} --rounds {options.rounds}`: "
        f"pictures a second, medians of {options.rounds} interleaved rounds with the slowest and "
        "fastest. The last column is the rate of fashiontag's first row, its default, over the "
        "row's.", "",
        f"Made with {products.made_with()} · {products.flags()}.", "",
        *markdown.table(
            ["model", "photos", "system", "computes in", "per second", "spread", "ratio"], rows
        ), "",
    ]  # fmt: skip
    markdown.write(options.out, lines)


if __name__ == "__main__":
    main()
