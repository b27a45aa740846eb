"""Tag or embed on a Ray cluster: shards of a catalogue, each one file, put in place whole.

A shard holds the items whose ids hash to its number, so it is the same whatever else the catalogue
holds, and its file is a function of it alone. What is there need not be made again: a run that was
stopped goes on by listing. Ray Data would keep every id in memory for that, and repeat for ever
what always fails; actors and one loop need neither.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import fashiontag
from fashiontag.catalog.items import NoPicture
from fashiontag.datamodels import Tagged
from fashiontag.errors import CatalogError, FashiontagError, StoreError, UsageError
from fashiontag.labels import LabelSpace
from fashiontag.objects import is_address
from fashiontag.sinks.shards import (
    RUN,
    Facts,
    Folder,
    Vectored,
    part_name,
    read_facts,
    read_rows,
    write_shard,
)
from fashiontag.sinks.tables import SUFFIXES as TABLES
from fashiontag.sinks.tables import Layout
from fashiontag.vectors import Known
from fashiontag.workflows.products import UnitJudge
from fashiontag.workflows.tag import Judge, TagSummary, Tally, judged
from fashiontag.workspace import Workspace
from fashiontag.workspace.decisions import DATABASE as DECISIONS
from fashiontag.workspace.decisions import Standing
from fashiontag.workspace.embed import DEFAULTS, EmbedOptions, content_key, embed, text_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Encoder, Item
    from fashiontag.heads.zeroshot import ZeroShot
    from fashiontag.workspace.embed import Embedded

DEATHS = 5
"""Processes that one shard may cost: the second has its pictures tried one by one."""

PATIENCE = 300
"""Seconds that one picture may take where they are tried one by one."""

_NO_LABELS = LabelSpace("", ())


@dataclass(frozen=True, slots=True)
class Recipe:
    """What all shards of a run have in common; it travels to every worker.

    Attributes
    ----------
    encoder : callable
        Makes the encoder, of the fingerprint ``fingerprint``.
    fingerprint : str
    catalog : Catalog
        Without its items.
    space : LabelSpace or None
        None embeds only.
    probe, decisions : Mapping of str to bytes
        Files of the probe's folder and of the workspace, by name.
    out : str
        The folder or address that takes the files.
    shards : int
    options : EmbedOptions
    """

    encoder: Callable[[], Encoder]
    fingerprint: str
    catalog: Catalog
    space: LabelSpace | None
    probe: dict[str, bytes]
    decisions: dict[str, bytes]
    out: str
    shards: int
    options: EmbedOptions

    def digest(self) -> str:
        """Return a digest of all that decides on rows but the items."""
        files = {name: content_key(data) for name, data in {**self.probe, **self.decisions}.items()}
        kind = (self.catalog.by, self.catalog.keys)
        said = (fashiontag.__version__, self.fingerprint, repr(self.space), files, kind)
        return content_key(repr(said).encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Shard:
    """A file's name, its items in source order, and a digest of all that decides on its bytes."""

    name: str
    items: tuple[Item, ...]
    made_of: str


@dataclass(frozen=True, slots=True)
class ClusterSummary(TagSummary):
    """What a run did.

    Attributes
    ----------
    shards, made : int
        Files of the run, and those that had to be made.
    workers : int
    gone : int
        Rows whose item isn't in the source any more.
    per_second : float
        Items that were done, a second.
    per_million : float or None
        What a million costs, in the currency of the price of an hour.
    """

    shards: int = 0
    made: int = 0
    workers: int = 0
    gone: int = 0
    per_second: float = 0.0
    per_million: float | None = None


