"""What a method of the laboratory is given, and what it gives back.

A method is a function from a `Task` to a `Fitted`; `registry` knows it by its name in a suite. The
laboratory times it, scores it and writes the rows; a method does neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashiontag.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from fashiontag.datamodels import Encoder, Item
    from fashiontag.heads.training import Training
    from fashiontag.labels import LabelSpace
    from fashiontag.vectors import VectorStore

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rows:
    """Products of one split under one title condition.

    Attributes
    ----------
    items : tuple of n Item
        ``item.image.read()`` gives a picture's bytes, `catalog.images.load_image` decodes them.
    families : ndarray of shape (n,), int64
        Near-duplicates share a number, within and across the splits of a data set.
    training : Training
        Titles without markup, stored vectors of the task's encoder, and targets.
    """

    items: tuple[Item, ...]
    families: NDArray[np.int64]
    training: Training

    def __len__(self) -> int:
        return len(self.items)

    @property
    def texts(self) -> tuple[str, ...]:
        """The titles of this condition, "" where there is none."""
        return self.training.texts

    @property
    def images(self) -> Floats:
        """Unit vectors of the pictures, shape (n, d)."""
        return self.training.images.astype(np.float32)

    @property
    def titles(self) -> Floats:
        """Unit vectors of the titles, shape (n, d); zeros where there is none."""
        return self.training.titles.astype(np.float32)

    @property
    def targets(self) -> NDArray[np.int8]:
        """Shape (n, t): 1, 0, or -1 where the seller left the cell blank. All -1 in a test."""
        return self.training.targets

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Return some of the products."""
        items = tuple(self.items[row] for row in rows.tolist())
        return Rows(items, self.families[rows], self.training.select(rows))

    def blind(self) -> Rows:
        """Return the products without what sellers entered, as a fitted method sees the test."""
        hidden = np.full_like(self.training.targets, -1)
        items = tuple(replace(item, fields={}) for item in self.items)
        return Rows(items, self.families, replace(self.training, targets=hidden))


@dataclass(frozen=True, slots=True)
class Task:
    """What a method is fitted on.

    Attributes
    ----------
    space : LabelSpace
        The labels of the figures and no others; ``space.span(group)`` are a group's columns.
    train : Rows
        All of the training split, or the shots drawn from it.
    val : Rows or None
        To choose by: epochs, hyperparameters. None with shots, where nobody has one.
    condition : str
        Of the titles of `train` and `val`: plain, masked or absent.
    shots : int or None
    seed : int
    encoder, store
        What made the vectors, and where prompts are kept.
    workspace : Path
        A folder for what a method wants to keep between cells, such as a trained tower.
    options : mapping
        The other keys of the method's table in the suite.
    """

    space: LabelSpace
    train: Rows
    val: Rows | None
    condition: str
    shots: int | None
    seed: int
    encoder: Encoder
    store: VectorStore
    workspace: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def opened(self) -> Workspace:
        """Encoder and store together."""
        return Workspace(self.encoder, self.store)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A method after fitting.

    Attributes
    ----------
    scores : callable
        `Rows` → float array of shape (n, t), higher for more likely labels; in an exclusive group
        probabilities that add up to at most 1, if the method has such.
    trainable_parameters : int
        Numbers that were learned from the task's targets.
    seconds : float or None
        What fitting takes, where a part was reused from an earlier cell; None: as the run
        measured it.
    notes : mapping
        What was chosen or is to be said of it, for the result row: backbone, epochs.
    """

    scores: Callable[[Rows], Floats]
    trainable_parameters: int = 0
    seconds: float | None = None
    notes: Mapping[str, str | int | float] = field(default_factory=dict)


Method = Callable[[Task], Fitted]
