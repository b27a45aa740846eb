"""`python -m benchmarks.train_mini.ceiling`: what the shipped image tower's features could give.

The ceiling of the zero-shot figures is a supervised classifier on what the tower sees: softmax
regression on its pooled features (before the projection to 256 numbers), fitted on `backbone`, on
whose labels the tower was trained too; all columns at once, in batches, by Adam. The ceiling of
title → own photo is a retrieval head on the same features: two linear maps, pictures' features and
MiniLM's vectors with bare words into 256 numbers, trained with the contrastive loss, titles of one
family no wrong answers for each other. What is kept of several fits is chosen on `val`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import open_clip
import torch
from torch import nn
from torch.nn import functional as fn

from benchmarks.paths import data_root
from benchmarks.train_mini import evaluate, pictures
from benchmarks.train_mini.image import normalise
from benchmarks.train_mini.texts import read
from benchmarks.train_mini.towers import has_bfloat16

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    Parts = dict[str, tuple[pd.DataFrame, torch.Tensor]]  # split → rows, features (n, 1280)

COLUMNS = ("articleType", "baseColour", "gender", "season", "usage", "masterCategory")
DECAYS = (0.01, 0.1, 0.3, 1.0)
EPOCHS = 12
STEPS, BATCH = 1000, 1024
DROPS = (0.3, 0.5)  # of the features, while the retrieval head is trained


@torch.inference_mode()
def features(trunk: nn.Module, raw: np.ndarray) -> torch.Tensor:
    """Pictures (n, height, width, 3), uint8, letterboxed → pooled features (n, 1280), float32."""
    found = []
    for i in range(0, len(raw), 64):
        x = torch.from_numpy(raw[i : i + 64][..., :3].copy()).permute(0, 3, 1, 2).float() / 255
        if x.shape[2:] != pictures.SIZE:
            x = fn.interpolate(x, size=pictures.SIZE, mode="area")
        x = normalise(x).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bfloat16()):
            pooled = trunk.forward_head(trunk.forward_features(x), pre_logits=True)
        found.append(pooled.float())
    return torch.cat(found)


def descend(optimiser: torch.optim.Optimizer, steps: int) -> Iterator[None]:
    """Let a rate of 1e-3 fall to nothing as a cosine."""
    for step in range(steps):
        for part in optimiser.param_groups:
            part["lr"] = 1e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
        yield


def supervised(parts: Parts, split: str) -> dict[str, dict[str, float]]:
    """Return, per column, the accuracy of the regression whose weight decay is best on `val`."""
    rows, x = parts["backbone"]
    names = {c: sorted(set(rows[c]) - {"", "NA"}) for c in COLUMNS}
    truth = {
        part: {c: torch.from_numpy(codes(r[c].tolist(), names[c])) for c in COLUMNS}
        for part, (r, _) in parts.items()
    }
    sizes = [len(names[c]) for c in COLUMNS]
    best: dict[str, dict[str, float]] = {c: {"val": -1.0} for c in COLUMNS}
    for decay in DECAYS:
        torch.manual_seed(0)
        layer = nn.Linear(x.shape[1], sum(sizes))
        optimiser = torch.optim.AdamW(layer.parameters(), weight_decay=decay)
        per_epoch = len(x) // 256
        for step, _ in enumerate(descend(optimiser, EPOCHS * per_epoch)):
            if step % per_epoch == 0:
                order = torch.randperm(len(x))
            ids = order[step % per_epoch * 256 :][:256]
            logits = layer(x[ids]).split(sizes, 1)
            loss = sum(
                fn.cross_entropy(said, truth["backbone"][c][ids], ignore_index=-1)
                for c, said in zip(COLUMNS, logits, strict=True)
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        found: dict[str, dict[str, float]] = {c: {"decay": decay} for c in COLUMNS}
        for part in dict.fromkeys(("val", split)):
            r, seen = parts[part]
            with torch.no_grad():
                for c, said in zip(COLUMNS, layer(seen).split(sizes, 1), strict=True):
                    known = ~r[c].isin(["", "NA"]).to_numpy()
                    right = (said.argmax(1) == truth[part][c]).numpy()[known]
                    found[c][part] = round(float(right.mean()), 3)
        best = {c: max(best[c], found[c], key=lambda one: one["val"]) for c in COLUMNS}
    return best


def codes(values: list[str], names: list[str]) -> np.ndarray:
    """Return each value's number among `names`, -1 for another."""
    place = {name: at for at, name in enumerate(names)}
    return np.array([place.get(value, -1) for value in values])