def recipe_for(
    encoder: Callable[[], Encoder],
    catalog: Catalog,
    space: LabelSpace | None,
    *,
    workspace: Path,
    probe: Path | None,
    out: str,
    shards: int,
    options: EmbedOptions = DEFAULTS,
) -> Recipe:
    """Put a recipe together, with what people decided in a workspace.

    Raises
    ------
    UsageError
        ``out`` names a table.
    """
    if Path(out).suffix.lower() in TABLES:
        raise UsageError(
            f"--engine ray writes a folder of shards, and {out} is a table; give --out DIR or an "
            "address such as s3://bucket/run."
        )
    files = {} if probe is None else {p: p.relative_to(probe) for p in probe.rglob("*")}
    decided = workspace / DECISIONS
    if decided.is_file():
        with closing(sqlite3.connect(decided)) as database:
            kept = database.serialize()
    return Recipe(
        encoder,
        encoder().fingerprint,
        replace(catalog, items=(), warnings=()),
        space,
        {f"probe/{name}": path.read_bytes() for path, name in files.items() if path.is_file()},
        {DECISIONS: kept} if decided.is_file() else {},
        out if is_address(out) else str(Path(out).absolute()),
        shards,
        options,
    )


def shards_of(recipe: Recipe, items: Sequence[Item]) -> list[Shard]:
    """Part items by the hash of their ids, or of their products'."""
    parts: list[list[Item]] = [[] for _ in range(recipe.shards)]
    for item in items:
        key = item.id if recipe.catalog.by == "photo" else item.product or item.id
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        parts[int.from_bytes(digest, "big") % recipe.shards].append(item)
    shards = []
    for number, part in enumerate(parts):
        made_of = hashlib.blake2b(recipe.digest().encode(), digest_size=16)
        for item in part:
            said = (item.id, item.path, item.title, item.keys, sorted(item.fields.items()))
            seen = (item.image.locator, item.image.stamp(), item.product, item.variants)
            made_of.update(repr((said, seen)).encode("utf-8", "surrogatepass"))
        name = part_name(number, recipe.shards)
        shards.append(Shard(name, tuple(part), made_of.hexdigest()))
    return shards


def make_shard(
    shard: Shard, recipe: Recipe, encoder: Encoder, head: ZeroShot | None = None
) -> tuple[Tally, ZeroShot | None]:
    """Make one shard's file, in a workspace of its own: nothing else decides on its bytes.

    ``head`` is what an earlier shard returned, which spares the prompts.
    """
    name, folder = shard.name, Folder(recipe.out)
    with tempfile.TemporaryDirectory(prefix="fashiontag-") as scratch:
        place = Path(scratch)
        for file, data in {**recipe.decisions, **recipe.probe}.items():
            (place / file).parent.mkdir(exist_ok=True)
            (place / file).write_bytes(data)
        with Workspace.open(place, encoder) as workspace:
            before = _seed(workspace, shard, folder, name)
            maker = _Maker(workspace, recipe, shard.items, head)
            rows = maker.rows()
            here = {row["id"] for row in rows}
            gone = [_gone(row) for key, row in sorted(before.items()) if key not in here]
            maker.tally.counts["gone"] += len(gone)
            facts = Facts(
                shard.made_of, encoder.name, encoder.fingerprint, encoder.dim,
                maker.space.name, {g.name: g.names for g in maker.space.groups},
                maker.space.tags_above, len(rows),
            )  # fmt: skip
            rows += gone
            part = place / name
            try:
                write_shard(part, maker.cells, rows, maker.vectors(len(rows)), facts)
            except OSError as error:
                raise StoreError(
                    f"{scratch} can't be written ({error.strerror}); make room there."
                ) from error
            folder.put(name, part)
            return maker.tally, maker.head


