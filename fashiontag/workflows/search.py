"""Words, a picture or both in; the nearest products of the whole catalogue out."""

# ids are strings, and a search mustn't wait for what it doesn't need
# ruff: noqa: PTH117

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from fashiontag.datamodels import Hit
from fashiontag.errors import ImageError, QueryError, StoreError, UsageError
from fashiontag.index import FEW_SCORES, Part, closeness, nearest
from fashiontag.index import where as filters
from fashiontag.names import fold
from fashiontag.workspace import is_gone
from fashiontag.workspace.embed import content_key, query_vectors
from fashiontag.workspace.neighbours import open_neighbours

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from fashiontag.datamodels import Vectors
    from fashiontag.index import Index, IndexedItem, Placement
    from fashiontag.index.qdrant import Collection
    from fashiontag.vectors import Kind
    from fashiontag.workspace import Workspace

IMAGE_WEIGHT = 0.4
"""The pictures' say in a query of words, where an item has a title; 1 less it is the title's.

Best on pool and val, with `WORDS_WEIGHT`, over names without brand and colour and over queries
"colour type for gender", where a quarter of the titles say neither: ``benchmarks.search --fit``."""

JOINT_IMAGE_WEIGHT = 0.9
"""The same where a picture is part of the query: only half of such a query can speak to titles.

Best on pool and val for "like this, but in red"."""

WORDS_WEIGHT = 4.0
"""How much it counts that a title has the query's very words, for all of the title's say.

Vectors know what is alike, not which of the products that are alike was named: on pool and val a
name found its product at recall@10 .621 without, .917 with it; BM25 alone .884."""

MINUS_WEIGHT = 0.5
"""How much of ``--minus`` is taken away: all of it would leave little of a query that is near."""

# "but not in red", "that are not for men", "without sleeves": up to a comma or a "but". The word
# itself goes with what leads to it and with the small words that follow it.
_NOT = re.compile(
    r"(?:,\s*|\b(?:that|which|but|and|is|are)\s+)*\b(?:not|without)\s+"
    r"(?:(?:for|in|with|of|a|an|the|any)\s+)*(?P<said>[^,;]+?)\s*(?=[,;]|\bbut\b|\bnot\b|$)",
    re.IGNORECASE,
)
_NON = re.compile(r"\bnon-(?P<said>\w[\w-]*)", re.IGNORECASE)
_NOT_FIRST = re.compile(r"^(?:not|without)\s+(?P<said>[\w-]+)(?=\s+\w)", re.IGNORECASE)
"""At the start only the next word is meant: "not red shoes" is a query for shoes."""

