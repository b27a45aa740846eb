"""The main job: a catalogue in, one row of tags per item out, and an index to search it by."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fashiontag.datamodels import Tagged
from fashiontag.encoders import FEW_TEXTS
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.heads.statistics import Statistics
from fashiontag.heads.thresholds import Decider
from fashiontag.heads.zeroshot import Evidence, ZeroShot, ensemble
from fashiontag.index import Entry, Index
from fashiontag.workflows.embed import (
    BATCH_SIZE,
    Embedded,
    embed,
    embed_texts,
    read_vectors,
    text_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Encoder, Item, Vectors
    from fashiontag.heads.probe import Probe
    from fashiontag.labels import LabelSpace
    from fashiontag.vectors import VectorStore


class Sink(Protocol):
    """Whatever wants every row, in the order of the source."""

    def write(self, tagged: Tagged, item: Item) -> None:
        """Take one row and the item that it came from."""


@dataclass(frozen=True, slots=True)
class TagSummary:
    """What a run did.

    Attributes
    ----------
    items, errors, encoded, titled, chunked_titles : int
        Rows; rows without tags because the picture can't be read; pictures that had to be encoded
        (the rest was stored); rows with a title; titles longer than the model's context.
    reasons : Mapping of str to int
        Why pictures couldn't be read.
    tagged : Mapping of str to int
        Per group, the items that have at least one label of it.
    probabilities : bool
        Whether labelled products stand behind the scores; else they only rank.
    seconds : float
    """

    model: str
    labels: str
    items: int = 0
    errors: int = 0
    encoded: int = 0
    titled: int = 0
    chunked_titles: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    tagged: Mapping[str, int] = field(default_factory=dict)
    probabilities: bool = True
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PromptVectors:
    """A label space in the joint space: unit rows for its t labels and its g backgrounds."""

    labels: Vectors
    backgrounds: tuple[Vectors, ...]


def embed_prompts(encoder: Encoder, space: LabelSpace, store: VectorStore) -> PromptVectors:
    """Return a label space's prompt vectors; only sentences new to the store are encoded."""
    sentences = [group.sentences(label) for group in space.groups for label in group.labels]
    sentences += [space.background + group.background for group in space.groups]
    flat = [text for texts in sentences for text in texts]
    # Few enough at a time for a text tower that needs no torch, which a run that finds all pictures
    # in the store would import for the prompts alone: 4 s.
    rows = embed_texts(flat, encoder, store, FEW_TEXTS)
    ends = np.cumsum([len(texts) for texts in sentences])
    vectors = np.split(read_vectors(store, "text", encoder, rows), ends[:-1])
    return PromptVectors(ensemble(vectors[: space.size]), tuple(vectors[space.size :]))


class ZeroShotTagger:
    """Decides on stored vectors, with prompts, the model's constants and a title matcher.

    With a probe, the labels that it knows are judged by it, and `space` has to hold them
    (`LabelSpace.with_`).

    Parameters
    ----------
    encoder : Encoder
    space : LabelSpace
    store : VectorStore
    statistics : Statistics or None
        None takes those that the model's folder holds.
    probe : Probe or None
        Made with this encoder; `Manifest.check_encoder` tells.
    """

    def __init__(
        self,
        encoder: Encoder,
        space: LabelSpace,
        store: VectorStore,
        statistics: Statistics | None = None,
        probe: Probe | None = None,
    ) -> None:
        self._probe = probe
        self._encoder = encoder
        self._store = store
        prompts = embed_prompts(encoder, space, store)
        self.head = ZeroShot(
            space,
            prompts.labels,
            prompts.backgrounds,
            statistics or Statistics.load(encoder.folder, encoder.dim),
        )
        self._matcher = TitleMatcher(space)
        self._decider = Decider(space)

    def evidence(self, embedded: Embedded) -> Evidence:
        """Gather what the store and the titles say of a window of items."""
        return Evidence(
            images=read_vectors(self._store, "image", self._encoder, embedded.images),
            titles=read_vectors(self._store, "text", self._encoder, embedded.texts),
            titled=embedded.texts >= 0,
            words=self._matcher.score([item.text for item in embedded.items]),
        )

    def tag(self, embedded: Embedded, *, scores: bool = False) -> Iterator[Tagged]:
        """Yield one row per item of a window, error rows included, in order."""
        evidence = self.evidence(embedded)
        scored = self.head.score(evidence)
        if self._probe is not None:
            texts = [item.text for item in embedded.items]
            features = self._probe.features.transform(evidence.images, evidence.titles, texts)
            scored = self._probe.overlay(scored, self.head.space, features)
        decided = self._decider.decide(scored)
        for row, (item, error) in enumerate(zip(embedded.items, embedded.errors, strict=True)):
            yield Tagged(
                id=item.id,
                path=item.path,
                title=item.title,
                status="error" if error else "ok",
                message=error,
                tags=() if error else decided[row],
                scores=self._decider.all_scores(scored, row) if scores and not error else None,
            )


