"""Vectors on disk, keyed by content and model: crash-safe, memory-mapped."""

from fashiontag.vectors.store import (
    DATABASE,
    Kind,
    Known,
    Pruned,
    ShardStatus,
    StoreStatus,
    VectorStore,
)

__all__ = [
    "DATABASE",
    "Kind",
    "Known",
    "Pruned",
    "ShardStatus",
    "StoreStatus",
    "VectorStore",
]
