"""`python -m benchmarks.train_mini.ceiling`: what the shipped image tower's features could give.

The ceiling of the zero-shot figures is a supervised classifier on what the tower sees: softmax
regression on its pooled features (before the projection to 256 numbers), fitted on `backbone`, on
whose labels the tower was trained too. The ceiling of title → own photo is a retrieval head on the
same features: two linear maps, pictures' features and MiniLM's vectors with bare words into 256
numbers, trained on all of `backbone` at once with the contrastive loss, titles of one family no
wrong answers for each other. Penalties are chosen on `val`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import open_clip
import torch
from torch import nn
from torch.nn import functional as fn

from benchmarks.paths import data_root
from benchmarks.train_mini import evaluate, pictures
from benchmarks.train_mini.image import normalise
from benchmarks.train_mini.texts import read

COLUMNS = ("articleType", "baseColour", "gender", "season", "usage", "masterCategory")
PENALTIES = (1e-4, 1e-3, 1e-2)  # of squared weights, features of unit variance
STEPS, BATCH = 1500, 2048
DROP = (0.0, 0.3, 0.5)  # of the features, while the retrieval head is trained


@torch.inference_mode()
def features(trunk: nn.Module, raw: np.ndarray) -> np.ndarray:
    """Pictures (n, height, width, 3), uint8, letterboxed → pooled features (n, 1280), float32."""
    found = []
    for i in range(0, len(raw), 64):
        x = torch.from_numpy(raw[i : i + 64][..., :3].copy()).permute(0, 3, 1, 2).float() / 255
        if x.shape[2:] != pictures.SIZE:
            x = fn.interpolate(x, size=pictures.SIZE, mode="area")
        x = normalise(x).contiguous(memory_format=torch.channels_last)
        found.append(trunk.forward_head(trunk.forward_features(x), pre_logits=True).numpy())
    return np.concatenate(found)


def supervised(parts: dict, column: str, split: str) -> dict[str, float]:
    """Return accuracy on `split` of the softmax regression whose penalty is best on `val`."""
    known = {}
    names = {label: at for at, label in enumerate(sorted(set(parts["backbone"][0][column])))}
    for name, (rows, x) in parts.items():
        truth = rows[column].to_numpy()
        there = ~np.isin(truth, ["", "NA"])
        numbers = [names.get(label, -1) for label in truth[there]]
        known[name] = (torch.from_numpy(x[there]), torch.tensor(numbers))
    best = (-1.0, 0.0, 0.0)
    for penalty in PENALTIES:
        torch.manual_seed(0)
        x, y = known["backbone"]
        layer = nn.Linear(x.shape[1], len(names))
        optimiser = torch.optim.LBFGS(
            layer.parameters(), max_iter=120, history_size=10, line_search_fn="strong_wolfe"
        )

        def loss() -> torch.Tensor:
            optimiser.zero_grad()  # noqa: B023 - called in this turn of the loop
            value = fn.cross_entropy(layer(x), y) + penalty * layer.weight.square().sum()  # noqa: B023
            value.backward()
            return value

        optimiser.step(loss)
        with torch.no_grad():
            found = tuple(
                float((layer(known[name][0]).argmax(1) == known[name][1]).float().mean())
                for name in ("val", split)
            )
        best = max(best, (*found, penalty))
    return {"val": round(best[0], 3), split: round(best[1], 3), "penalty": best[2]}


def retrieval(parts: dict, texts: dict, split: str) -> dict[str, float]:
    """Return recall of a title's own photo on `split`, of the head that is best on `val`."""
    rows, x = parts["backbone"]
    pixels, said = torch.from_numpy(x), torch.from_numpy(texts["backbone"].astype(np.float32))
    family = torch.from_numpy(np.unique(rows.family, return_inverse=True)[1])
    best: dict[str, float] = {"val": -1.0}
    for drop in DROP:
        torch.manual_seed(0)
        see, read_ = nn.Linear(x.shape[1], 256), nn.Linear(said.shape[1], 256)
        scale = nn.Parameter(torch.tensor(3.0))
        optimiser = torch.optim.AdamW(
            [*see.parameters(), *read_.parameters(), scale], lr=1e-3, weight_decay=0.05
        )
        for step in range(STEPS):
            for part in optimiser.param_groups:
                part["lr"] = 1e-3 * 0.5 * (1 + np.cos(np.pi * step / STEPS))
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
                a = fn.normalize(see(torch.from_numpy(parts[name][1])), dim=-1)
                b = fn.normalize(read_(torch.from_numpy(texts[name].astype(np.float32))), dim=-1)
                scores = (b @ a.T).numpy()
                rank = (scores > np.diag(scores)[:, None]).sum(1)
                found[name] = round(float((rank < 1).mean()), 3)
                found[f"{name}, first ten"] = round(float((rank < 10).mean()), 3)
        best = max(best, found, key=lambda f: f["val"])
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
        parts[name] = (rows, features(trunk, np.load(args.work / f"{name}.npy", mmap_mode="r")))
        texts[name] = read(rows.productDisplayName.tolist(), args.work)
    scale = parts["backbone"][1].std(0) + 1e-6
    parts = {name: (rows, x / scale) for name, (rows, x) in parts.items()}
    result = {column: supervised(parts, column, args.split) for column in COLUMNS}
    result["title → own photo, first"] = retrieval(parts, texts, args.split)
    print(json.dumps(result, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
