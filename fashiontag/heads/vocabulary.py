"""Title words as features: TF-IDF over the words of the training titles, for the lexical head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fashiontag.words import split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sklearn.feature_extraction.text import TfidfVectorizer

MOST = 1024
"""Columns of the lexical head: taking apart twice as many costs ten times as long."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of the training titles, the most frequent of them, and their rarity.

    Attributes
    ----------
    words : tuple of v str
    idf : ndarray of shape (v,), float32
    """

    words: tuple[str, ...]
    idf: NDArray[np.float32]

    @classmethod
    def fit(cls, texts: Sequence[str], most: int = MOST) -> Vocabulary:
        """Take the most frequent words of the titles; "" is no title."""
        titled = [text for text in texts if split(text)]
        if not titled or most < 1:
            return cls((), np.zeros(0, np.float32))
        vectorizer = _vectorizer(max_features=most).fit(titled)
        return cls(tuple(vectorizer.get_feature_names_out()), vectorizer.idf_.astype(np.float32))

    def transform(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows of shape (n, v), float32; zeros for a title of unknown words or none."""
        if not self.words:
            return np.zeros((len(texts), 0), np.float32)
        vectorizer = _vectorizer(vocabulary=self.words)
        vectorizer.idf_ = self.idf
        return np.asarray(vectorizer.transform(texts).toarray(), np.float32)


def _vectorizer(**options: Any) -> TfidfVectorizer:  # noqa: ANN401
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Binary: a word said twice in a title is said no louder.
    return TfidfVectorizer(analyzer=split, binary=True, dtype=np.float32, **options)
