"""What does half precision change, and what does it save? ``python -m benchmarks.precision``.

- The embedded model over the pictured products of ``val``, all by torch, bf16 against fp32: cosines
  of the stored vectors, and how often both give the same best label and the same tags.
- Architectures of open_clip with the weights that it begins training with (published ones can't be
  had where this was measured): cosines of pictures and texts, and speed per second of one
  processor's time, rounds interleaved, medians.

Written to ``benchmarks/results/precision.md``.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
import torch

from benchmarks import markdown, products
from benchmarks.fit_statistics import join
from benchmarks.paths import RESULTS
from benchmarks.zeroshot import right, top1
from fashiontag.encoders import resolve
from fashiontag.encoders.openclip import OpenClipModel
from fashiontag.heads.thresholds import Decider
from fashiontag.labels import load_labels
from fashiontag.workflows.tag import Judge
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import embed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.products import Products
    from fashiontag.heads.zeroshot import Scores

RESULT = RESULTS / "precision.md"
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
LABELS = ("fashion-products", "fashion")
CONDITIONS = ("plain", "masked", "absent")
ARCHITECTURES = (
    *("ViT-B-32", "ViT-B-32-quickgelu", "ViT-B-16-SigLIP", "EVA02-B-16", "coca_ViT-B-32"),
    *("RN50", "convnext_base", "MobileCLIP-S1", "ViTamin-S"),
)
BATCH = 8


class ByTorch:
    """The embedded model with torch doing all of it, whatever else could."""

    def __init__(self, precision: str) -> None:
        self._named = resolve(device="cpu", precision=precision)
        model = OpenClipModel(self._named.files, self._named.preprocess, "cpu", precision)
        self.encode_images, self.encode_texts = model.encode_images, model.encode_texts

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._named, name)


def decisions(products_: Products, scratch: Path) -> list[str]:
    """Tag the same products in both precisions and compare."""
    scores: dict[str, dict[tuple[str, str], Scores]] = {}
    vectors: dict[str, dict[str, NDArray[np.float32]]] = {}
    for name in PRECISIONS:
        with Workspace.open(scratch / name, ByTorch(name)) as workspace:
            scores[name], vectors[name] = {}, {}
            for condition in CONDITIONS:
                windows = list(embed(workspace, products_.items(condition)))
                for labels in LABELS:
                    judge = Judge(workspace, load_labels(labels))
                    evidence = join([judge.evidence(window) for window in windows])
                    scores[name][labels, condition] = judge.head.score(evidence)
                images = np.concatenate([window.images for window in windows])
                vectors[name]["pictures"] = workspace.images.read(images)
                if condition == "plain":
                    texts = np.concatenate([window.texts for window in windows])
                    vectors[name]["titles"] = workspace.texts.read(texts[texts >= 0])
    rows = []
    for labels, condition in scores["fp32"]:
        space = load_labels(labels)
        one, other = (scores[name][labels, condition] for name in PRECISIONS)
        groups = [group.name for group in space.groups if group.exclusive]
        same = {g: np.mean(top1(one, space, g) == top1(other, space, g)) for g in groups}
        worst = min(groups, key=same.__getitem__)
        decide = Decider(space).decide
        tags = [
            {tag.tag for tag in a} == {tag.tag for tag in b}
            for a, b in zip(decide(one), decide(other), strict=True)
        ]
        rights = [
            np.nanmean([right(top1(s, space, g), products_.attributes[g]) for g in groups])
            for s in (one, other)
            if labels == "fashion-products"  # the other file's values are nobody's truth
        ]
        row = [labels, condition, f"{np.mean(list(same.values())):.4f}"]
        row += [f"{same[worst]:.4f} ({worst})", f"{np.mean(tags):.4f}"]
        rows.append([*row, " → ".join(f"{share:.4f}" for share in rights)])
    cosines = [
        [what, f"{len(turned):,}", f"{turned.min():.5f}", f"{np.median(turned):.5f}"]
        for what in ("pictures", "titles")
        for turned in [_cosines(*(vectors[name][what] for name in PRECISIONS))]
    ]
    return [
        "## The embedded model, decisions", "",
        f"{len(products_.ids):,} pictured products of `val`. Exclusive groups: the same best "
        "label, `unknown` left out, mean over groups and the least; the default output: products "
        "whose tags are all the same; how often the best label is what the seller says, fp32 → "
        "bf16.", "",
        *markdown.table(
            ["labels", "titles", "same best", "the least", "same tags", "right"], rows
        ), "",
        "Cosines between stored vectors (float16 in both):", "",
        *markdown.table(["", "n", "worst", "median"], cosines),
    ]  # fmt: skip


def architecture(name: str, rounds: int) -> list[str]:
    """Return a row on a model with the weights that training begins with."""
    config = open_clip.get_model_config(name)
    config["vision_cfg"]["timm_model_pretrained"] = False
    custom = config.pop("custom_text", False)
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    torch.manual_seed(0)
    model = (open_clip.CoCa if "multimodal_cfg" in config else kind)(**config).eval()
    side, text = config["vision_cfg"].get("image_size", 224), config["text_cfg"]
    pictures = (torch.rand(BATCH, 3, side, side) - 0.5) * 4
    tokens = torch.randint(1, 300, (BATCH, text.get("context_length", 77)))
    tokens[:, -1] = text.get("vocab_size", 49_408) - 1
    made: dict[str, list[NDArray[np.float32]]] = {}
    seconds: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    models = {precision: copy.deepcopy(model).to(dtype) for precision, dtype in PRECISIONS.items()}
    with torch.inference_mode():
        for precision, dtype in PRECISIONS.items():
            tower = models[precision].to(memory_format=torch.channels_last)
            batch = pictures.to(dtype=dtype, memory_format=torch.channels_last)
            made[precision] = [
                features.float().numpy()
                for features in (tower.encode_image(batch), tower.encode_text(tokens))
            ]
        for _ in range(rounds):
            for precision, dtype in PRECISIONS.items():
                batch = pictures.to(dtype=dtype, memory_format=torch.channels_last)
                begun = time.process_time()
                models[precision].encode_image(batch)
                seconds[precision].append(time.process_time() - begun)
    faster = [one / other for one, other in zip(*seconds.values(), strict=True)]
    images, texts = (_cosines(*pair).min() for pair in zip(*made.values(), strict=True))
    rate = BATCH / statistics.median(seconds["fp32"])
    return [name, f"{images:.5f}", f"{texts:.5f}", f"{rate:.1f}", markdown.spread(faster, 2)]


def _cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / lengths)


def main() -> None:
    """Compare; write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--architectures", nargs="+", default=ARCHITECTURES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        found = decisions(products.load(["val"]), Path(scratch))
    print("\n".join(found))
    rows = []
    for name in options.architectures:
        rows.append(architecture(name, options.rounds))
        print(" | ".join(rows[-1]), flush=True)
    head = ["architecture", "pictures, worst cosine", "texts", "fp32 a second", "bf16, times that"]
    lines = [
        "# Half precision", "",
        f"`python -m benchmarks.precision --rounds {options.rounds}` · "
        f"{products.made_with(resolve())} · {products.flags()}", "", *found, "",
        "## Architectures of open_clip, weights as training begins", "",
        f"{BATCH} pictures of noise at a time and as many texts, one core, median "
        "[least, most] of the ratio; per second of the processor's time.", "",
        *markdown.table(head, rows), "",
    ]  # fmt: skip
    markdown.write(RESULT, lines)


if __name__ == "__main__":
    main()
