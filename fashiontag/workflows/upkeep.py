"""What a workspace takes on disk, and what of it nothing uses any more."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fashiontag.index import DATABASE, DERIVED, Manifest
from fashiontag.vectors import VectorStore
from fashiontag.workspace import decisions, indexed_sources
from fashiontag.workspace.neighbours import NEIGHBOURS
from fashiontag.workspace.written import find_copies

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fashiontag.vectors import Pruned, ShardStatus


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


def prune(workspace: Path) -> Pruned:
    """Drop the vectors of models that no indexed item uses, and what FAISS knew of them."""
    used = _used(workspace)
    with VectorStore.open(workspace) as store:
        pruned = store.prune(used)
    for path in (workspace / NEIGHBOURS).glob("*-*"):
        if not any(model.startswith(path.name.split("-", 1)[1]) for model in used):
            shutil.rmtree(path, ignore_errors=True)
    return pruned


def _bytes(files: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in files if path.is_file())


def _used(workspace: Path) -> frozenset[str]:
    return frozenset(source.fingerprint for source in indexed_sources(workspace) if source.items)
