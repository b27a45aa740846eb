"""Words, a picture or both in; the nearest products of the whole catalogue out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from fashiontag.datamodels import Hit
from fashiontag.errors import (
    CatalogError,
    ForeignEncoderError,
    ImageError,
    QueryError,
    StoreError,
    UsageError,
)
from fashiontag.heads.statistics import Statistics
from fashiontag.index import DATABASE, FEW_SCORES, Index, Part, closeness, nearest
from fashiontag.index import where as filters
from fashiontag.vectors import VectorStore
from fashiontag.workflows.embed import content_key, embed_texts, read_vectors
from fashiontag.workflows.neighbours import NEIGHBOURS, open_neighbours, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fashiontag.datamodels import Encoder, Vectors
    from fashiontag.index import Placement, SourceStatus
    from fashiontag.vectors import Kind

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


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to one search: ``query`` as understood, hits best first, and what to know."""

    query: str
    hits: tuple[Hit, ...]
    note: str = ""


def indexed_model(workspace: Path) -> str:
    """Return the model that a workspace's index was built with, the last one if there are several.

    Raises
    ------
    CatalogError
        If nothing is indexed.
    """
    if (workspace / DATABASE).is_file():
        with Index.open(workspace) as index:
            for source in index.sources():
                if source.items:
                    return source.model
    raise nothing_indexed(workspace)


def search(
    workspace: Path,
    encoder: Encoder,
    *,
    query: str | None = None,
    image: str | Path | None = None,
    minus: str | None = None,
    where: str | None = None,
    k: int = 10,
    fold: bool = True,
    min_score: float | Literal["auto"] | None = None,
    image_weight: float | None = None,
) -> SearchResult:
    """Search everything that is indexed with this encoder.

    Pictures and titles are both compared with words, pictures alone with a picture; each modality
    is centred with the means that ship with the model, so that their cosines are of one scale. A
    title that has words of the query is nearer to it than its vector says: see `closeness` and
    `nearest`. Where no title has any, and in a query without words, the score is the cosine.

    Parameters
    ----------
    workspace : Path
    encoder : Encoder
        Asked only for vectors that the store doesn't have: words that were searched before, or a
        picture of the catalogue, need no model.
    query : str, optional
        What to look for, in words.
    image : path, optional
        What to look for, as a picture; with ``query`` they are one joint query.
    minus : str, optional
        What to turn away from.
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
    QueryError, UsageError
        If there is nothing to search for, k is below 1, or filter or picture can't be read.
    CatalogError
        If nothing is indexed.
    ForeignEncoderError
        If what is indexed was encoded by another model.
    """
    words, less = (query or "").strip(), (minus or "").strip()
    if not words and image is None:
        raise QueryError("There is nothing to search for; give words, --image FILE, or both.")
    if k < 1:
        raise UsageError(f"-k is {k}; at least one hit must be asked for.")
    if image_weight is not None and not 0 <= image_weight <= 1:
        raise UsageError(f"--image-weight is {image_weight:g}; give a number from 0 to 1.")
    condition = None if where is None else filters.parse(where)
    if not (workspace / DATABASE).is_file():
        raise nothing_indexed(workspace)
    with Index.open(workspace) as index, VectorStore.open(workspace) as store:
        note = check_index(workspace, index.sources(), encoder)
        placement = place(index, encoder, store)
        among = None
        if condition is not None:
            among = filters.select(condition, index, placement.numbers)
        weight = _image_weight(words, image, image_weight)
        parts = _parts(words, image, less, encoder, store, placement, weight)
        near = None
        if weight < 1:
            said = index.said(encoder.fingerprint, placement.numbers)
            near = closeness(index.words(words), said, WORDS_WEIGHT * (1 - weight))
        placement, parts = _with_proposers(workspace, index, encoder, store, placement, parts)
        found = nearest(placement, parts, k, words=near, among=among, fold=fold, floor=min_score)
        numbers = placement.numbers[found.positions].tolist()
        there = {item.number: item for item in index.items(numbers)}
    scored = zip(numbers, found.scores.tolist(), found.folded.tolist(), strict=True)
    ranked = ((there[number], *rest) for number, *rest in scored if number in there)
    hits = tuple(
        Hit(rank, min(score, 1.0), item.id, item.path, item.title, item.tags, folded)
        for rank, (item, score, folded) in enumerate(ranked, start=1)
    )
    if among is not None and not len(among):
        note = f"Nothing that is indexed satisfies --where {where}. {note}".strip()
    elif min_score == "auto" and len(placement.numbers) < FEW_SCORES:
        note = (
            f"--min-score auto cut nothing: {len(placement.numbers)} indexed are too few to tell a "
            f"good score from chance. {note}".strip()
        )
    elif not hits:
        note = f"No good match: nothing scores as high as --min-score asks. {note}".strip()
    shown = " + ".join(part for part in (words, str(image) if image is not None else "") if part)
    return SearchResult(f"{shown} - {less}" if less else shown, hits, note)


