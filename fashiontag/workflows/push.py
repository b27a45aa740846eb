"""Fill a collection of Qdrant from a run on many machines.

What a point was made of is in its payload, so a shard that is there whole is left alone: a push
that was stopped goes on where it was, and one after a delta run sends what changed.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fashiontag.catalog import clean_title
from fashiontag.errors import CatalogError, ForeignEncoderError, StoreError, UsageError
from fashiontag.index.columns import FIELD
from fashiontag.index.database import family_of, short_hash, without_placeholders
from fashiontag.index.nearest import compared
from fashiontag.index.qdrant import (
    LONGEST,
    About,
    Collection,
    point_id,
    values_of,
    word_number,
)
from fashiontag.sinks.shards import RUN, Folder, read_facts, read_rows
from fashiontag.words import split
from fashiontag.workspace.embed import content_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fashiontag.sinks.shards import Facts

TRIES = 5
"""Of one batch, with pauses of 1, 2, 4 and 8 seconds between them."""


@dataclass(frozen=True, slots=True)
class PushSummary:
    """What a push did.

    Attributes
    ----------
    collection, alias : str
        What was filled, and the name it is found by.
    points, sent, deleted : int
        Points there; those that were sent; those that are gone.
    dropped : tuple of str
        Former collections of the alias.
    seconds : float
    """

    collection: str
    alias: str
    points: int
    sent: int
    deleted: int
    dropped: tuple[str, ...] = ()
    seconds: float = 0.0


class _Run:
    """A finished run: its parts, what they were made of, and what all rows say together."""

    def __init__(self, place: str) -> None:
        self.folder = Folder(place)
        if RUN not in (names := self.folder.names()):
            raise CatalogError(
                f"{place} holds no finished run; make one with fashiontag tag SOURCE --engine ray "
                f"--out {place}."
            )
        self.parts: dict[str, str] = json.loads(self.folder.read(RUN))["parts"]
        self.facts: dict[str, Facts] = {}
        for name in self.parts:
            facts = read_facts(self.folder, name) if name in names else None
            if facts is None or facts.made_of != self.parts[name]:
                raise CatalogError(
                    f"{place} is being made anew: {name} isn't what {RUN} says; repeat the run "
                    "to its end first."
                )
            self.facts[name] = facts
        self.first = next(iter(self.facts.values()))
        self.rows = sum(facts.rows for facts in self.facts.values())
        self.digest = content_key(json.dumps(self.parts, sort_keys=True).encode())
        self._survey()

    def live(self, name: str, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        for rows in read_rows(self.folder, name, columns):
            yield from (row for row in rows if row["status"] == "ok")

    def _survey(self) -> None:
        """Find out which columns there are, and which pictures are a shop's placeholder."""
        kinds: dict[str, set[str]] = {}
        longest: dict[str, int] = {}
        placed: list[tuple[int, ...]] = []
        titled = 0
        wanted = ["id", "title", "status", "fields", "picture", "tags"]
        for name in self.parts:
            for row in self.live(name, wanted):
                found = values_of(_tags(row), json.loads(row["fields"]))
                for kind, columns in (("text", found["is"]), ("number", found["number"])):
                    for column in columns:
                        kinds.setdefault(column, set()).add(kind)
                for field, value in json.loads(row["fields"]).items():
                    longest[FIELD + field] = max(len(value), longest.get(FIELD + field, 0))
                placed.append(_placed(row))
                titled += bool(split(clean_title(row["title"])))
        for column, length in longest.items():
            if length > LONGEST:
                kinds[column].discard("text")
        self.columns = {name: sorted(found) for name, found in sorted(kinds.items())}
        self.titled, self.points = titled, len(placed)
        self.pictures: dict[int, int] = {}
        if placed:
            columns = np.array(placed, np.int64).T
            own = without_placeholders(columns)
            alone = own != columns[2]
            self.pictures = dict(zip(columns[0][alone].tolist(), own[alone].tolist(), strict=True))


