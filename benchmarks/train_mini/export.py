"""Writes the open_clip folder, and judges what was written through open_clip itself."""

from __future__ import annotations

import json
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as fn

from benchmarks.train_mini import evaluate, graph, pictures
from benchmarks.train_mini.image import DIM
from benchmarks.train_mini.text import load_pair, text_config, vision_config

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SELF_TEST = ("a red dress", "a product photo of a men's watch", "random noise")
RECIPE = "64x64 RGB, pixel[y, x] = (4*x mod 256, 4*y mod 256, 128)"


def self_test_image() -> Image.Image:
    """Draw the picture of `RECIPE`."""
    y, x = np.mgrid[:64, :64]
    return Image.fromarray(
        np.stack([4 * x % 256, 4 * y % 256, np.full_like(x, 128)], -1).astype(np.uint8)
    )


def write(work: Path, name: str, out: Path, tower: str = "tf_efficientnet_lite0") -> None:
    """Write config, half-precision weights and self-test vectors."""
    text = torch.load(work / f"{name}-text.pt", weights_only=True)
    model_cfg = {
        "embed_dim": DIM, "vision_cfg": vision_config(tower),
        "text_cfg": text_config(text["token_embedding.weight"].shape[1]), "custom_text": True,
    }  # fmt: skip
    config = {
        "model_cfg": model_cfg,
        "preprocess_cfg": {
            "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic",
            "resize_mode": "longest", "fill_color": 255,
        },
    }  # fmt: skip
    pair = load_pair(work, name, tower)
    model = open_clip.CustomTextCLIP(
        DIM,
        open_clip.CLIPVisionCfg(**model_cfg["vision_cfg"]),
        open_clip.CLIPTextCfg(**model_cfg["text_cfg"]),
    )
    model.visual.trunk.load_state_dict(pair.trunk.state_dict())
    model.text.load_state_dict(text)
    with torch.no_grad():
        model.logit_scale.fill_(np.log(20.0))
    out.mkdir(parents=True, exist_ok=True)
    half = {
        k: v.half().contiguous() if v.dtype.is_floating_point else v
        for k, v in model.state_dict().items()
    }
    part = out / "open_clip_model.part"
    save_file(half, part, metadata={"format": "pt"})
    part.chmod(0o644)  # safetensors writes for the owner alone
    part.rename(out / "open_clip_model.safetensors")
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    tower_ = Towers(out)
    rounded = lambda v: [round(float(x), 4) for x in v]  # noqa: E731
    test = {
        "texts": {t: rounded(v) for t, v in zip(SELF_TEST, tower_.texts(SELF_TEST), strict=True)},
        "image": {"recipe": RECIPE, "vector": rounded(tower_.pictures([self_test_image()])[0])},
    }
    (out / "selftest.json").write_text(json.dumps(test) + "\n")
    graph.equip(out)
    size = (out / "open_clip_model.safetensors").stat().st_size
    print(f"wrote {out}: {size / 1e6:.1f} MB", flush=True)


class Towers:
    """The exported pair as any user loads it: open_clip, `local-dir:`."""

    def __init__(self, folder: Path) -> None:
        name = f"local-dir:{folder.resolve()}"
        self.model, _, self.preprocess = open_clip.create_model_and_transforms(name)
        self.model.eval()
        self.tokenizer = open_clip.get_tokenizer(name)
        self._text = cache(self._one)

    @torch.inference_mode()
    def arrays(self, raw: np.ndarray) -> np.ndarray:
        """(n, 128, 96, 3) uint8, letterboxed already → unit vectors."""
        found = []
        for i in range(0, len(raw), 128):
            x = torch.from_numpy(np.array(raw[i : i + 128])).permute(0, 3, 1, 2).float() / 255
            found.append(fn.normalize(self.model.encode_image((x - 0.5) / 0.5), dim=-1).numpy())
        return np.concatenate(found)

    @torch.inference_mode()
    def pictures(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Pictures through open_clip's own preprocessing → unit vectors."""
        found = []
        for i in range(0, len(images), 128):
            x = torch.stack([self.preprocess(m) for m in images[i : i + 128]])
            found.append(fn.normalize(self.model.encode_image(x), dim=-1).numpy())
        return np.concatenate(found)

    @torch.inference_mode()
    def _one(self, texts: tuple[str, ...]) -> np.ndarray:
        found = []
        for i in range(0, len(texts), 512):
            tokens = self.tokenizer(list(texts[i : i + 512]))
            found.append(fn.normalize(self.model.encode_text(tokens), dim=-1).numpy())
        return np.concatenate(found)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Texts → unit vectors."""
        return self._text(tuple(texts))


def judge(data: Path, work: Path, folder: Path, split: str) -> dict[str, Any]:
    """All figures of the exported folder on one split, with 95 % intervals over families."""
    towers = Towers(folder)
    rows = evaluate.rows_of(data, split)
    families = rows.family.to_numpy()
    images = towers.arrays(np.load(work / f"{split}.npy", mmap_mode="r"))

    def figures(vectors: np.ndarray) -> dict[str, np.ndarray]:
        found = evaluate.hits(rows, vectors, towers.texts)
        return found | evaluate.recall(rows, vectors, towers.texts)

    plain = figures(images)
    result: dict[str, Any] = {"split": split, "plain": {}}
    for name, right in plain.items():
        low, high = evaluate.interval(right, families)
        result["plain"][name] = [round(x, 3) for x in (float(np.nanmean(right)), low, high)]
    limits = evaluate.recall_limits(rows, images, towers.texts)
    result |= {name: round(x, 3) for name, x in limits.items()}
    words = evaluate.open_vocabulary(rows, images, towers.texts)
    result["open vocabulary"] = round(float(np.mean([v > 0.5 for v in words.values()])), 3)
    result["open vocabulary words"] = {k: round(v, 1) for k, v in words.items()}
    photos = towers.arrays(np.load(work / "clothing_validation.npy", mmap_mode="r"))
    right = evaluate.ordinary(data, photos, towers.texts)
    low, high = evaluate.interval(right, np.arange(len(right)))
    result["ordinary photos"] = [round(x, 3) for x in (float(right.mean()), low, high)]
    folder_ = data / "fashion-products" / "images"
    some = np.random.default_rng(0).permutation(len(rows))[:800]
    opened = [pictures.upright(folder_ / f"{i}.jpg") for i in rows.id.iloc[some]]
    result["disturbed (800 photos)"] = {}
    for kind in ("none", "enlarged", "60x80", "jpeg", "shifted"):
        changed = opened if kind == "none" else [evaluate.disturb(kind, m) for m in opened]
        found = evaluate.hits(
            rows.iloc[some].reset_index(drop=True), towers.pictures(changed), towers.texts
        )
        result["disturbed (800 photos)"][kind] = {
            k: round(float(np.nanmean(v)), 3) for k, v in found.items()
        }
    x = torch.randn(64, 3, *pictures.SIZE)
    with torch.inference_mode():
        towers.model.encode_image(x)
        begun = time.monotonic()
        for _ in range(8):
            towers.model.encode_image(x)
    result["images/s forward"] = round(512 / (time.monotonic() - begun))
    return result
