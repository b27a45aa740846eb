"""Vectors on disk, keyed by content and model: crash-safe, memory-mapped."""

from fashiontag.vectors.shard import Kind, Shard
from fashiontag.vectors.store import Known, Pruned, ShardStatus, StoreStatus, VectorStore

__all__ = [
    "Kind",
    "Known",
    "Pruned",
    "Shard",
    "ShardStatus",
    "StoreStatus",
    "VectorStore",
]