_LONGEST = 3
"""Words of a label that a query is searched for."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for, what holds of hits, and how many are wanted.

    Attributes
    ----------
    words : str
    image : path, bytes or None
        A picture file to look like, or what is in one; with `words` it is one joint query.
    minus : str
        Words to turn away from.
    where : str, optional
        A filter, as `fashiontag.index.where` defines it; applied before the cut to k.
    k : int
        Hits wanted.
    fold : bool
        Whether products of one family, or of one picture, are one hit.
    min_score : float, "auto" or None
        The lowest score of a hit; "auto" is what chance would give on this query's own scores.
    image_weight : float, optional
        The pictures' say against titles in a query of words, in [0, 1]; None for what did best.

    Raises
    ------
    QueryError
        If there is nothing to search for.
    UsageError
        If k or image_weight mean nothing.
    """

    words: str = ""
    image: str | Path | bytes | None = None
    minus: str = ""
    where: str | None = None
    k: int = 10
    fold: bool = True
    min_score: float | Literal["auto"] | None = None
    image_weight: float | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"-k is {self.k}; at least one hit must be asked for.")
        if self.image_weight is not None and not 0 <= self.image_weight <= 1:
            raise UsageError(f"--image-weight is {self.image_weight:g}; give a number from 0 to 1.")
        for name in ("words", "minus"):
            object.__setattr__(self, name, (getattr(self, name) or "").strip())
        if not self.words and self.image is None:
            raise QueryError("There is nothing to search for; give words, --image FILE, or both.")

    def __str__(self) -> str:
        looked_for = "a picture" if isinstance(self.image, bytes) else str(self.image or "")
        shown = " + ".join(part for part in (self.words, looked_for) if part)
        return f"{shown} - {self.minus}" if self.minus else shown

    def heard(self) -> Query:
        """Return the query with what its words exclude (not, without, non-) as `minus`."""
        excluded = [self.minus] if self.minus else []

        def take(found: re.Match[str]) -> str:
            excluded.append(found["said"].strip())
            return " "

        words = self.words
        for said in (_NON, _NOT_FIRST, _NOT):
            words = said.sub(take, words)
        words = " ".join(words.split()).strip(" ,;")
        if not words and self.image is None:
            return self
        if words == self.words:
            return self
        return replace(self, words=words, minus=" ".join(excluded))

    @property
    def weight(self) -> float:
        """The pictures' say: the one that was wanted, if any, where there are words."""
        if not self.words:
            return 1.0
        if self.image_weight is not None:
            return self.image_weight
        return IMAGE_WEIGHT if self.image is None else JOINT_IMAGE_WEIGHT


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to one search: ``query`` as understood, hits best first, and what to know."""

    query: str
    hits: tuple[Hit, ...]
    note: str = ""


def search(
    workspace: Workspace, query: Query, collection: Collection | None = None
) -> SearchResult:
    """Search everything that is indexed with the workspace's model, or was pushed.

    Pictures and titles are both compared with words, pictures alone with a picture; each modality
    is centred with the means that ship with the model, so that their cosines are of one scale. A
    title that has words of the query is nearer to it than its vector says: see `closeness` and
    `nearest`. Where no title has any, and in a query without words, the score is the cosine.

    Parameters
    ----------
    workspace : Workspace
        Its encoder is asked only for vectors that the store doesn't have: words that were searched
        before, or a picture of the catalogue, need no model.
    query : Query
        What its words exclude ("not red", "without sleeves", "non-leather") is taken as `minus`.
    collection : Collection, optional
        Searched in the place of what is indexed here; the workspace keeps the query's vectors.

    Raises
    ------
    QueryError, UsageError
        If filter or picture can't be read, or Qdrant can't be asked that.
    CatalogError
        If nothing is indexed.
    ForeignEncoderError
        If what is indexed was encoded by another model.
    """
    condition = None if query.where is None else filters.parse(query.where)
    asked, query = query, query.heard()
    if collection is None:
        hits, notes = _here(workspace, query, condition)
    else:
        hits, notes = _there(workspace, collection, query, condition), []
    if not hits and query.where is not None and query.min_score is None:
        notes.insert(0, f"Nothing that is indexed satisfies --where {query.where}.")
    elif not hits:
        such = "" if query.where is None else f"that satisfies --where {query.where} "
        notes.insert(0, f"No good match: nothing {such}scores as high as --min-score asks.")
    if query.image_weight is not None and not query.words:
        notes.append("--image-weight changed nothing: there are no words beside the picture.")
    if query is not asked:
        notes.insert(0, f"Read as {query.words or 'the picture'!r} --minus {query.minus!r}.")
    return SearchResult(str(query), hits, " ".join(filter(None, notes)))


def _there(
    workspace: Workspace,
    collection: Collection,
    query: Query,
    condition: filters.Filter | None,
) -> tuple[Hit, ...]:
    """Return the hits of a collection of Qdrant."""
    weight = query.weight
    return collection.search(
        workspace.encoder,
        list(zip(directions(workspace, query), (weight, 1 - weight), strict=False)),
        query.k,
        words=query.words if weight < 1 else "",
        words_weight=WORDS_WEIGHT * (1 - weight),
        among=condition,
        fold=query.fold,
        floor=query.min_score,
    )


def _here(
    workspace: Workspace, query: Query, condition: filters.Filter | None
) -> tuple[tuple[Hit, ...], list[str]]:
    """Return the hits of what is indexed here, and what to know of them."""
    left_out = workspace.left_out()  # and refuses what another model indexed
    index, placement = workspace.index, workspace.placement()
    among = None
    if condition is not None:
        among = filters.select(condition, index, placement.numbers)
    parts = _parts(workspace, query, placement)
    near = None
    if query.weight < 1:
        titles = index.said(workspace.encoder.fingerprint, placement.numbers)
        near = closeness(index.words(query.words), titles, WORDS_WEIGHT * (1 - query.weight))
    placement, parts = _with_proposers(workspace, placement, parts)
    found = nearest(
        *(placement, parts, query.k),
        words=near,
        among=among,
        fold=query.fold,
        floor=query.min_score,
    )
    numbers = placement.numbers[found.positions].tolist()
    there = {item.number: item for item in index.items(numbers)}
    scored = zip(numbers, found.scores.tolist(), found.folded.tolist(), strict=True)
    ranked = ((there[number], *rest) for number, *rest in scored if number in there)
    hits = tuple(
        Hit(rank, min(score, 1.0), item.id, item.path, item.title, item.tags, folded)
        for rank, (item, score, folded) in enumerate(ranked, start=1)
    )
    note = ""
    if query.min_score == "auto" and len(placement.numbers) < FEW_SCORES:
        note = (
            f"--min-score auto cut nothing: {len(placement.numbers)} indexed are too few to tell a "
            "good score from chance."
        )
    elif hits and (lacking := _lacking(query, index, dict(zip(numbers, hits, strict=False)))):
        note = f"None of these is tagged {lacking}; the nearest are shown."
    elif hits and hits[0].score < max(found.chance, 0.0):
        note = "No good match: none of these scores better than chance would."
    return hits, [note, left_out, _gone(there.values())]


def _lacking(query: Query, index: Index, hits: Mapping[int, Hit]) -> str:
    """Return the tags that a query's words name and no hit has, "" for none.

    Beside a picture, a hit has to be of its kind, too: of a bag, "but in red" is no red shirt. The
    nearest hit shows the kind, by its first tag of a group that no word is about.
    """
    known = [tag.split("=", 1)[1] for tag in index.lacking(_phrases(query.words), [])]
    # of "light red" and the "red" in it the first is meant
    named = [
        label
        for label in known
        if not any(f" {label} " in f" {other} " for other in known if other != label)
    ]
    if missing := index.lacking(named, [*hits]):
        return " or ".join(missing)
    if query.image is None or not hits:
        return ""
    asked = {tag.split("=")[0] for tag in index.lacking(named, [])}
    nearest_one = next(iter(hits.values()))
    kind = next((tag for tag in nearest_one.tags if tag.split("=")[0] not in asked), "")
    missing = index.lacking(named, [number for number, hit in hits.items() if kind in hit.tags])
    return f"{' or '.join(missing)} and {kind}" if missing and kind else ""


def _gone(items: Iterable[IndexedItem]) -> str:
    """Say which of the hits are of files that aren't there any more, "" if all are."""
    gone = [item for item in items if not _is_there(item.path)]
    if not gone:
        return ""
    root = next((item.source for item in gone if is_gone(item.source)), "")
    way = (
        f"fashiontag index on what {root} is now, or fashiontag store --prune"
        if root
        else f"fashiontag index {gone[0].source}"
    )
    return f"{len(gone)} of these files aren't there any more; to mend that run: {way}"