class _Maker:
    """Makes the rows of one shard."""

    def __init__(
        self,
        workspace: Workspace,
        recipe: Recipe,
        items: tuple[Item, ...],
        head: ZeroShot | None,
    ) -> None:
        self.workspace, self.recipe, self.items, self.head = workspace, recipe, items, head
        self.space, self.tally = recipe.space or _NO_LABELS, Tally()
        self._judge = self._units = None
        self._at: dict[str, tuple[int, int]] = {}
        self._placed: list[tuple[int, int]] = []
        promised = False
        units = recipe.catalog.by != "photo" and recipe.space is not None
        if recipe.space is not None and items:
            catalog = replace(recipe.catalog, items=items)
            probe = None
            if recipe.probe:
                from fashiontag.heads.artefact import load_probe

                probe = load_probe(workspace.path / "probe", workspace.encoder)
                promised = probe.promised
                self.space = recipe.space.with_(probe.space)
            standing = Standing.of(workspace.store, catalog, self.space)
            self._judge = Judge(workspace, recipe.space, probe, standing=standing)
            if head is not None:
                self._judge.head = head
            self.head = self._judge.head
            self.tally.counts["unfitted"] += not self.head.statistics.fitted
            self._units = UnitJudge(self._judge, catalog) if units else None
        keys = () if units else recipe.catalog.keys
        self.cells = Layout(self.space.names, promised=promised, units=units, keys=keys)

    def rows(self) -> list[dict[str, Any]]:
        rows = []
        keys: dict[str, str | None] = {}
        for embedded, pairs in self._windows():
            for place, item in enumerate(embedded.items):
                self._at[item.id] = int(embedded.images[place]), int(embedded.texts[place])
                keys[item.id] = embedded.image_keys[place]
            for row, item in pairs:
                photos = getattr(row, "photos", ()) or (item,)
                main = next((photo for photo in photos if self._at[photo.id][0] >= 0), item)
                image = self._at[main.id][0]
                text = next((at for p in photos if (at := self._at[p.id][1]) >= 0), -1)
                self._placed.append((image, text))
                rows.append(
                    self.cells.nested_row(row, item)
                    | {
                        "fields": json.dumps(dict(item.fields), ensure_ascii=False, sort_keys=True),
                        "locator": main.image.locator,
                        "stamp": main.image.stamp(),
                        "picture": keys[main.id],
                    }
                )
        return rows

    def _windows(self) -> Iterator[tuple[Embedded, Sequence[tuple[Tagged, Item]]]]:
        items, options = self.items, self.recipe.options
        if self._judge is not None:
            for window in judged(self._judge, self._units, items, self.tally, options=options):
                yield window.embedded, window.rows
            return
        for embedded in embed(self.workspace, items, options) if items else ():
            self.tally.window(embedded)
            pairs = [
                (Tagged(i.id, i.path, i.title, "error" if why else "ok", why), i)
                for i, why in zip(embedded.items, embedded.errors, strict=True)
            ]
            for row, _ in pairs:
                self.tally.row(row)
            yield embedded, pairs

    def vectors(self, count: int) -> dict[str, Vectored]:
        placed = np.full((count, 2), -1, np.int64)
        if self._placed:
            placed[: len(self._placed)] = self._placed
        found = {}
        dim = self.workspace.encoder.dim
        for at, (kind, shard) in enumerate(
            (("image", self.workspace.images), ("text", self.workspace.texts))
        ):
            rows = placed[:, at]
            read: NDArray[np.float16] = np.empty((0, dim), np.float16)
            if (rows >= 0).any():
                read = shard.read(rows[rows >= 0])
            found[kind] = Vectored(rows >= 0, read)
        return found


