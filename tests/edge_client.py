"""Qdrant's own engine in this process, behind the methods of its client that a collection calls."""

import tempfile
import uuid
from pathlib import Path
from types import SimpleNamespace

import qdrant_edge as edge
from qdrant_client import models


class EdgeClient:
    """One shard per collection; ``indexing_threshold`` is in kilobytes of vectors."""

    def __init__(self, folder=None, indexing_threshold=None):
        self.folder = Path(folder or tempfile.mkdtemp())
        self.threshold = indexing_threshold
        self.shards, self.metadata, self.aliases = {}, {}, {}

    def _shard(self, name):
        return self.shards[self.aliases.get(name, name)]

    def collection_exists(self, name):
        return self.aliases.get(name, name) in self.shards

    def get_collection(self, name):
        said = self.metadata[self.aliases.get(name, name)]
        return SimpleNamespace(config=SimpleNamespace(metadata=said))

    def get_collections(self):
        return SimpleNamespace(collections=[SimpleNamespace(name=name) for name in self.shards])

    def get_aliases(self):
        pairs = self.aliases.items()
        return SimpleNamespace(
            aliases=[SimpleNamespace(alias_name=a, collection_name=c) for a, c in pairs]
        )

    def update_collection_aliases(self, changes):
        for change in changes:
            if isinstance(change, models.CreateAliasOperation):
                made = change.create_alias
                self.aliases[made.alias_name] = made.collection_name
            else:
                del self.aliases[change.delete_alias.alias_name]

    def update_collection(self, name, metadata):
        self.metadata[self.aliases.get(name, name)] = metadata

    def delete_collection(self, name):
        self.shards.pop(name).close()

    def create_collection(self, name, vectors_config, sparse_vectors_config, metadata):
        del sparse_vectors_config
        quantized = {
            kind: edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=0.99)
            for kind, vector in vectors_config.items()
            if isinstance(vector.quantization_config, models.ScalarQuantization)
        }
        config = edge.EdgeConfig(
            vectors={
                kind: edge.EdgeVectorParams(
                    vector.size,
                    getattr(edge.Distance, vector.distance.value),
                    datatype=getattr(
                        edge.VectorStorageDatatype,
                        (vector.datatype or models.Datatype.FLOAT32).value.capitalize(),
                    ),
                    quantization_config=quantized.get(kind),
                )
                for kind, vector in vectors_config.items()
            },
            sparse_vectors={"words": edge.EdgeSparseVectorParams()},
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=self.threshold),
        )
        place = self.folder / name
        place.mkdir(parents=True)
        self.shards[name] = edge.EdgeShard.create(str(place), config)
        self.metadata[name] = metadata

    def create_payload_index(self, name, path, kind, wait):
        del wait
        schema = getattr(edge.PayloadSchemaType, kind.capitalize())
        self._shard(name).update(edge.UpdateOperation.create_field_index(path, schema))

    def upsert(self, name, points, wait):
        del wait
        made = [
            edge.Point(uuid.UUID(p.id), {k: _vector(v) for k, v in p.vector.items()}, p.payload)
            for p in points
        ]
        self._shard(name).update(edge.UpdateOperation.upsert_points(made))

    def delete(self, name, selector, wait):
        del wait
        wanted = _filter(selector.filter)
        self._shard(name).update(edge.UpdateOperation.delete_points_by_filter(wanted))

    def count(self, name, count_filter=None, exact=True):
        wanted = None if count_filter is None else _filter(count_filter)
        return SimpleNamespace(count=self._shard(name).count(edge.CountRequest(exact, wanted)))

    def retrieve(self, name, ids, with_payload):
        return self._shard(name).retrieve([uuid.UUID(str(i)) for i in ids], with_payload, False)

    def query_batch_points(self, name, requests):
        asked = [
            edge.QueryRequest(
                limit=one.limit,
                query=edge.Query.Nearest(_vector(one.query), one.using),
                filter=None if one.filter is None else _filter(one.filter),
                params=edge.SearchParams(
                    hnsw_ef=one.params.hnsw_ef if one.params else None,
                    exact=bool(one.params and one.params.exact),
                ),
            )
            for one in requests
        ]
        return [SimpleNamespace(points=self._shard(name).query(one)) for one in asked]


def _vector(value):
    if isinstance(value, models.SparseVector):
        return edge.SparseVector(value.indices, value.values)
    return value


def _filter(wanted):
    parts = {}
    for name in ("must", "should", "must_not"):
        found = getattr(wanted, name)
        if found is not None:
            found = found if isinstance(found, list) else [found]
            parts[name] = [_condition(one) for one in found]
    return edge.Filter(**parts)


def _condition(one):
    if isinstance(one, models.Filter):
        return _filter(one)
    if isinstance(one, models.HasIdCondition):
        return edge.HasIdCondition({uuid.UUID(str(i)) for i in one.has_id})
    if one.range is not None:
        bounds = {k: v for k, v in one.range.model_dump().items() if v is not None}
        return edge.FieldCondition(one.key, range=edge.RangeFloat(**bounds))
    if isinstance(one.match, models.MatchExcept):
        return edge.FieldCondition(one.key, match=edge.MatchExcept(one.match.except_))
    return edge.FieldCondition(one.key, match=edge.MatchValue(one.match.value))