def _tags(row: Mapping[str, Any], above: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Return the tags of a row that were given, and what they stand under."""
    given = [
        f"{tag['group']}={tag['label']}" for tag in row["tags"] if tag["decision"] != "abstain"
    ]
    upper = {one for tag in given for one in (above or {}).get(tag, ())}
    return given + sorted(upper.difference(given))


def _placed(row: Mapping[str, Any]) -> tuple[int, ...]:
    """Return number, family, picture, 0 and title of a row, as `Placement` has them."""
    number, text = short_hash(row["id"]), clean_title(row["title"])
    picture = short_hash(row["picture"]) if row["picture"] else -number
    return number, family_of(text) or -number, picture, 0, short_hash(text) if text else -1


def push(
    place: str,
    collection: Collection,
    means: Mapping[str, Any],
    *,
    update: bool = False,
    keep: bool = False,
    quantize: str = "none",
    batch: int = 256,
    progress: Callable[[int], None] | None = None,
) -> PushSummary:
    """Fill a collection and let its alias lead there once it is complete.

    Parameters
    ----------
    place : str
        The folder or address of a finished run.
    collection : Collection
        By the name that will be its alias.
    means : Mapping of str to ndarray of shape (d,), or None
        What is taken off ``image`` and ``text`` vectors before they are compared.
    update : bool
        Whether to change the collection that the alias leads to, point by point, in the place of
        filling a new one: deltas are small, and seen at once.
    keep : bool
        Whether former collections stay.
    quantize : str
    batch : int
        Points that are sent at once.
    progress : callable, optional

    Raises
    ------
    CatalogError
        The run isn't finished.
    StoreError, OutputError
        The server can't be reached, refuses, is full, or counts other than was sent; the alias
        leads where it led.
    """
    began = time.monotonic()
    run, client, alias = _Run(place), collection.client, collection.name
    about = About(run.first.model, run.first.fingerprint, run.first.dim, run.columns, run.titled)
    with collection.errors():
        leads = {a.alias_name: a.collection_name for a in client.get_aliases().aliases}
        if alias not in leads and client.collection_exists(alias):
            raise UsageError(
                f"{collection.address} is a collection of its own, and push needs the name for an "
                "alias; give another one."
            )
    former = leads.get(alias)
    target = Collection(client, f"{alias}--{run.digest[:12]}", collection.address)
    if update:
        if former is None:
            raise UsageError(
                f"--update: there is no {collection.address} yet; push without it first."
            )
        target.name = former
        _check_same(target.about(), about, collection.address)
    with target.errors():
        if not client.collection_exists(target.name):
            target.create(about, quantize)
    sent = sum(_send(target, run, name, means, batch, progress) for name in run.parts)
    from qdrant_client import models

    stale = models.FieldCondition(
        key="made", match=models.MatchExcept(**{"except": list(run.parts.values())})
    )
    with target.errors():
        selected = models.Filter(must=[stale])
        deleted = client.count(target.name, count_filter=selected, exact=True).count
        if deleted:
            client.delete(target.name, models.FilterSelector(filter=selected), wait=True)
        if update:  # columns are the same; how many titles there are may not be
            client.update_collection(target.name, metadata={"fashiontag": _plain(about)})
        points = client.count(target.name, exact=True).count
    if points != run.points:
        raise StoreError(
            f"{collection.address} counts {points:,} points in {target.name}, and {run.points:,} "
            "were sent; the alias leads where it led. Repeat the push."
        )
    dropped = _lead(collection, target.name, former, keep=keep)
    return PushSummary(target.name, alias, points, sent, deleted, dropped, time.monotonic() - began)


def _lead(
    collection: Collection, target: str, former: str | None, *, keep: bool
) -> tuple[str, ...]:
    """Let the alias lead to a collection; return the others of its name, which are dropped."""
    from qdrant_client import models

    client, alias = collection.client, collection.name
    if former == target:
        return ()
    there = models.CreateAlias(collection_name=target, alias_name=alias)
    changes: list[Any] = [models.CreateAliasOperation(create_alias=there)]
    if former is not None:
        gone = models.DeleteAlias(alias_name=alias)
        changes.insert(0, models.DeleteAliasOperation(delete_alias=gone))
    with collection.errors():
        client.update_collection_aliases(changes)
        if keep:
            return ()
        names = [one.name for one in client.get_collections().collections]
        others = tuple(one for one in names if one.startswith(f"{alias}--") and one != target)
        for name in others:
            client.delete_collection(name)
    return others


def _plain(about: About) -> dict[str, Any]:
    return {name: getattr(about, name) for name in About.__dataclass_fields__}


def _check_same(there: About, about: About, address: str) -> None:
    if there.fingerprint != about.fingerprint:
        raise ForeignEncoderError(
            f"{address} was filled with {there.model} ({there.fingerprint[:12]}), the run was made "
            f"with {about.model} ({about.fingerprint[:12]}); push without --update, which fills a "
            "new collection and switches when it is complete."
        )
    new = [
        name
        for name, kinds in about.columns.items()
        if not {*kinds} <= {*there.columns.get(name, ())}
    ]
    if new:
        raise UsageError(
            f"--update: {', '.join(new[:5])} can't be filtered by in {address} yet; push without "
            "--update, which fills a new collection."
        )


def _send(
    target: Collection,
    run: _Run,
    name: str,
    means: Mapping[str, Any],
    batch: int,
    progress: Callable[[int], None] | None,
) -> int:
    """Send a shard's points, unless they are all there; return how many were sent."""
    from qdrant_client import models

    made, facts = run.parts[name], run.facts[name]
    here = models.FieldCondition(key="made", match=models.MatchValue(value=made))
    wanted = sum(1 for _ in run.live(name, ["status"]))
    with target.errors():
        found = target.client.count(
            target.name, count_filter=models.Filter(must=[here]), exact=True
        ).count
    if found == wanted:
        if progress is not None:
            progress(wanted)
        return 0
    held: list[dict[str, Any]] = []

    def flush() -> None:
        points = _points(held, made, facts, run.pictures, means)
        for attempt in range(TRIES):
            try:
                with target.errors():
                    target.client.upsert(target.name, points, wait=True)
                break
            except StoreError as error:
                if attempt == TRIES - 1 or "let us in" in str(error):
                    raise
                time.sleep(2**attempt)
        if progress is not None:
            progress(len(held))
        held.clear()

    for row in run.live(name):
        held.append(row)
        if len(held) == batch:
            flush()
    if held:
        flush()
    return wanted


def _points(
    rows: Sequence[Mapping[str, Any]],
    made: str,
    facts: Facts,
    pictures: Mapping[int, int],
    means: Mapping[str, Any],
) -> list[Any]:
    """Return rows as points: vectors as the index compares them."""
    from qdrant_client import models

    vectors: dict[str, dict[int, list[float]]] = {}
    for kind in ("image", "text"):
        there = [at for at, row in enumerate(rows) if row[kind] is not None]
        vectors[kind] = {}
        if there:
            stored = np.stack([rows[at][kind] for at in there])
            vectors[kind] = dict(zip(there, compared(stored, means[kind]).tolist(), strict=True))
    points = []
    for at, row in enumerate(rows):
        number, family, picture, *_ = _placed(row)
        words = split(clean_title(row["title"]))
        vector: dict[str, Any] = {}
        if at in vectors["image"]:
            vector["image"] = vectors["image"][at]
        if at in vectors["text"]:
            vector["title"] = vectors["text"][at]
        if words:
            numbers = sorted({word_number(word) for word in words})
            vector["words"] = models.SparseVector(indices=numbers, values=[1.0] * len(numbers))
        payload = {
            "id": row["id"],
            "path": row["path"],
            "title": row["title"],
            "tags": _tags(row),
            "words": words,
            "family": family,
            "picture": pictures.get(number, picture),
            "made": made,
        }
        payload |= values_of(_tags(row, facts.above), json.loads(row["fields"]))
        points.append(models.PointStruct(id=point_id(row["id"]), vector=vector, payload=payload))
    return points