def index_entry(tagged: Tagged, item: Item, image_key: str | None) -> Entry:
    """Return what the index keeps of a tagged item."""
    return Entry(
        id=item.id,
        path=item.image.locator,
        title=item.title,
        text=item.text,
        tags=tuple(f"{one.group}={one.label}" for one in tagged.given),
        fields=item.fields,
        image_key=image_key,
        text_key=text_key(item.text) if item.text else None,
    )


def tag(
    catalog: Catalog,
    encoder: Encoder,
    space: LabelSpace,
    store: VectorStore,
    index: Index | None = None,
    *,
    probe: Probe | None = None,
    sinks: Sequence[Sink] = (),
    scores: bool = False,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> TagSummary:
    """Tag every item of a catalogue, zero-shot but for what a probe knows.

    Parameters
    ----------
    catalog : Catalog
    encoder : Encoder
    space : LabelSpace
    store : VectorStore
        Where vectors are kept: what is in it is not encoded again.
    index : Index or None
        Made to match the catalogue, so that it can be searched.
    probe : Probe or None
        Judges the labels that it knows; `space` has to hold them (`LabelSpace.with_`).
    sinks : sequence of Sink
        Each gets one row per item, whatever happened to it.
    scores : bool
        Whether rows carry the score of every label.
    batch_size, workers, progress
        As in `embed`.
    """
    started = time.monotonic()
    tagger = ZeroShotTagger(encoder, space, store, probe=probe)
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    groups = Counter(dict.fromkeys(space.names, 0))

    def run() -> Iterator[Entry]:
        for embedded in embed(
            catalog.items,
            encoder,
            store,
            batch_size=batch_size,
            workers=workers,
            progress=progress,
        ):
            counts["encoded"] += embedded.encoded
            counts["chunked"] += embedded.chunked
            rows = zip(
                tagger.tag(embedded, scores=scores),
                embedded.items,
                embedded.image_keys,
                strict=True,
            )
            for tagged, item, key in rows:
                counts["items"] += 1
                counts["titled"] += bool(item.text)
                if tagged.status == "error":
                    counts["errors"] += 1
                    reasons[tagged.message] += 1
                groups.update({one.group for one in tagged.given})
                for sink in sinks:
                    sink.write(tagged, item)
                if tagged.status == "ok":
                    yield index_entry(tagged, item, key)

    if index is None:
        for _ in run():
            pass
    else:
        index.replace_source(
            catalog.root,
            run(),
            fingerprint=encoder.fingerprint,
            model=encoder.name,
            labels=space.name,
            complete=catalog.complete,
        )
    return TagSummary(
        model=encoder.name,
        labels=space.name,
        items=counts["items"],
        errors=counts["errors"],
        encoded=counts["encoded"],
        titled=counts["titled"],
        chunked_titles=counts["chunked"],
        reasons=dict(reasons.most_common()),
        tagged=dict(groups),
        probabilities=tagger.head.statistics.fitted,
        seconds=time.monotonic() - started,
    )
