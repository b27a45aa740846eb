"""Vectors and titles → one row of numbers per product, as the probe reads them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fashiontag.heads.lexical import TitleMatcher
from fashiontag.heads.statistics import Moments, Statistics
from fashiontag.words import split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sklearn.feature_extraction.text import TfidfVectorizer

    from fashiontag.heads.training import Training
    from fashiontag.labels import LabelSpace

    Floats = NDArray[np.float32]


MOST = 1024
"""Columns of the lexical head: taking apart twice as many costs ten times as long."""


class Widths(NamedTuple):
    """How many columns each modality has; 0 for one that isn't there."""

    image: int
    title: int = 0
    words: int = 0

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The columns of image, title and words."""
        middle = self.image + self.title
        return slice(0, self.image), slice(self.image, middle), slice(middle, sum(self))

    def split(self, x: Floats) -> Parts:
        """Part features of shape (n, p)."""
        return Parts(*(x[:, columns] for columns in self.slices))


class Parts(NamedTuple):
    """One array per modality: features of shape (n, p_m), or a prior over them, (p_m + 1, t)."""

    image: Floats
    title: Floats
    words: Floats


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
        # Two titles in five are another's.
        unique, place = np.unique(np.array(texts, dtype=object), return_inverse=True)
        return np.asarray(vectorizer.transform(unique).toarray()[place], np.float32)


class Features:
    """Vectors and titles → one row of numbers per product: ``[image | title | words]``.

    Vectors are centred with the model's means and scaled to unit length on average; the words are
    TF-IDF over the training titles and, one column a label, whether the title names it.

    Parameters
    ----------
    space : LabelSpace
    image, title : ndarray of shape (d,), float32
        Means that are subtracted.
    vocabulary : Vocabulary
    """

    def __init__(
        self, space: LabelSpace, image: Floats, title: Floats, vocabulary: Vocabulary
    ) -> None:
        self.space = space
        self.image = image
        self.title = title
        self.vocabulary = vocabulary
        self._matcher = TitleMatcher(space)

    @classmethod
    def fit(cls, training: Training, image: Floats, title: Floats) -> Features:
        """Learn the vocabulary, leaving room for one column a label."""
        most = max(MOST // 4, MOST - training.space.size)
        return cls(training.space, image, title, Vocabulary.fit(training.texts, most))

    @property
    def widths(self) -> Widths:
        """Columns of image, title and words."""
        words = len(self.vocabulary.words) + self.space.size
        return Widths(len(self.image), len(self.title), words)

    def transform(self, images: NDArray[Any], titles: NDArray[Any], texts: Sequence[str]) -> Floats:
        """Return features of n products, shape (n, p), float32; "" is no title."""
        columns = [
            _spread(images, self.image),
            _spread(titles, self.title) * titled(texts)[:, None],
            self.vocabulary.transform(texts),
            self._matcher.score(texts),
        ]
        return np.hstack(columns).astype(np.float32)

    def of(self, training: Training) -> Floats:
        """Return the features of a training set's products."""
        return self.transform(training.images, training.titles, training.texts)


def titled(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return which products have a title, shape (n,)."""
    return np.array([bool(text) for text in texts], bool)


def moments(training: Training, statistics: Statistics) -> tuple[Moments, Moments]:
    """Return the model's moments of images and titles, the training rows' where it has none."""
    if statistics.image is not None and statistics.title is not None:
        return statistics.image, statistics.title
    dim = training.images.shape[1]
    flat = np.zeros(dim, np.float32)
    unknown = Moments(flat, flat, np.eye(dim, dtype=np.float32) / dim)
    image, title = (
        unknown if len(vectors) < 3 else Moments.fit(vectors.astype(np.float32))
        for vectors in (training.images, training.titles[training.titles.any(axis=1)])
    )
    return image, title


def typical_length(mean: Floats) -> float:
    """Return the root mean square distance of unit vectors from their mean."""
    return math.sqrt(max(1.0 - float(mean @ mean), 1e-6))


def _spread(vectors: NDArray[Any], mean: Floats) -> Floats:
    """Centre unit vectors and stretch them to unit length on average.

    All by one factor, not each by its own: so every cosine is a linear function of the features,
    and the zero-shot classifier can be written over them as it is.
    """
    return np.asarray((vectors.astype(np.float32) - mean) / typical_length(mean), np.float32)


def _vectorizer(**options: Any) -> TfidfVectorizer:  # noqa: ANN401
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Binary: a word said twice in a title is said no louder.
    return TfidfVectorizer(analyzer=split, binary=True, dtype=np.float32, **options)
