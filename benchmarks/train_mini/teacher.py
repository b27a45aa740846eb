"""Figures on val while the image tower trains, its MiniLM text head in the text tower's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.train_mini import evaluate, image, words
from benchmarks.train_mini.texts import read

if TYPE_CHECKING:
    from pathlib import Path


class TeacherJudge:
    """Figures on val of the image tower with its MiniLM text head, during training."""

    def __init__(self, data: Path, work: Path, cores: int) -> None:
        titles = evaluate.rows_of(data, "val").productDisplayName.tolist()
        extra = [f"a {w} product" for w in words.open_vocabulary()["baseColour"]]
        texts = list(dict.fromkeys([*evaluate.eval_texts(titles), *extra]))
        self.vectors = read(texts, work, threads=cores)
        self.ids = {t: i for i, t in enumerate(texts)}
        self.data, self.work = data, work

    def __call__(self, model: image.Pair) -> str:
        """One line of figures."""
        model.eval()

        @torch.inference_mode()
        def encode_images(raw: np.ndarray) -> np.ndarray:
            found = []
            for i in range(0, len(raw), 128):
                x = torch.from_numpy(raw[i : i + 128].copy()).permute(0, 3, 1, 2).float() / 255
                device = next(model.parameters()).device
                found.append(model.image(image.normalise(x).to(device))[0].cpu().numpy())
            return np.concatenate(found)

        @torch.inference_mode()
        def encode_texts(texts: list[str]) -> np.ndarray:
            x = torch.from_numpy(self.vectors[[self.ids[t] for t in texts]].astype(np.float32))
            device = next(model.parameters()).device
            return evaluate.unit(model.text(x.to(device)).cpu().numpy())

        found = evaluate.summary(self.data, self.work, "val", encode_images, encode_texts)
        return "val " + " ".join(f"{k}={v:.3f}" for k, v in found.items())
