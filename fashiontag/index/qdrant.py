"""A collection of Qdrant behind the same scores, filters and folds as the index here.

A point is a row of a run. Its vectors ``image`` and ``title`` are `compared` already, so their
products with a query are the cosines of `nearest`; its sparse vector ``words`` finds titles with
rare words of a query. The engine proposes by each, then says the exact cosines of all that were
proposed, and the rule that makes one score of them is the index's own.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fashiontag.datamodels import Hit
from fashiontag.errors import OutputError, QueryError, StoreError, UsageError
from fashiontag.index.columns import FIELD, number
from fashiontag.index.database import Placement
from fashiontag.index.nearest import FETCHED, best, fused
from fashiontag.index.where import Both, Comparison, Either, Not, column_named
from fashiontag.index.words import Titles, closeness, nearer, rarity
from fashiontag.names import fold
from fashiontag.words import split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from qdrant_client import QdrantClient, models

    from fashiontag.index.where import Filter

KINDS = ("image", "title")
KEY = "QDRANT_API_KEY"
"""The variable of the environment that holds a server's key."""

EF = 256
"""Candidates that the engine keeps while it walks its graph; more finds more, and takes longer."""

LONGEST = 120
"""Characters of a value that filters can ask for; longer texts are no values."""

_ADDRESS = re.compile(r"qdrant\+(https?://[^/]+(?:/.+)?)/([\w.~-]+)/?")


@dataclass(frozen=True, slots=True)
class About:
    """What a collection holds; it travels with it, and says which model its vectors are of.

    Attributes
    ----------
    model, fingerprint : str
    dim : int
    columns : Mapping of str to sequence of str
        Of each column, as `where` names it: ``text`` and ``number``, whichever its values are;
        neither for long texts.
    titled : int
        Points with a title that has words.
    """

    model: str
    fingerprint: str
    dim: int
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    titled: int = 0


def is_collection(address: str | None) -> bool:
    """Tell whether this is meant for an address of a collection."""
    return str(address).startswith("qdrant+")


def point_id(item: str) -> str:
    """Return the name of an item's point."""
    digest = hashlib.blake2b(item.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest))


def word_number(word: str) -> int:
    """Return the number that stands for a word in sparse vectors, below 2 ** 32."""
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big")


