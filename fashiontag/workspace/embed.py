"""Items in, rows of stored vectors out; what is stored already is neither opened nor encoded.

Batches are a function of the source list alone and each is stored in one atomic step, so a run
that was killed and repeated computes the very batches that the undisturbed run would have.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.colours import measure, thumbnail
from fashiontag.errors import ImageError
from fashiontag.vectors import Known
from fashiontag.words import says_something

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from fashiontag.datamodels import Encoder, Item, Pixels, Vectors
    from fashiontag.workspace import Workspace

WINDOW = 1024
"""Items looked up in the store at once: 21,000 items are 21 look-ups, a few milliseconds each."""

_BATCH_SIZE = 32  # where neither the user nor the encoder says how many

_ON_THE_WAY = 2  # batches that are with the model: one is copied to it while it computes the other


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """How to embed; nothing of it decides on a vector but by rounding.

    Attributes
    ----------
    batch_size : int or None
        Pictures per forward pass; None takes the encoder's ``batch_size``, where it has one.
    workers : int or None
        Threads that read and decode; None takes one per processor.
    progress : callable or None
        Called with the number of items that have just been finished.
    """

    batch_size: int | None = None
    workers: int | None = None
    progress: Callable[[int], None] | None = None


DEFAULTS = EmbedOptions()


@dataclass(frozen=True, slots=True)
class Embedded:
    """A window of items, in source order, with the rows of their vectors in the store.

    Attributes
    ----------
    items : tuple of n Item
    images, texts : ndarray of shape (n,), int64
        Rows of the ``image`` and ``text`` vectors; -1 where there is none, as for a title that says
        nothing ("N/A", a SKU) or is in a script that the model can't read.
    image_keys : tuple of n str or None
        Content hash of each picture; None where it couldn't be read.
    errors : tuple of n str
        Why a picture has no vector; "" where it has one.
    encoded : int
        How many pictures had to be encoded.
    chunked : int
        How many titles were longer than the model's context.
    """

    items: tuple[Item, ...]
    images: NDArray[np.int64]
    texts: NDArray[np.int64]
    image_keys: tuple[str | None, ...]
    errors: tuple[str, ...]
    encoded: int
    chunked: int

    @property
    def read(self) -> tuple[str, ...]:
        """The titles that the model read; "" where it read none."""
        rows = self.texts.tolist()
        return tuple(
            item.text if row >= 0 else "" for item, row in zip(self.items, rows, strict=True)
        )


def content_key(data: bytes) -> str:
    """Return the key under which a picture's or a text's vector is stored: 128-bit BLAKE2b."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def text_key(text: str) -> str:
    """Return the key of a text's vector."""
    return content_key(text.encode("utf-8", "surrogatepass"))


def embed_texts(
    workspace: Workspace, texts: Sequence[str], *, at_once: int | None = None
) -> NDArray[np.int64]:
    """Return the rows of n texts in ``workspace.texts``, shape (n,), encoding the new; -1 for "".

    They are encoded all together, or `at_once` at a time.
    """
    keys = [text_key(text) for text in texts]
    rows = workspace.texts.find(keys)
    missing = {
        key: text for key, text, row in zip(keys, texts, rows, strict=True) if row < 0 and text
    }
    if missing:
        new, step = list(missing.values()), at_once or len(missing)
        parts = [
            workspace.encoder.encode_texts(new[at : at + step]) for at in range(0, len(new), step)
        ]
        workspace.texts.add(
            list(missing),
            np.concatenate([part.vectors for part in parts]),
            windows=np.concatenate([part.windows for part in parts]),
        )
        rows = workspace.texts.find(keys)
    return np.where([bool(text) for text in texts], rows, -1).astype(np.int64)