def retrieval(parts: Parts, texts: dict[str, torch.Tensor], split: str) -> dict[str, float]:
    """Return recall of a title's own photo on `split`, of the head that is best on `val`."""
    rows, pixels = parts["backbone"]
    said = texts["backbone"]
    family = torch.from_numpy(np.unique(rows.family, return_inverse=True)[1])
    best: dict[str, float] = {"val": -1.0}
    for drop in DROPS:
        torch.manual_seed(0)
        see, read_ = nn.Linear(pixels.shape[1], 256), nn.Linear(said.shape[1], 256)
        scale = nn.Parameter(torch.tensor(3.0))
        optimiser = torch.optim.AdamW(
            [*see.parameters(), *read_.parameters(), scale], weight_decay=0.05
        )
        for _ in descend(optimiser, STEPS):
            ids = torch.randperm(len(pixels))[:BATCH]
            a = fn.normalize(see(fn.dropout(pixels[ids], drop)), dim=-1)
            b = fn.normalize(read_(fn.dropout(said[ids], drop)), dim=-1)
            logits = scale.exp().clamp(max=60) * a @ b.T
            same = family[ids][:, None] == family[ids][None]
            same.fill_diagonal_(False)
            logits = logits.masked_fill(same, -1e4)
            target = torch.arange(len(ids))
            loss = fn.cross_entropy(logits, target) + fn.cross_entropy(logits.T, target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            found: dict[str, float] = {"drop": drop}
            for name in dict.fromkeys(("val", split)):
                a = fn.normalize(see(parts[name][1]), dim=-1)
                b = fn.normalize(read_(texts[name]), dim=-1)
                scores = (b @ a.T).numpy()
                rank = (scores > np.diag(scores)[:, None]).sum(1)
                found[name] = round(float((rank < 1).mean()), 3)
                found[f"{name}, first ten"] = round(float((rank < 10).mean()), 3)
        best = max(best, found, key=lambda one: one["val"])
    return best


def main() -> None:
    """Print the ceilings as one JSON document."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.train_mini.ceiling", description=__doc__)
    p.add_argument("--data", type=Path, default=data_root())
    p.add_argument("--work", type=Path, default=Path("/tmp/mini"), help="caches of train_mini")
    p.add_argument("--model", type=Path, default=Path("fashiontag/encoders/mini"))
    p.add_argument("--split", default="val", help="test once, at the end")
    args = p.parse_args()
    model = open_clip.create_model(f"local-dir:{args.model.resolve()}").eval()
    trunk = model.visual.trunk.to(memory_format=torch.channels_last)
    parts, texts = {}, {}
    for name in dict.fromkeys(("backbone", "val", args.split)):
        rows = evaluate.rows_of(args.data, name)
        seen = features(trunk, np.load(args.work / f"{name}.npy", mmap_mode="r"))
        parts[name] = rows, seen
        titles = read(rows.productDisplayName.tolist(), args.work)
        texts[name] = torch.from_numpy(titles.astype(np.float32))
    scale = parts["backbone"][1].std(0) + 1e-6
    parts = {name: (rows, x / scale) for name, (rows, x) in parts.items()}
    result: dict[str, object] = dict(supervised(parts, args.split))
    print(json.dumps(result), flush=True)
    result["title → own photo, first"] = retrieval(parts, texts, args.split)
    print(json.dumps(result, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