def values_of(tags: Sequence[str], fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what filters compare of one item, by column: folded texts, and numbers."""
    texts: dict[str, list[str]] = {}
    for tag in tags:
        group, _, label = tag.partition("=")
        texts.setdefault(group, []).append(fold(label))
    texts |= {FIELD + name: [fold(value)] for name, value in fields.items()}
    numbers = {
        name: [found for value in values if (found := number(value)) is not None]
        for name, values in texts.items()
    }
    return {
        "is": {
            _key(name): [v for v in values if len(v) <= LONGEST] for name, values in texts.items()
        },
        "number": {_key(name): values for name, values in numbers.items() if values},
    }


def _key(column: str) -> str:
    return column.replace('"', "'")


def _path(kind: str, column: str) -> str:
    return f'{kind}."{_key(column)}"'


class Collection:
    """One collection, by its own name or by an alias.

    Parameters
    ----------
    client : QdrantClient
    name : str
    address : str
        What errors call it.
    exact : bool
        Whether the engine compares everything.
    """

    def __init__(
        self, client: QdrantClient, name: str, address: str = "", *, exact: bool = False
    ) -> None:
        self.client, self.name, self.exact = client, name, exact
        self.address = address or name

    @classmethod
    def open(cls, address: str, *, exact: bool = False) -> Self:
        """Connect to ``qdrant+http(s)://HOST:PORT/COLLECTION``, with the key of `KEY`.

        Raises
        ------
        UsageError
            It is no such address, or the client isn't installed.
        """
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise UsageError(
                f"{address} is no collection; give qdrant+http://HOST:6333/COLLECTION, or https."
            )
        try:
            from qdrant_client import QdrantClient
        except ImportError as error:
            raise UsageError(
                f"{address} needs qdrant-client, which isn't installed; "
                "pip install 'fashiontag[qdrant]'."
            ) from error
        url, name = found.groups()
        port = None if re.search(r":\d+", url.partition("://")[2]) else 6333
        client = QdrantClient(
            url=url, port=port, api_key=os.environ.get(KEY), timeout=60, check_compatibility=False
        )
        return cls(client, name, address, exact=exact)

    def about(self) -> About:
        """Return what the collection holds; `StoreError` if there is none, or it isn't ours."""
        with self.errors():
            if not self.client.collection_exists(self.name):
                raise StoreError(
                    f"There is no {self.address}; fill it with fashiontag push RUN --to "
                    f"{self.address}."
                )
            said = self.client.get_collection(self.name).config.metadata or {}
        try:
            return About(**said["fashiontag"])
        except (KeyError, TypeError) as error:
            raise StoreError(
                f"{self.address} wasn't filled by fashiontag push, or by another version; name "
                "another collection."
            ) from error

    def create(self, about: About, quantize: str = "none") -> None:
        """Create it, payload indexes first: Qdrant builds its graph with what they know."""
        from qdrant_client import models

        small: dict[str, Any] = {
            "int8": models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(
                    type=models.ScalarType.INT8, quantile=0.99, always_ram=True
                )
            ),
            "binary": models.BinaryQuantization(
                binary=models.BinaryQuantizationConfig(always_ram=True)
            ),
        }
        if quantize not in (known := ("none", "float16", *small)):
            raise UsageError(f"There is no --quantize {quantize}; give {', '.join(known)}.")
        vector = models.VectorParams(
            size=about.dim,
            distance=models.Distance.DOT,  # cosines would be of vectors made unit length anew
            datatype=models.Datatype.FLOAT16 if quantize == "float16" else None,
            on_disk=quantize in small,
            quantization_config=small.get(quantize),
        )
        with self.errors():
            self.client.create_collection(
                self.name,
                vectors_config=dict.fromkeys(KINDS, vector),
                sparse_vectors_config={"words": models.SparseVectorParams()},
                metadata={"fashiontag": asdict(about)},
            )
            indexes: dict[str, Any] = {
                "made": "keyword", "words": "keyword", "family": "integer", "picture": "integer",
            }  # fmt: skip
            for column, kinds_of in about.columns.items():
                if "text" in kinds_of:
                    indexes[_path("is", column)] = "keyword"
                if "number" in kinds_of:
                    indexes[_path("number", column)] = "float"
            for path, kind in indexes.items():
                self.client.create_payload_index(self.name, path, kind, wait=True)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what a server or the network says into one sentence."""
        from httpx import HTTPError
        from qdrant_client.common.client_exceptions import QdrantException
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        try:
            yield
        except UnexpectedResponse as error:
            said = (error.content or b"").decode(errors="replace")[:200]
            if error.status_code in {401, 403}:
                raise StoreError(
                    f"{self.address} doesn't let us in ({error.status_code}); give its key in "
                    f"{KEY}."
                ) from error
            if re.search(r"no space|disk", said, re.IGNORECASE):
                raise OutputError(
                    f"{self.address} has no room left on its disk ({said}); make some, and repeat: "
                    "what was pushed stays."
                ) from error
            raise StoreError(
                f"{self.address} answers {error.status_code} ({said}); see what the server logs."
            ) from error
        except (ApiException, HTTPError, QdrantException, ConnectionError) as error:
            raise StoreError(
                f"{self.address} doesn't answer ({error}); see that a Qdrant listens there."
            ) from error

    def search(
        self,
        about: About,
        aims: Sequence[tuple[NDArray[np.float32], float]],
        k: int,
        *,
        words: str = "",
        words_weight: float = 0.0,
        among: Filter | None = None,
        fold: bool = True,
        floor: float | None = None,
    ) -> tuple[Hit, ...]:
        """Return what `nearest` would of the same items: scores are exact, the choice nearly.

        Where the collection is `exact`, the choice is, too: the engine proposes more until nothing
        that it left out could be among the best (Fagin, Lotem and Naor's threshold algorithm,
        2003).

        Parameters
        ----------
        about : About
        aims : sequence of ndarray of shape (d,), float32, and float
            Where the query looks, and that part's say: among pictures and, if there are two, among
            titles.
        k : int
        words : str
            The query's words, "" for none.
        words_weight : float
            As in `closeness`.
        among : Filter, optional
        fold, floor
            As in `nearest`.
        """
        from qdrant_client import models

        where = None if among is None else models.Filter(must=[_condition(among, about)])
        counts = self._counts(split(words) if len(aims) > 1 else [])
        rare = {word_number(word): rarity(n, about.titled) for word, n in counts.items()}
        exactly = models.SearchParams(exact=True)
        again: list[dict[str, Any]] = [
            {"query": aim.tolist(), "using": kind, "params": exactly}
            for (aim, _), kind in zip(aims, KINDS, strict=False)
        ]
        count = max(FETCHED, 20 * k)
        walk = models.SearchParams(hnsw_ef=max(EF, count), exact=self.exact)
        asked = [one | {"params": walk} for one in again]
        if rare:
            numbers = models.SparseVector(indices=[*rare], values=[*rare.values()])
            asked.append({"query": numbers, "using": "words"})
        while True:
            proposed, payloads, cosines = self._proposed(asked, again, where, count)
            near = _near(counts, payloads, words_weight, about.titled) if counts else None
            scores = fused(cosines, [weight for _, weight in aims], near)
            chosen = _chosen(scores, payloads, k, fold=fold, floor=floor)
            # what was not proposed is behind the last of each list that was cut
            ends = [one[-1].score if len(one) == count else -np.inf for one in proposed]
            if not self.exact or max(ends) == -np.inf:
                break
            cosine = max(-1.0, *ends[: len(aims)])
            share = max(0.0, *ends[len(aims) :]) / sum(rare.values()) if rare else 0.0
            worst = scores[chosen[-1]] if len(chosen) == k else -1.0 if floor is None else floor
            if cosine + (1 - cosine) * nearer(share, 0, words_weight) < worst:
                break
            count *= 4
        alike = [0] * len(chosen)
        if fold:
            with ThreadPoolExecutor(8) as pool, self.errors():
                alike = list(pool.map(lambda at: self._alike(payloads[at], where), chosen))
        return tuple(
            Hit(
                rank, min(float(scores[at]), 1.0), payloads[at]["id"], payloads[at]["path"],
                payloads[at]["title"], tuple(payloads[at]["tags"]), others,
            )
            for rank, (at, others) in enumerate(zip(chosen, alike, strict=True), start=1)
        )  # fmt: skip

    def _proposed(
        self,
        asked: Sequence[dict[str, Any]],
        again: Sequence[dict[str, Any]],
        where: models.Filter | None,
        count: int,
    ) -> tuple[list[list[Any]], list[Any], NDArray[np.float32]]:
        """Return what each question proposes, and the payloads and exact cosines of all that."""
        from qdrant_client import models

        with self.errors():
            proposed = self._query(asked, where, count)
            ids = list(dict.fromkeys(point.id for answer in proposed for point in answer))
            only = models.Filter(must=[models.HasIdCondition(has_id=ids)])
            answers = self._query(again, only, len(ids)) if ids else []
            said = self.client.retrieve(self.name, ids, with_payload=True) if ids else []
        # equal scores come in the order of ids, as they do here
        points = sorted(said, key=lambda point: (point.payload or {})["id"])
        place = {point.id: at for at, point in enumerate(points)}
        cosines = np.full((len(again), len(points)), np.nan, dtype=np.float32)
        for row, answer in zip(cosines, answers, strict=False):
            for point in answer:
                if point.id in place:  # else it went between two questions
                    row[place[point.id]] = point.score
        return proposed, [point.payload for point in points], cosines

    def _query(
        self, asked: Sequence[dict[str, Any]], where: models.Filter | None, limit: int
    ) -> list[list[Any]]:
        from qdrant_client import models

        requests = [models.QueryRequest(**one, filter=where, limit=limit) for one in asked]
        return [answer.points for answer in self.client.query_batch_points(self.name, requests)]

    def _counts(self, words: Sequence[str]) -> dict[str, int]:
        """Return how many titles have each word."""
        from qdrant_client import models

        def count(word: str) -> int:
            having = models.FieldCondition(key="words", match=models.MatchValue(value=word))
            return self.client.count(
                self.name, count_filter=models.Filter(must=[having]), exact=True
            ).count

        with ThreadPoolExecutor(8) as pool, self.errors():
            return dict(zip(words, pool.map(count, words), strict=True))

    def _alike(self, payload: Mapping[str, Any], where: models.Filter | None) -> int:
        """Return how many others fold into a hit."""
        from qdrant_client import models

        kin = models.Filter(
            should=[
                models.FieldCondition(key=name, match=models.MatchValue(value=payload[name]))
                for name in ("family", "picture")
            ]
        )
        must: list[Any] = [kin] if where is None else [kin, where]
        counted = self.client.count(self.name, count_filter=models.Filter(must=must), exact=True)
        return max(0, counted.count - 1)


def _chosen(
    scores: NDArray[np.float32],
    payloads: Sequence[Mapping[str, Any]],
    k: int,
    *,
    fold: bool,
    floor: float | None,
) -> list[int]:
    """Return the places of the hits among all that were proposed."""
    columns = [[payload[name] for payload in payloads] for name in ("family", "picture")]
    families, pictures = (np.array(column, np.int64) for column in columns)
    none = np.full(len(payloads), -1, np.int64)
    placement = Placement(np.arange(len(payloads)), families, pictures, none, none)
    with np.errstate(invalid="ignore"):
        allowed = np.flatnonzero(scores >= (-np.inf if floor is None else floor))
    return [int(at) for at in best(scores, allowed, placement, k, fold=fold)]


def _near(
    counts: Mapping[str, int], payloads: Sequence[Mapping[str, Any]], weight: float, titled: int
) -> NDArray[np.float32]:
    """Return how far words take some titles to a query, by what all titles say."""
    names: dict[str, int] = {word: at for at, word in enumerate(counts)}
    titles = Titles.join(
        np.array([names.get(word, len(names)) for word in payload["words"]], "<i4").tobytes()
        for payload in payloads
    )
    among = dict(enumerate(counts.values()))
    return closeness(list(among), titles, weight, among, titled)


def _condition(part: Filter, about: About) -> Any:  # noqa: ANN401
    """Return a filter as the engine has it; `QueryError` names what it can't be asked."""
    from qdrant_client import models

    match part:
        case Not(inner):
            return models.Filter(must_not=[_condition(inner, about)])
        case Either(parts):
            return models.Filter(should=[_condition(one, about) for one in parts])
        case Both(parts):
            return models.Filter(must=[_condition(one, about) for one in parts])
        case Comparison(name, operator, value):
            column = column_named(name, tuple(about.columns))
            if isinstance(value, float):
                signs = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
                bounds = (
                    {"gte": value, "lte": value} if operator == "=" else {signs[operator]: value}
                )
                key = _path("number", column)
                return models.FieldCondition(key=key, range=models.Range(**bounds))
            if operator != "=":
                raise QueryError(
                    f"--where: {column} {operator} {value!r} asks for the order of texts, which "
                    "Qdrant doesn't know; compare with a number, or search without --index."
                )
            if "text" not in about.columns[column] or len(value) > LONGEST:
                raise QueryError(
                    f"--where: {column} holds texts of more than {LONGEST} characters, which are "
                    "no values in Qdrant; ask for another column."
                )
            key, wanted = _path("is", column), fold(value)
            return models.FieldCondition(key=key, match=models.MatchValue(value=wanted))
