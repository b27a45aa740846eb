"""`Workspace`: a folder with vectors and an index, seen through one model."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from fashiontag import colours
from fashiontag.errors import CatalogError, ForeignEncoderError
from fashiontag.heads.statistics import Statistics
from fashiontag.index import DATABASE, Index
from fashiontag.vectors import VectorStore
from fashiontag.workspace.calibration import load_constants

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Encoder
    from fashiontag.index import Placement, SourceStatus
    from fashiontag.labels import LabelSpace
    from fashiontag.vectors import Kind, Shard


class Workspace:
    """A folder of vectors and an index, and the model that made them; a context manager.

    Open one with `Workspace.open`, or with `Workspace.indexed` where something must be in it.

    Parameters
    ----------
    encoder : Encoder
    store : VectorStore
        Of the folder, open; closed with the workspace.
    calibrated : bool
        Whether constants that were fitted on the user's own catalogue are used.

    Attributes
    ----------
    path : Path
        The folder.
    images, texts : Shard
        The model's vectors of pictures and of titles and words.
    colours : Shard
        What pictures' own pixels say of each colour, whatever the model.
    """

    def __init__(self, encoder: Encoder, store: VectorStore, *, calibrated: bool = True) -> None:
        self.calibrated = calibrated
        self.path = store.workspace
        self.encoder = encoder
        self.store = store
        self.images = self.vectors("image")
        self.texts = self.vectors("text")
        self.colours = store.shard("colour", colours.fingerprint())

    @classmethod
    def open(cls, path: Path, encoder: Encoder, *, calibrated: bool = True) -> Self:
        """Open a workspace, creating it if need be.

        Raises
        ------
        StoreError
            If the folder can't be written, or holds something else.
        """
        return cls(encoder, VectorStore.open(path), calibrated=calibrated)

    @classmethod
    def indexed(cls, path: Path, encoder: Encoder, *, calibrated: bool = True) -> Self:
        """Open a workspace in which something is indexed; it is not created.

        Raises
        ------
        CatalogError
            If nothing is indexed.
        """
        if not (path / DATABASE).is_file():
            raise _nothing_indexed(path)
        return cls.open(path, encoder, calibrated=calibrated)

    @cached_property
    def index(self) -> Index:
        """What can be searched; opened when it is first asked for."""
        return Index.open(self.path)

    @cached_property
    def statistics(self) -> Statistics:
        """The constants that ship with the model."""
        return Statistics.load(self.encoder.folder, self.encoder.dim)

    def statistics_for(self, space: LabelSpace) -> Statistics:
        """Return the same, with what was fitted here for groups of a label file in its place."""
        if not self.calibrated:
            return self.statistics
        own = load_constants(self.path, self.encoder.fingerprint, space)
        return replace(self.statistics, groups={**self.statistics.groups, **own})

    def vectors(self, kind: Kind) -> Shard:
        """Return the model's vectors of a kind."""
        return self.store.shard(kind, self.encoder.fingerprint)

    def measured(self, image_keys: Sequence[str | None]) -> NDArray[np.float32]:
        """Return what `colours.measure` gave for n pictures, shape (n, c + 1); else zeros."""
        return self.colours.padded(self.colours.find([k or "" for k in image_keys]), colours.size())

    def mean(self, kind: Kind) -> NDArray[np.float32] | None:
        """Return what is taken off vectors of a kind before they are compared, shape (d,)."""
        moments = self.statistics.image if kind == "image" else self.statistics.title
        return moments.mean if moments else None

    def placement(self) -> Placement:
        """Return where the model's indexed items have their vectors."""
        return self.index.placement(
            self.encoder.fingerprint, lambda kind, keys: self.vectors(kind).find(keys)
        )

    def follow(self, catalog: Catalog) -> str:
        """Let a folder that was moved keep what is known of it; return a sentence if one was.

        That is a source that is gone, and whose ids are all among those of one that is new.
        """
        sources = self.index.sources()
        if not any(s.items and is_gone(s.root) for s in sources) or not catalog.complete:
            return ""
        if any(s.items for s in sources if s.root == catalog.root):
            return ""
        ids = {item.id for item in catalog.items}
        for source in sources:
            if (
                source.items
                and is_gone(source.root)
                and ids >= self.index.titles(source.root).keys()
            ):
                self.index.rename(source.root, catalog.root)
                return f"{catalog.source} is what {source.root} was, which is gone."
        return ""

    def left_out(self) -> str:
        """Return a sentence on the sources that another model indexed, "" where there are none.

        Raises
        ------
        CatalogError
            If nothing is indexed.
        ForeignEncoderError
            If all that is indexed was encoded by another model; the message names both.
        """
        filled = [source for source in self.index.sources() if source.items]
        if not filled:
            raise _nothing_indexed(self.path)
        encoder = self.encoder
        foreign = [source for source in filled if source.fingerprint != encoder.fingerprint]
        if not foreign:
            return ""
        first = foreign[0]
        # The same name with other weights is no way out for a search, only a new index is.
        again = f"fashiontag index {first.root} --model {encoder.name}"
        if len(foreign) == len(filled):
            way = f"search with --model {first.model}, or " if first.model != encoder.name else ""
            raise ForeignEncoderError(
                f"The index in {self.path} was built with {first.model} "
                f"({first.fingerprint[:12]}), not with {encoder.name} "
                f"({encoder.fingerprint[:12]}); {way}run: {again}"
            )
        count = sum(source.items for source in foreign)
        which = "1 item" if count == 1 else f"{count:,} items"
        are, them = ("is", "it") if count == 1 else ("are", "them")
        return f"{which} indexed with {first.model} {are} left out; to include {them} run: {again}"

    def close(self) -> None:
        """Release the files."""
        self.store.close()
        if "index" in self.__dict__:
            self.index.close()
            del self.index

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def is_gone(root: str) -> bool:
    """Tell whether a source was a file or folder that isn't there any more."""
    from fashiontag.catalog.items import as_on_disk  # a search mustn't wait for it

    return Path(root).is_absolute() and not os.path.lexists(as_on_disk(root))


def indexed_sources(path: Path) -> tuple[SourceStatus, ...]:
    """Return what is indexed in a folder, the source updated last first; () if nothing is."""
    if not (path / DATABASE).is_file():
        return ()
    with Index.open(path) as index:
        return index.sources()


def indexed_model(path: Path) -> str:
    """Return the model that a workspace's index was built with, the last one if there are several.

    Raises
    ------
    CatalogError
        If nothing is indexed.
    """
    for source in indexed_sources(path):
        if source.items:
            return source.model
    raise _nothing_indexed(path)


def _nothing_indexed(path: Path) -> CatalogError:
    return CatalogError(
        f"Nothing is indexed in {path}; run fashiontag tag or fashiontag index on a folder of "
        "pictures first, or name another --workspace."
    )