def _is_there(path: str) -> bool:
    """Tell whether a file is there, or the table whose row a picture is; addresses are."""
    if not os.path.isabs(path) or os.path.lexists(path) or Path(path).parent.is_file():
        return True
    from fashiontag.catalog.items import as_on_disk  # words alone must not wait for it

    return os.path.lexists(as_on_disk(path))


def _phrases(words: str) -> list[str]:
    """Return the runs of words that may be a label's name."""
    parts = fold(words).replace(",", " ").split()
    return [
        " ".join(parts[start : start + length])
        for length in range(1, _LONGEST + 1)
        for start in range(len(parts) - length + 1)
    ]


def directions(workspace: Workspace, query: Query) -> list[NDArray[np.float32]]:
    """Return where a query looks among centred vectors, shape (d,), unit length each.

    Of pictures, and of titles where it has words.
    """
    dim = workspace.encoder.dim
    image_mean, title_mean = workspace.mean("image"), workspace.mean("text")
    texts = [text for text in (query.words, query.minus) if text]
    vectors = query_vectors(workspace, texts)
    # A query is a short title: on pool and val, taking titles' mean off it found "colour type for
    # gender" at precision@10 .73, taking prompts' mean off .69.
    centred = dict(zip(texts, _centre(vectors, title_mean), strict=True))
    direction = np.zeros(dim, dtype=np.float32)
    if query.words:
        direction += centred[query.words]
    if query.minus:
        direction -= MINUS_WEIGHT * centred[query.minus]
    to_titles = direction if query.words else None
    if query.image is not None:
        direction = direction + _centre(_picture(workspace, query.image), image_mean)[0]
    return [_unit(direction)] + ([] if to_titles is None else [_unit(to_titles)])