def nothing_indexed(workspace: Path) -> CatalogError:
    """Return what a search without an index says."""
    return CatalogError(
        f"Nothing is indexed in {workspace}; run fashiontag tag or fashiontag index on a folder of "
        "pictures first, or name another --workspace."
    )


def check_index(workspace: Path, sources: Sequence[SourceStatus], encoder: Encoder) -> str:
    """Refuse an index of another model; return a sentence on sources that must be left out."""
    filled = [source for source in sources if source.items]
    if not filled:
        raise nothing_indexed(workspace)
    foreign = [source for source in filled if source.fingerprint != encoder.fingerprint]
    if not foreign:
        return ""
    one = foreign[0]
    # The same name with other weights is no way out for a search, only a new index is.
    again = f"fashiontag index {one.root} --model {encoder.name}"
    if len(foreign) == len(filled):
        way = f"search with --model {one.model}, or " if one.model != encoder.name else ""
        raise ForeignEncoderError(
            f"The index in {workspace} was built with {one.model} ({one.fingerprint[:12]}), not "
            f"with {encoder.name} ({encoder.fingerprint[:12]}); {way}run: {again}"
        )
    left_out = sum(source.items for source in foreign)
    if left_out == 1:
        return f"1 item indexed with {one.model} is left out; to include it run: {again}"
    return f"{left_out:,} items indexed with {one.model} are left out; to include them run: {again}"


def _image_weight(words: str, image: str | Path | None, given: float | None) -> float:
    if not words:
        return 1.0
    if given is not None:
        return given
    return IMAGE_WEIGHT if image is None else JOINT_IMAGE_WEIGHT


def _parts(
    words: str,
    image: str | Path | None,
    less: str,
    encoder: Encoder,
    store: VectorStore,
    placement: Placement,
    weight: float,
) -> list[Part]:
    statistics = Statistics.load(encoder.folder, encoder.dim)
    image_mean = statistics.image.mean if statistics.image else None
    title_mean = statistics.title.mean if statistics.title else None
    texts = [text for text in (words, less) if text]
    vectors = read_vectors(store, "text", encoder, embed_texts(texts, encoder, store))
    # A query is a short title: on pool and val, taking titles' mean off it found "colour type for
    # gender" at precision@10 .73, taking prompts' mean off .69.
    centred = dict(zip(texts, _centre(vectors, title_mean), strict=True))
    direction = np.zeros(encoder.dim, dtype=np.float32)
    if words:
        direction += centred[words]
    if less:
        direction -= MINUS_WEIGHT * centred[less]
    to_titles = direction if words else None
    if image is not None:
        direction = direction + _centre(_picture(image, encoder, store), image_mean)[0]
    pictures = store.matrix("image", encoder.fingerprint)
    titles = store.matrix("text", encoder.fingerprint)
    if placement.images.max(initial=-1) not in range(len(pictures)) or (
        placement.texts.max(initial=-1) >= len(titles)
    ):
        raise StoreError(
            "The vectors that the index counts on were pruned; run fashiontag index on the source "
            "again."
        )
    parts = [Part(pictures, placement.images, _unit(direction), image_mean, weight)]
    if to_titles is not None:
        parts.append(Part(titles, placement.texts, _unit(to_titles), title_mean, 1 - weight))
    return parts


def _with_proposers(
    workspace: Path,
    index: Index,
    encoder: Encoder,
    store: VectorStore,
    placement: Placement,
    parts: Sequence[Part],
) -> tuple[Placement, list[Part]]:
    """Let FAISS propose, where it knows the vectors of every part."""
    if not (workspace / NEIGHBOURS).is_dir():
        return placement, list(parts)
    kinds: tuple[Kind, ...] = ("image", "text")
    found = [
        open_neighbours(workspace, kind, encoder, store, part.rows)
        for kind, part in zip(kinds, parts, strict=False)
    ]
    if not all(found):
        return placement, list(parts)
    orders = index.orders(encoder.fingerprint, placement)
    near = [
        replace(part, proposer=proposer, order=order)
        for part, proposer, order in zip(parts, found, orders[2:], strict=False)
    ]
    return replace(placement, kin=orders[:2]), near


def _picture(path: str | Path, encoder: Encoder, store: VectorStore) -> Vectors:
    """Return the vector of a picture file, shape (1, d), encoding it only if it is new."""
    from fashiontag.catalog import load_image  # Pillow: words alone must not wait for it

    try:
        data = Path(path).read_bytes()
        key = content_key(data)
        rows = store.find("image", encoder.fingerprint, [key])
        if rows[0] < 0:
            pixels = encoder.prepare(load_image(data, at_least=encoder.image_size))
            vectors = encoder.encode_images([pixels])
            rows = store.add("image", encoder.fingerprint, [key], vectors)
    except (ImageError, OSError) as error:
        if isinstance(error, StoreError):
            raise
        reason = str(error) if isinstance(error, ImageError) else error.strerror
        raise UsageError(
            f"--image {path} can't be read ({reason}); give a picture file, such as a JPEG or PNG."
        ) from error
    return read_vectors(store, "image", encoder, rows)


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