def _gone(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row of an item that isn't there any more."""
    kept = {name: row[name] for name in ("id", "path", "title", "locator", "stamp", "picture")}
    return kept | {"status": "gone", "message": "not in the source any more", "tags": []}


def _seed(
    workspace: Workspace, shard: Shard, folder: Folder, name: str
) -> dict[str, dict[str, Any]]:
    """Take over what the shard's former file knows of the same model; return its rows by id."""
    if name not in folder.names():
        return {}
    before: dict[str, dict[str, Any]] = {}
    same = read_facts(folder, name).fingerprint == workspace.encoder.fingerprint
    wanted = ["id", "path", "title", "status", "locator", "stamp", "picture", "image", "text"]
    current = {item.id: item for item in shard.items}
    for rows in read_rows(folder, name, wanted):
        live = [row for row in rows if row["status"] != "gone"]
        before |= {row["id"]: row for row in live}
        seen = [row for row in live if same and row["picture"] and row["image"] is not None]
        if seen:
            pictures = {row["picture"]: row["image"] for row in seen}
            workspace.images.add(list(pictures), np.stack(list(pictures.values())))
            workspace.store.remember(
                [
                    (row["locator"], row["stamp"], Known(row["picture"]))
                    for row in seen
                    if row["stamp"]
                ]
            )
        told = {
            text_key(current[row["id"]].text): row["text"]
            for row in live
            if same
            and row["text"] is not None
            and row["id"] in current
            and current[row["id"]].title == row["title"]
        }
        if told:
            workspace.texts.add(list(told), np.stack(list(told.values())))
    return before


class Worker:
    """An actor: holds the model, makes shards."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._encoder = recipe.encoder()
        self._head: ZeroShot | None = None
        if self._encoder.fingerprint != recipe.fingerprint:
            raise CatalogError(
                f"A worker's {self._encoder.name} isn't the driver's; install the same model there."
            )

    def make(self, shard: Shard, careful: bool) -> Tally:
        """Make one shard; ``careful`` has its pictures tried one by one first, elsewhere."""
        if careful:
            shard = replace(shard, items=_without_poison(shard.items, self._recipe))
        tally, self._head = make_shard(shard, self._recipe, self._encoder, self._head)
        return tally


_encoders: dict[str, Encoder] = {}


def _read(item: Item, recipe: Recipe) -> None:
    """Do with one picture what may end the process."""
    from fashiontag.catalog.images import load_image
    from fashiontag.errors import ImageError

    if recipe.fingerprint not in _encoders:
        _encoders[recipe.fingerprint] = recipe.encoder()
    encoder = _encoders[recipe.fingerprint]
    try:
        image = load_image(item.image.read(), at_least=encoder.image_size)
        encoder.encode_images([encoder.prepare(image)])
    except ImageError:
        return  # which is a row, and no harm


def _without_poison(items: tuple[Item, ...], recipe: Recipe) -> tuple[Item, ...]:
    """Put a reason in the place of each picture that ends a process, twice, or that never ends."""
    import ray
    from ray.exceptions import GetTimeoutError, WorkerCrashedError

    read: Any = ray.remote(_read).options(num_cpus=0, max_retries=1)
    shared, kept = ray.put(recipe), list(items)
    for place, item in enumerate(items):
        task = read.remote(item, shared)
        try:
            ray.get(task, timeout=PATIENCE)
        except (WorkerCrashedError, GetTimeoutError):
            ray.cancel(task, force=True)
            reason = "its picture ends the process that reads it, or keeps it for ever"
            kept[place] = replace(item, image=NoPicture(item.image.locator, reason))
    return tuple(kept)


def run_on_ray(
    recipe: Recipe,
    catalog: Catalog,
    *,
    address: str | None = None,
    workers: int | None = None,
    price: float | None = None,
) -> ClusterSummary:
    """Make the files that are missing or out of date, on a Ray cluster or on this machine.

    Parameters
    ----------
    recipe : Recipe
    catalog : Catalog
        Its items in full: a name and a title take about a kilobyte each.
    address : str, optional
        Of the cluster, as ``ray.init`` takes it; None starts one here, and ends it.
    workers : int, optional
        Actors; default: one a GPU, or one a processor where there is none.
    price : float, optional
        Of an hour of the cluster.

    Raises
    ------
    UsageError
        Ray isn't installed, or the folder holds a run of another number of shards.
    CatalogError
        A shard ended every process that tried it; the others are in place.
    """
    began = time.monotonic()
    folder = Folder(recipe.out)
    shards = {shard.name: shard for shard in shards_of(recipe, catalog.items)}
    there = [name for name in folder.names() if name.startswith("part-")]
    if strange := [name for name in there if name not in shards]:
        raise UsageError(
            f"{recipe.out} holds {strange[0]}, of a run of another number of shards; give that "
            "number to --shards, or name another --out."
        )
    with ThreadPoolExecutor(16) as pool:
        facts = zip(there, pool.map(partial(read_facts, folder), there), strict=True)
        whole = {name for name, found in facts if found.made_of == shards[name].made_of}
    todo = [shard for name, shard in shards.items() if name not in whole]
    kept = sum(len(shards[name].items) for name in whole)
    if recipe.options.progress is not None:
        recipe.options.progress(kept)
    tally, count = _on_actors(recipe, todo, address, workers) if todo else (Tally(), 0)
    _finish(folder, recipe, {name: shard.made_of for name, shard in shards.items()})
    space = recipe.space or _NO_LABELS
    summary = tally.summary(
        catalog, recipe.encoder().name, space.name, fitted=not tally.counts["unfitted"]
    )
    seconds = time.monotonic() - began
    rate = (summary.items or 0) / seconds
    return ClusterSummary(
        **{name: getattr(summary, name) for name in TagSummary.__dataclass_fields__}
        | {"out": recipe.out, "items": summary.items + kept, "seconds": seconds},
        shards=recipe.shards,
        made=len(todo),
        workers=count,
        gone=tally.counts["gone"],
        per_second=rate,
        per_million=price * 1e6 / rate / 3600 if price is not None and rate else None,
    )


def _finish(folder: Folder, recipe: Recipe, made_of: dict[str, str]) -> None:
    """Say that the run is whole, and of what."""
    said = {"format": 1, "root": recipe.catalog.root, "by": recipe.catalog.by, "parts": made_of}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / RUN
        path.write_text(json.dumps(said, indent=1), "utf-8")
        folder.put(RUN, path)


def _on_actors(
    recipe: Recipe, todo: Sequence[Shard], address: str | None, workers: int | None
) -> tuple[Tally, int]:
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "--engine ray needs ray, which isn't installed; pip install 'fashiontag[ray]'."
        ) from error
    from ray.exceptions import RayActorError, RayTaskError

    ours = not ray.is_initialized()
    if ours:
        _start(address)
    progress = recipe.options.progress
    shared = ray.put(replace(recipe, options=replace(recipe.options, progress=None)))
    try:
        have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        gpus = int(have.get("GPU", 0))
        count = min(workers or gpus or int(have.get("CPU", 1)), len(todo))
        kind = ray.remote(Worker).options(num_cpus=1, num_gpus=1 if gpus else 0)
        waiting, deaths = deque(todo), Counter[str]()
        running: dict[Any, tuple[Any, Shard]] = {}
        tally, lost = Tally(), list[str]()

        def start(actor: Any) -> None:  # noqa: ANN401
            if waiting:
                shard = waiting.popleft()
                running[actor.make.remote(shard, deaths[shard.name] > 1)] = actor, shard

        for _ in range(count):
            start(kind.remote(shared))
        while running:
            (ready, *_), _ = ray.wait(list(running), num_returns=1)
            actor, shard = running.pop(ready)
            try:
                tally += ray.get(ready)
                if progress is not None:
                    progress(len(shard.items))
            except RayActorError:
                deaths[shard.name] += 1
                if deaths[shard.name] < DEATHS:
                    waiting.append(shard)
                else:
                    lost.append(shard.name)
                actor = kind.remote(shared)
            except RayTaskError as error:
                if isinstance(error.cause, FashiontagError):
                    raise error.cause from None
                raise
            start(actor)
    finally:
        if ours:
            ray.shutdown()
    if lost:
        raise CatalogError(
            f"{', '.join(lost)} ended {DEATHS} processes each, and no picture of "
            "theirs does so alone; the others are in place. Give workers more memory, or more "
            "--shards, and repeat."
        )
    return tally, count


def _start(address: str | None) -> None:
    """Connect to a cluster, or start one of this machine's processors."""
    import logging

    import ray

    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        options |= {"num_cpus": cores, "include_dashboard": False}
        options["object_store_memory"] = 256 << 20  # what travels is names and titles
    try:
        ray.init(address or "local", **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"--ray-address {address}: no cluster answers there ({reason}); start one with `ray "
            "start --head`, or leave the option out to use this machine."
        ) from error