def _parts(workspace: Workspace, query: Query, placement: Placement) -> list[Part]:
    asked = directions(workspace, query)
    image_mean, title_mean = workspace.mean("image"), workspace.mean("text")
    pictures, titles = workspace.images.matrix(), workspace.texts.matrix()
    if placement.images.max(initial=-1) not in range(len(pictures)) or (
        placement.texts.max(initial=-1) >= len(titles)
    ):
        raise StoreError(
            "The vectors that the index counts on were pruned; run fashiontag index on the source "
            "again."
        )
    parts = [Part(pictures, placement.images, asked[0], image_mean, query.weight)]
    if len(asked) > 1:
        parts.append(Part(titles, placement.texts, asked[1], title_mean, 1 - query.weight))
    return parts


def _with_proposers(
    workspace: Workspace, placement: Placement, parts: Sequence[Part]
) -> tuple[Placement, list[Part]]:
    """Let FAISS propose, where it knows the vectors of every part."""
    kinds: tuple[Kind, ...] = ("image", "text")
    found = [
        open_neighbours(workspace, kind, part.rows)
        for kind, part in zip(kinds, parts, strict=False)
    ]
    if not all(found):
        return placement, list(parts)
    orders = workspace.index.orders(workspace.encoder.fingerprint, placement)
    near = [
        replace(part, proposer=proposer, order=order)
        for part, proposer, order in zip(parts, found, orders[2:], strict=False)
    ]
    return replace(placement, kin=orders[:2]), near


def _picture(workspace: Workspace, image: str | Path | bytes) -> Vectors:
    """Return the vector of a picture, shape (1, d), encoding it only if it is new."""
    from fashiontag.catalog.images import load_image  # Pillow: words alone must not wait for it

    encoder = workspace.encoder
    try:
        data = image if isinstance(image, bytes) else Path(image).read_bytes()
        key = content_key(data)
        rows = workspace.images.find([key])
        if rows[0] < 0:
            pixels = encoder.prepare(load_image(data, at_least=encoder.image_size))
            vectors = encoder.encode_images([pixels])
            if workspace.images.fixed:
                return vectors.astype("<f2").astype(np.float32)
            rows = workspace.images.add([key], vectors)
    except (ImageError, OSError) as error:
        if isinstance(error, StoreError):
            raise
        reason = str(error) if isinstance(error, ImageError) else error.strerror
        raise UsageError(
            f"--image {'' if isinstance(image, bytes) else image} can't be read ({reason}); give a "
            "picture file, such as a JPEG or PNG."
        ) from error
    return workspace.images.padded(rows, encoder.dim)


def _centre(vectors: Vectors, mean: NDArray[np.float32] | None) -> Vectors:
    if mean is None:
        return vectors
    moved = vectors - mean
    return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6))


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    length = float(np.linalg.norm(vector))
    if length < 1e-3:
        raise QueryError("--minus takes away all of the query; leave it out, or say it otherwise.")
    return np.asarray(vector / length, dtype=np.float32)
