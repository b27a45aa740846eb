"""Words that no caption holds, placed among those that captions do hold.

MiniLM's head was trained on a few hundred words and extrapolates badly beyond them. So a word's
vector is drawn towards the known words nearest to it: by a dictionary, if it knows the word;
else for names of colours by the colour itself, as the CSS and xkcd tables that ship with matplotlib
give it (xkcd's survey is CC0); else by MiniLM's own cosine.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colors
from PIL import Image, ImageCms

from benchmarks.train_mini.dictionary import ARTEFACTS, ATTRIBUTES, Dictionary
from benchmarks.train_mini.evaluate import unit
from benchmarks.train_mini.texts import embed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.train_mini.words import Filter, Group

    Head = Callable[[Sequence[str]], np.ndarray]  # texts → unit vectors of the pair's space

KIND_GROUPS = ("articleType", "category", "plain", "pattern", "material")
COLOUR_GROUPS = ("baseColour", "color")
# Berlin and Kay's basic colour terms: they have most photos, so their vectors are the surest.
BASIC = (
    "black", "white", "grey", "red", "green", "yellow", "blue", "brown", "purple", "pink", "orange",
)  # fmt: skip


def _lab(names: Sequence[str], table: dict[str, tuple[int, int, int]]) -> np.ndarray:
    pixels = np.array([[table[n] for n in names]], np.uint8)
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), transform), np.float32)[0]
    lab[:, 1:] = (lab[:, 1:] + 128) % 256 - 128  # signed bytes, read as unsigned
    return lab * (100 / 255, 1, 1)


def colour_table() -> dict[str, tuple[int, int, int]]:
    """Names of colours → RGB: CSS and xkcd, less the rude ones."""
    found = {n.removeprefix("xkcd:"): c for n, c in colors.XKCD_COLORS.items()}
    found |= {n: c for n, c in colors.CSS4_COLORS.items() if n not in found}
    rude = ("poo", "shit", "puke", "vomit", "snot", "barf", "piss", "booger", "bile", "diarrhea")
    rgb = {n: tuple(round(255 * v) for v in colors.to_rgb(c)) for n, c in found.items()}
    return {n: v for n, v in rgb.items() if not any(r in n for r in rude)}


class Lexicon:
    """Known words of kinds and colours, and how other words are mixed from them."""

    def __init__(
        self, groups: Sequence[Group], allowed: Filter, seen: set[str], work: Path, head: Head,
        wordnet: Path,
    ) -> None:  # fmt: skip
        said = {
            kind: list(
                dict.fromkeys(
                    w.lower()
                    for g in groups
                    if g.name in names
                    for all_ in g.words
                    for w in all_
                    if allowed(w)
                )
            )
            for kind, names in (("kind", KIND_GROUPS), ("colour", COLOUR_GROUPS))
        }
        self.known = list(dict.fromkeys([*said["kind"], *said["colour"]]))
        self.work, self.head = work, head
        self._seen = seen | set(self.known)  # words that MiniLM's head has learned from captions
        self._bare = embed(self.known, work).astype(np.float32)
        self.table = colour_table()
        self._anchors = [w for w in said["colour"] if w in self.table]
        self._anchor_ids = np.array([self.known.index(w) for w in self._anchors])
        self._plain = np.where(np.isin(self._anchors, BASIC), 3.0, 1.0)
        self._anchor_lab = _lab(self._anchors, self.table)
        self.dictionary = Dictionary(wordnet)
        self._senses: dict[str, dict[str, list[str]]] = {}
        for kind, file in (("colour", ATTRIBUTES), ("kind", ARTEFACTS)):
            places = self._senses[file] = defaultdict(list)
            for word in said[kind]:
                for place in self.dictionary.of(word, file):
                    places[place].append(word)
        self._number = {w: i for i, w in enumerate(self.known)}

    def more_words(self) -> list[str]:
        """Return what the dictionary can place: words of one or two parts, and the plurals."""
        known = self._senses[ARTEFACTS] | self._senses[ATTRIBUTES]
        found = [w for w in self.dictionary.around(known) if len(w) > 2 and w.count(" ") < 2]
        plurals = [f"{w}s" for w in found if not w.endswith("s")]
        return [w for w in [*found, *plurals] if w not in self._seen]

    def mixture(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Weights (n, known) over the known words, and how far (n,) to trust them, 0..1."""
        cosines = embed(words, self.work).astype(np.float32) @ self._bare.T
        best = np.sort(cosines, 1)[:, -5][:, None]
        weights = np.where(
            cosines >= best, np.exp((cosines - cosines.max(1, keepdims=True)) / 0.04), 0
        )
        trust = 1 / (1 + np.exp(-(cosines.max(1) - 0.5) / 0.04))
        weights /= weights.sum(1, keepdims=True)
        coloured = [i for i, w in enumerate(words) if w in self.table]
        if coloured:
            lab = _lab([words[i] for i in coloured], self.table)
            far = np.linalg.norm(lab[:, None] - self._anchor_lab[None], axis=-1)
            near = np.exp(-(far - far.min(1, keepdims=True)) / 8) * self._plain
            weights[coloured] = 0
            weights[np.ix_(coloured, self._anchor_ids)] = near / near.sum(1, keepdims=True)
            trust[coloured] = 0.9
        for i, word in enumerate(words):
            near = self._defined(word)
            if near:
                weights[i] = 0
                weights[i, [self._number[w] for w in near]] = 1 / len(near)
                trust[i] = max(near.values())
        trust[[w in self._seen for w in words]] = 0
        return weights.astype(np.float32), trust.astype(np.float32)

    def _defined(self, word: str) -> dict[str, float]:
        for file, known in self._senses.items():
            near = self.dictionary.nearest(word, known, file)
            if near:
                return near
        return {}

    def vectors(self, words: Sequence[str], template: str) -> np.ndarray:
        """Return unit vectors (n, 256) of the template filled with each word."""
        weights, trust = self.mixture(words)
        own = self.head([template.format(w) for w in words])
        used = np.flatnonzero(weights.any(0))
        known = self.head([template.format(self.known[i]) for i in used])
        mixed = unit(weights[:, used] @ known)
        return unit((1 - trust[:, None]) * own + trust[:, None] * mixed)