def query_vectors(workspace: Workspace, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors of n queries, shape (n, d), as stored, and stored where that can be."""
    if workspace.texts.fixed and texts:
        return workspace.encoder.encode_texts(list(texts)).vectors.astype("<f2").astype(np.float32)
    return workspace.texts.padded(embed_texts(workspace, texts), workspace.encoder.dim)


def embed(
    workspace: Workspace,
    items: Iterable[Item],
    options: EmbedOptions = DEFAULTS,
    *,
    window: int = WINDOW,
    threads: Threads | None = None,
) -> Iterator[Embedded]:
    """Yield windows of items whose vectors are all in the store.

    Parameters
    ----------
    workspace : Workspace
    items : iterable of Item
        In source order; taken a window at a time.
    options : EmbedOptions
    window : int
        Items at once.
    threads : Threads or None
        Of whoever embeds often and little; None makes some for this call.
    """
    workspace.store.name_model(workspace.encoder.fingerprint, workspace.encoder.name)
    stream = iter(items)
    own = threads or Threads.of(options.workers)
    try:
        while some := tuple(islice(stream, window)):
            yield _embed_window(workspace, some, own, options)
    finally:
        if threads is None:
            own.close()


def embed_all(workspace: Workspace, items: Sequence[Item], options: EmbedOptions) -> Embedded:
    """Embed a catalogue that is needed as a whole, and return it as one window.

    Window by window all the same: what a stopped run has embedded is kept.
    """
    parts = list(embed(workspace, items, options))
    return Embedded(
        items=tuple(items),
        images=np.concatenate([part.images for part in parts]),
        texts=np.concatenate([part.texts for part in parts]),
        image_keys=tuple(key for part in parts for key in part.image_keys),
        errors=tuple(error for part in parts for error in part.errors),
        encoded=sum(part.encoded for part in parts),
        chunked=sum(part.chunked for part in parts),
    )


def _give_way() -> None:
    """Let decoders have the cores when the model wants them less.

    The model's threads wait for each other after every layer, so one that shares its core with a
    decoder holds up all: on two cores this is worth 5 to 15 % with photos of full size. Threads
    have priorities of their own on Linux only.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


@dataclass(frozen=True, slots=True)
class Threads:
    """Those that read and decode pictures, and those that hand batches of them to the model."""

    decode: ThreadPoolExecutor
    encode: ThreadPoolExecutor

    @classmethod
    def of(cls, workers: int | None = None) -> Threads:
        """Return so many decoders, by default one per processor; threads start when needed."""
        decode = ThreadPoolExecutor(workers or os.cpu_count() or 1, "decode", _give_way)
        return cls(decode, ThreadPoolExecutor(_ON_THE_WAY, "encode"))

    def close(self) -> None:
        """Wait for what has begun; who interrupts doesn't wait for what is in the queue."""
        for pool in (self.decode, self.encode):
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Places in a window, what was found of each, and the vectors of the pictures that are new."""

    places: list[int]
    found: list[Known]
    new: list[str]
    vectors: Future[Vectors]


def _embed_window(
    workspace: Workspace, items: tuple[Item, ...], threads: Threads, options: EmbedOptions
) -> Embedded:
    store = workspace.store
    # An encoder that doesn't say what it reads is taken to read everything.
    reads = getattr(workspace.encoder, "reads", bool)
    titles = [item.text for item in items]
    told = [text if says_something(text) and reads(text) else "" for text in titles]
    texts = embed_texts(workspace, told)
    chunked = int((workspace.texts.windows(texts[texts >= 0]) > 1).sum())
    stamps = [item.image.stamp() or "" for item in items]
    refs = [(item.image.locator, stamp) for item, stamp in zip(items, stamps, strict=True)]
    known = store.contents(refs)
    keys: list[str | None] = [entry.hash if entry else None for entry in known]
    errors = [(entry.error or "") if entry else "" for entry in known]
    rows = _complete(workspace, [key or "" for key in keys])
    missing = [place for place in range(len(items)) if rows[place] < 0 and not errors[place]]
    batch_size = options.batch_size or _batch_size(workspace.encoder, missing)
    todo = [
        [place for place in missing if start <= place < start + batch_size]
        for start in range(0, len(items), batch_size)
    ]
    encoded = 0
    for number, batch in enumerate(_encode(workspace, items, todo, threads)):
        for place, found in zip(batch.places, batch.found, strict=True):
            keys[place], errors[place] = found.hash, found.error or ""
        encoded += len(batch.new)
        store.remember(
            [
                (*refs[place], found)
                for place, found in zip(batch.places, batch.found, strict=True)
                if stamps[place]
            ]
        )
        if options.progress is not None:
            options.progress(min(batch_size, len(items) - number * batch_size))
    if missing:
        rows = workspace.images.find([key or "" for key in keys])
    return Embedded(
        items=items,
        images=np.where([bool(error) for error in errors], -1, rows).astype(np.int64),
        texts=texts,
        image_keys=tuple(keys),
        errors=tuple(errors),
        encoded=encoded,
        chunked=chunked,
    )


def _complete(workspace: Workspace, keys: Sequence[str]) -> NDArray[np.int64]:
    """Return the rows of pictures that are encoded and measured, -1 for others."""
    return np.where(workspace.colours.find(keys) >= 0, workspace.images.find(keys), -1)


def _batch_size(encoder: Encoder, missing: Sequence[int]) -> int:
    """Return what the encoder likes; it isn't asked, which may load it, where all is stored."""
    return int(getattr(encoder, "batch_size", _BATCH_SIZE)) if missing else _BATCH_SIZE


def _encode(
    workspace: Workspace, items: Sequence[Item], todo: Sequence[list[int]], threads: Threads
) -> Iterator[_Batch]:
    """Yield batches in their order, their new pictures stored, each content encoded once.

    While the model computes one batch, the next is copied to it, the one before it is stored, and
    two that follow are decoded, at a fixed cost in memory.
    """
    encoder = workspace.encoder
    ahead = iter(todo)
    decoding: deque[tuple[list[int], list[Future[_Loaded]]]] = deque()
    encoding: deque[_Batch] = deque()

    def decode_next() -> None:
        for places in islice(ahead, 1):
            loads = [threads.decode.submit(_load, items[place], encoder) for place in places]
            decoding.append((places, loads))

    def store_first() -> _Batch:
        batch = encoding.popleft()
        if batch.new:
            workspace.images.add(batch.new, batch.vectors.result())
        return batch

    for _ in range(2):
        decode_next()
    while decoding:
        places, loads = decoding.popleft()
        loaded = [load.result() for load in loads]
        decode_next()
        read = {one.known.hash: one.read for one in loaded if one.known.hash and one.read}
        pictures = {key: pixels for key, (pixels, _) in read.items()}
        colours = {key: measured for key, (_, measured) in read.items()}
        for batch in encoding:
            for key in batch.new:
                pictures.pop(key, None)
        rows = workspace.images.find(list(pictures))
        new = [key for key, row in zip(pictures, rows, strict=True) if row < 0]
        vectors = threads.encode.submit(encoder.encode_images, [pictures[key] for key in new])
        # While the model computes, and before its vectors: a picture that has one was measured,
        # whenever a run is killed.
        stored = workspace.colours.find(list(colours))
        if unmeasured := [key for key, row in zip(colours, stored, strict=True) if row < 0]:
            workspace.colours.add(unmeasured, np.stack([colours[key] for key in unmeasured]))
        encoding.append(_Batch(places, [one.known for one in loaded], new, vectors))
        if len(encoding) == _ON_THE_WAY:
            yield store_first()
    while encoding:
        yield store_first()


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What a picture's bytes are known by; its pixels for the model, and what was measured of it.

    None for both where ``known`` has a reason.
    """

    known: Known
    read: tuple[Pixels, NDArray[np.float32]] | None = None


def _load(item: Item, encoder: Encoder) -> _Loaded:
    from fashiontag.catalog.images import load_image  # Pillow: words alone must not wait for it

    key = None
    try:
        data = item.image.read()
        key = content_key(data)
        image = load_image(data, at_least=encoder.image_size)
        return _Loaded(Known(key), (encoder.prepare(image), measure(thumbnail(image))))
    except ImageError as error:
        return _Loaded(Known(key, str(error)))
