"""What a workspace takes on disk, and what of it nothing uses any more."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fashiontag import colours
from fashiontag.index import DATABASE, DERIVED, Index, Manifest
from fashiontag.vectors import Pruned, VectorStore
from fashiontag.workspace import decisions, indexed_sources, is_gone
from fashiontag.workspace.neighbours import NEIGHBOURS
from fashiontag.workspace.written import find_copies

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fashiontag.vectors import ShardStatus


@dataclass(frozen=True, slots=True)
class KnownNeighbours:
    """What FAISS knows of one file of vectors; ``recall`` is of the ten nearest, as measured."""

    name: str
    rows: int
    recall: float


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What a workspace holds; ``bytes`` counts everything, ``index_bytes`` index and FAISS.

    ``decisions`` of people hold, and ``tables`` that were written are known cell by cell.
    """

    bytes: int
    index_bytes: int
    files: int
    vectors: tuple[ShardStatus, ...]
    neighbours: tuple[KnownNeighbours, ...]
    decisions: int
    tables: int


def status(workspace: Path) -> Upkeep:
    """Return what a workspace holds."""
    with VectorStore.open(workspace) as store:
        stored = store.status(_used(workspace))
    folder = workspace / NEIGHBOURS
    known = [(path.name, Manifest.read(path)) for path in sorted(folder.glob("*"))]
    files = [workspace / DATABASE, *(workspace / DERIVED).rglob("*"), *folder.rglob("*")]
    index_bytes, copies = _bytes(files), find_copies(workspace)
    kept = _bytes([workspace / decisions.DATABASE, *(copy.path for copy in copies)])
    return Upkeep(
        stored.bytes + index_bytes + kept,
        index_bytes,
        stored.files,
        stored.shards,
        tuple(
            KnownNeighbours(name, found.rows, found.recall)
            for name, found in known
            if found is not None
        ),
        len(decisions.current(workspace)),
        len({copy.about.out for copy in copies}),
    )


@dataclass(frozen=True, slots=True)
class Swept(Pruned):
    """What `prune` took out: vectors, and the sources that are no longer there."""

    gone: tuple[str, ...] = ()


def prune(workspace: Path) -> Swept:
    """Drop items of folders that are gone, vectors that no item uses, what FAISS knew of them.

    What people decided stays: the folder may only have moved.
    """
    gone = [s for s in indexed_sources(workspace) if s.items and is_gone(s.root)]
    if gone:
        with Index.open(workspace) as index:
            for source in gone:
                index.replace_source(
                    source.root,
                    (),
                    fingerprint=source.fingerprint,
                    model=source.model,
                    labels=source.labels,
                )
    used = _used(workspace)
    with VectorStore.open(workspace) as store:
        pruned = store.prune(used)
    for path in (workspace / NEIGHBOURS).glob("*-*"):
        if not any(model.startswith(path.name.split("-", 1)[1]) for model in used):
            shutil.rmtree(path, ignore_errors=True)
    return Swept(pruned.vectors, pruned.files, pruned.bytes, tuple(s.root for s in gone))


def _bytes(files: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in files if path.is_file())


def _used(workspace: Path) -> frozenset[str]:
    models = {source.fingerprint for source in indexed_sources(workspace) if source.items}
    return frozenset(models | {colours.fingerprint()})
