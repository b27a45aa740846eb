"""What a workspace takes on disk, and what of it nothing uses any more."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fashiontag.index import DATABASE, DERIVED, Index, Manifest
from fashiontag.vectors import VectorStore
from fashiontag.workflows.neighbours import NEIGHBOURS

if TYPE_CHECKING:
    from pathlib import Path

    from fashiontag.vectors import Pruned, StoreStatus


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What a workspace holds: vectors by model, and what FAISS knows of them by folder's name."""

    store: StoreStatus
    used: frozenset[str]
    neighbours: tuple[tuple[str, Manifest], ...]
    index_bytes: int


def status(workspace: Path) -> Upkeep:
    """Return what a workspace holds; ``used`` are the fingerprints that indexed items have."""
    with VectorStore.open(workspace) as store:
        stored = store.status()
    folder = workspace / NEIGHBOURS
    known = [(path.name, Manifest.read(path)) for path in sorted(folder.glob("*"))]
    files = [workspace / DATABASE, *(workspace / DERIVED).rglob("*"), *folder.rglob("*")]
    return Upkeep(
        stored,
        _used(workspace),
        tuple((name, manifest) for name, manifest in known if manifest is not None),
        sum(path.stat().st_size for path in files if path.is_file()),
    )


def prune(workspace: Path) -> Pruned:
    """Drop the vectors of models that no indexed item uses, and what FAISS knew of them."""
    used = _used(workspace)
    with VectorStore.open(workspace) as store:
        pruned = store.prune(used)
    for path in (workspace / NEIGHBOURS).glob("*-*"):
        if not any(one.startswith(path.name.split("-", 1)[1]) for one in used):
            shutil.rmtree(path, ignore_errors=True)
    return pruned


def _used(workspace: Path) -> frozenset[str]:
    if not (workspace / DATABASE).is_file():
        return frozenset()
    with Index.open(workspace) as index:
        return frozenset(source.fingerprint for source in index.sources() if source.items)
