"""The few shapes that rooms hand to each other: one protocol and frozen result classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from PIL import Image

Vectors = NDArray[np.float32]
"""Rows of unit length, shape (n, d), float32."""

Pixels = NDArray[np.uint8]
"""One picture as a model takes it, shape (height, width, 3), RGB, 0 to 255."""

Source = Literal["image", "title", "both"]
Method = Literal["zero-shot", "probe", "person"]
Decision = Literal["publish", "review", "abstain"]
Status = Literal["ok", "error"]


class ImageRef(Protocol):
    """Where the bytes of a picture are, without having read them."""

    @property
    def locator(self) -> str:
        """What identifies the place for good: an absolute path, or ``hf:NAME/split/row``."""

    def stamp(self) -> str | None:
        """Change whenever the bytes may have changed (size and time of a file); None if unknown."""

    def read(self) -> bytes:
        """Return the encoded bytes; raise `ImageError` with the reason if there are none."""


@dataclass(frozen=True, slots=True)
class Item:
    """One product of a catalogue: a picture and what its seller wrote.

    Attributes
    ----------
    id : str
        Unique in its source; a path below it with ``/``, or a table's path value as typed.
    path : str
        What a user can open, shown in the output.
    title : str
        The title as typed, "" where there is none.
    text : str
        The title without markup: what is embedded and matched, "" where there is none.
    fields : Mapping of str to str
        The other columns of the titles table; they never influence tags, but that a brand's name
        is no evidence where a title has it.
    image : ImageRef
        Where the picture's bytes are.
    product : str
        Whose photo it is, "" where nothing says so.
    variants : tuple of str
        Which of the product's variants it shows; () for a photo of them all.
    keys : tuple of str
        What its table calls it, by `Catalog.keys`; () where no table does.
    """

    id: str
    path: str
    title: str
    text: str
    fields: Mapping[str, str]
    image: ImageRef
    product: str = ""
    variants: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """Text vectors, and into how many windows of the model's context each text was cut.

    Attributes
    ----------
    vectors : ndarray of shape (n, d), float32
        Unit rows; a text of several windows is their normalised mean.
    windows : ndarray of shape (n,), int64
        1 for a text that fits, more for one that was chunked.
    """

    vectors: Vectors
    windows: NDArray[np.int64]


@runtime_checkable
class Encoder(Protocol):
    """Images or texts in, unit vectors of one joint space out."""

    @property
    def name(self) -> str:
        """The model as a user would type it after ``--model``."""

    @property
    def fingerprint(self) -> str:
        """Hex digest that changes with the weights, the configuration or the preprocessing."""

    @property
    def dim(self) -> int:
        """The length d of a vector."""

    @property
    def folder(self) -> Path | None:
        """Where the model's own files are, if they are local: statistics are looked for there."""

    @property
    def image_size(self) -> int:
        """The side in pixels that `prepare` scales to; a decoder need not give more than that."""

    def prepare(self, image: Image.Image) -> Pixels:
        """Resize and crop one upright RGB picture as the model's configuration says.

        Safe to call from several threads at once.
        """

    def encode_images(self, pixels: Sequence[Pixels]) -> Vectors:
        """Encode prepared pictures, as one batch, into unit vectors of shape (n, d), float32."""

    def encode_texts(self, texts: Sequence[str]) -> EncodedTexts:
        """Encode texts; one longer than the model's context is cut in windows and averaged."""


@dataclass(frozen=True, slots=True)
class TagScore:
    """One label given to one product.

    Attributes
    ----------
    group, label : str
        As the label file names them.
    score : float
        A probability in [0, 1] where the method is calibrated on labelled data, else a score of
        the same range and direction: higher is better.
    source : {"image", "title", "both"}
        What the tag rests on.
    method : {"zero-shot", "probe", "person"}
        What made it.
    decision : {"publish", "review", "abstain"} or None
        None where no precision was promised.
    """

    group: str
    label: str
    score: float
    source: Source
    method: Method = "zero-shot"
    decision: Decision | None = None

    @property
    def tag(self) -> str:
        """The ``group=label`` that tables, the index and label spaces call it by."""
        return f"{self.group}={self.label}"


@dataclass(frozen=True, slots=True)
class Tagged:
    """What became of one item: its tags, or the reason why it has none.

    ``scores`` is filled only on request: ``{group: {label: score}}`` over all labels, with
    ``unknown`` in exclusive groups.
    """

    id: str
    path: str
    title: str
    status: Status
    message: str
    tags: tuple[TagScore, ...] = ()
    scores: Mapping[str, Mapping[str, float]] | None = field(default=None, repr=False)

    @property
    def given(self) -> tuple[TagScore, ...]:
        """The tags without mere guesses: a probe shows what it abstains from, too."""
        return tuple(tag for tag in self.tags if tag.decision != "abstain")

    @property
    def published(self) -> tuple[TagScore, ...]:
        """The tags that may be published: all that are given, where no precision was promised."""
        return tuple(tag for tag in self.given if tag.decision != "review")

    @property
    def review(self) -> tuple[TagScore, ...]:
        """The tags that are given, but for a person to look at first."""
        return tuple(tag for tag in self.given if tag.decision == "review")

    def labels(self, group: str) -> tuple[str, ...]:
        """Return the labels given in one group, best first."""
        return tuple(tag.label for tag in self.given if tag.group == group)


@dataclass(frozen=True, slots=True)
class PhotoSays:
    """What one photo of a product would be given by itself, its title unread."""

    photo: str
    group: str
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two that say different things of one group of a product.

    Attributes
    ----------
    group : str
    between : tuple of str
        The ids of two photos; or a photo's and ``title``, or ``field NAME``.
    values : tuple of str
        What they say, in the same order.
    """

    group: str
    between: tuple[str, str]
    values: tuple[str, str]


@dataclass(frozen=True, slots=True)
class TaggedUnit(Tagged):
    """What became of a product, or of one of its variants.

    ``path`` and ``title`` are the main photo's; ``message`` also says what is odd about photos of
    one whose ``status`` is ok.

    Attributes
    ----------
    photos : tuple of Item
        In the order of the source, the unread included.
    evidence : tuple of PhotoSays
    conflicts : tuple of Conflict
    """

    photos: tuple[Item, ...] = ()
    evidence: tuple[PhotoSays, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer to a search: ``score`` is a cosine, higher is better; ``rank`` starts at 1.

    ``tags`` are ``group=label`` strings; ``folded`` counts the items of the same family that
    stand behind this one.
    """

    rank: int
    score: float
    id: str
    path: str
    title: str
    tags: tuple[str, ...] = ()
    folded: int = 0


@dataclass(frozen=True, slots=True)
class Edit:
    """A place in a file, in bytes, and what takes it; all bytes that no edit names stay.

    Attributes
    ----------
    start, end : int
        What is replaced; equal where something is only inserted.
    new : bytes
    """

    start: int
    end: int
    new: bytes
