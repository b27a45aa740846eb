"""Texts as token ids: long ones cut in windows, and open_clip's byte pairs without torch."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.datamodels import EncodedTexts
from fashiontag.encoders.files import open_clip_folder
from fashiontag.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fashiontag.datamodels import Vectors


@dataclass(frozen=True, slots=True)
class Tokens:
    """How texts become rows of token ids: the words' ids between what marks start and end."""

    encode: Callable[[str], list[int]]
    start: tuple[int, ...]
    end: tuple[int, ...]
    pad: int
    length: int
    last: tuple[int, ...] = ()  # what stands behind the padding, in one tokenizer of open_clip

    def windows(self, text: str) -> list[list[int]]:
        """Cut a text into windows of nearly equal length, so that their mean weighs words alike."""
        ids = self.encode(text)
        room = self.length - len(self.start) - len(self.end) - len(self.last)
        parts = max(1, -(-len(ids) // room))
        bounds = [len(ids) * part // parts for part in range(parts + 1)]
        return [
            [*self.start, *ids[bounds[part] : bounds[part + 1]], *self.end] for part in range(parts)
        ]

    def row(self, window: Sequence[int], length: int) -> list[int]:
        """Pad a window to `length`."""
        padding = length - len(window) - len(self.last)
        return [*window, *[self.pad] * padding, *self.last]


def encode_by_windows(
    texts: Sequence[str],
    tokens: Tokens,
    encode: Callable[[Sequence[Sequence[int]]], Vectors],
    model: str,
) -> EncodedTexts:
    """Encode each text as the mean of its windows, made unit length again.

    Parameters
    ----------
    texts : sequence of n str
    tokens : Tokens
    encode : callable
        Gives m windows of ids as unit vectors of shape (m, d), in their order.
    model : str
        What errors call it.
    """
    cut = [tokens.windows(text) for text in texts]
    counts = np.array([len(windows) for windows in cut], dtype=np.int64)
    vectors = encode([window for windows in cut for window in windows])
    if len(vectors) > len(texts):
        vectors = unit(np.add.reduceat(vectors, np.cumsum(counts) - counts, axis=0), model)
    return EncodedTexts(vectors, counts)


def unit(rows: Vectors, model: str) -> Vectors:
    """Make the vectors of texts unit length, in place; raise ModelError where that can't be."""
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    check_unit(rows, model, "text")
    return rows


def check_unit(rows: NDArray[np.float32], model: str, what: str) -> None:
    """Raise ModelError unless every row is a unit vector."""
    wrong = np.flatnonzero(~(np.abs(np.linalg.norm(rows, axis=1) - 1) < 1e-3))
    if len(wrong):
        raise ModelError(
            f"{model} gave no usable vector for {what} {wrong[0]} of a batch of {len(rows)}"
            " (not a number, infinite or zero); its weights are damaged or overflow on this"
            " device: get them again, or try --precision fp32."
        )


START, END = 49_406, 49_407
_MERGES = 49_152 - 256 - 2  # of the file's lines, those that open_clip takes
_PARTS = r"<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|"
_ASCII_WORDS = re.compile(_PARTS + r"[a-z]+|[0-9]|[^\sa-z0-9]+")


class BytePairs:
    """open_clip's own tokenizer, read from its vocabulary in a fiftieth of torch's import."""

    def __init__(self) -> None:
        with gzip.open(open_clip_folder() / "bpe_simple_vocab_16e6.txt.gz") as file:
            # The first 0.5 of 3.2 MB: the rest is not used, and would take as long again.
            text = file.read(2**20).decode(errors="ignore")
        merges = text.split("\n", _MERGES + 1)[1 : _MERGES + 1]
        self._ranks = dict(zip(merges, range(_MERGES), strict=True))
        # Bytes stand for themselves where they print, else for letters from 256 on.
        plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
        other = [byte for byte in range(256) if byte not in plain]
        signs = [chr(byte) for byte in plain] + [chr(256 + n) for n in range(len(other))]
        self._signs = dict(zip(plain + other, signs, strict=True))
        ends = [sign + "</w>" for sign in signs]
        self._ids = dict(zip(signs + ends, range(512), strict=True))
        self._pieces = lru_cache(2**14)(self._cut)  # prompts and titles share most of their words

    def encode(self, text: str) -> list[int]:
        """Return a text's ids; one that spells a marker of open_clip's is not cut there."""
        return [
            token
            for word in _words(text)
            if word not in {"<start_of_text>", "<end_of_text>"}
            for token in self._pieces(word)
        ]

    def _cut(self, word: str) -> list[int]:
        symbols = [self._signs[byte] for byte in word.encode()]
        symbols[-1] += "</w>"
        while len(symbols) > 1:
            ranks = [self._ranks.get(" ".join(pair), _MERGES) for pair in pairwise(symbols)]
            best = min(ranks)
            if best == _MERGES:
                break
            joined: list[str] = []
            at = 0
            while at < len(symbols):
                step = 2 if at < len(ranks) and ranks[at] == best else 1
                joined.append("".join(symbols[at : at + step]))
                if step == 2:
                    self._ids[joined[-1]] = 512 + best  # no two merges spell the same
                at += step
            symbols = joined
        return [self._ids[symbol] for symbol in symbols]


def _words(text: str) -> list[str]:
    """Clean a text as open_clip's ``lower`` does, and cut it in words."""
    if text.isascii() and text.isprintable() and "&" not in text:
        # Nothing to repair or to unescape: the two libraries take 70 ms to import.
        return _ASCII_WORDS.findall(text.lower())
    import html

    import ftfy
    import regex

    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    parts = _PARTS + r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    return list(regex.findall(parts, " ".join(text.split()).lower(), flags=regex.IGNORECASE))
