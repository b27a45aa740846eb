"""What many machines cost, and what Qdrant finds: ``python -m benchmarks.cloud STEP``.

``overhead``: 20,000 photos tagged by a plain run and by ``--engine ray`` with as many workers as
there are processors, each in a process of its own, start-up aside (a run over 64 photos). Also what
differs between the rows and vectors of both, and the memory of a worker early and late.

``recall --run DIR``: 200 queries (words, pictures, minus; half of them filtered to 1 to 50 % of the
catalogue) on the index here and on Qdrant's own engine in this process (``qdrant-edge-py``), filled
by the code behind ``push``; DIR is what ``overhead`` left.

``million``: a million synthetic products (a picture's vector each, around 2,000 centres), pushed
into the engine and searched.

Written to ``benchmarks/results/cloud-STEP.md``. Photos come from ``FASHIONTAG_DATA``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.paths import RESULTS, ROOT, data_root

if TYPE_CHECKING:
    import pyarrow as pa
    from edge_client import EdgeClient

    from fashiontag.datamodels import Encoder

sys.path.insert(0, str(ROOT / "tests"))

SEED = 20261129


def _write(step: str, lines: list[str]) -> None:
    command = " ".join(["python -m benchmarks.cloud", step])
    text = f"# {step}, `{command}`\n\n" + "\n".join(lines) + "\n"
    (RESULTS / f"cloud-{step}.md").write_text(text, "utf-8")
    print(text)


# -- overhead ------------------------------------------------------------------------------------


def _timed(command: list[str], watch: list[tuple[float, int]] | None = None) -> float:
    import psutil

    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(2):
            for child in psutil.Process(process.pid).children(recursive=True):
                try:
                    if "ray::Worker" in " ".join(child.cmdline()):
                        watch.append((time.monotonic() - began, child.memory_info().rss))  # type: ignore[union-attr]
                except psutil.Error:
                    pass

    if watch is not None:
        threading.Thread(target=look, daemon=True).start()
    assert process.wait() == 0, command
    ended.set()
    return time.monotonic() - began


def overhead(count: int, keep: Path | None) -> None:
    import pyarrow.parquet as pq

    photos = sorted((data_root() / "fashion-products" / "images").glob("*.jpg"))[:count]
    titles = data_root() / "fashion-products" / "styles.csv"
    place = Path(keep or tempfile.mkdtemp())
    cores = len(os.sched_getaffinity(0))
    seconds: dict[tuple[str, int], float] = {}
    memory: list[tuple[float, int]] = []
    for number in (64, len(photos)):
        folder = place / f"photos{number}"
        folder.mkdir(parents=True)
        for photo in photos[:number]:
            (folder / photo.name).symlink_to(photo)
        common = [sys.executable, "-m", "fashiontag", "tag", str(folder), "--quiet"]
        common += ["--titles", str(titles), "--labels", "fashion-products"]
        plain = [
            "--out",
            str(place / f"{number}.parquet"),
            "--workspace",
            str(place / f"w{number}"),
        ]
        ray = ["--engine", "ray", "--ray-workers", str(cores), "--shards", "16"]
        ray += ["--out", str(place / f"run{number}"), "--workspace", str(place / "none")]
        seconds["plain", number] = _timed(common + plain)
        seconds["ray", number] = _timed(common + ray, memory)
    last = {one: seconds[one, len(photos)] - seconds[one, 64] for one in ("plain", "ray")}
    here = {row["id"]: row for row in pq.read_table(place / f"{len(photos)}.parquet").to_pylist()}
    table = pq.read_table(str(place / f"run{len(photos)}"))
    there = {row["id"]: row for row in table.drop(["image", "text"]).to_pylist()}
    cells = [name for name in next(iter(here.values())) if name not in {"tags", "path"}]
    other = sum(any(row[c] != there[key][c] for c in cells) for key, row in here.items())
    scores = [
        abs(one["score"] - two["score"])
        for key, row in here.items()
        for one, two in zip(row["tags"], there[key]["tags"], strict=False)
        if one != two
    ]
    differing = _vectors_differ(place / f"w{len(photos)}", table)
    late = [rss for when, rss in memory if when > 0.7 * max(w for w, _ in memory)]
    early = [rss for when, rss in memory if 0.3 < when / max(w for w, _ in memory) < 0.5]
    _write(
        "overhead",
        [
            f"{len(photos):,} photos with titles, {cores} processors, {cores} workers, 16 shards;"
            " a 64-photo run taken off as start-up.",
            "",
            "| | plain | Ray |",
            "|---|---|---|",
            f"| seconds, whole | {seconds['plain', len(photos)]:.1f} |"
            f" {seconds['ray', len(photos)]:.1f} |",
            f"| of which start-up | {seconds['plain', 64]:.1f} | {seconds['ray', 64]:.1f} |",
            f"| photos a second | {(len(photos) - 64) / last['plain']:.1f} |"
            f" {(len(photos) - 64) / last['ray']:.1f} |",
            "",
            f"Overhead a photo: {last['ray'] / last['plain'] - 1:+.1%}.",
            f"Rows with another cell: {other} of {len(here):,}; tags with another score: "
            f"{len(scores)}, by {max(scores, default=0):.4f} at most.",
            f"Numbers of vectors that differ: {differing[0]:.4%}, by {differing[1]} steps of "
            "float16 at most.",
            f"Resident memory of a worker: median {statistics.median(early) / 1e6:.0f} MB between "
            f"30 and 50 % of the run, {statistics.median(late) / 1e6:.0f} MB after 70 %, "
            f"{max(late) / 1e6:.0f} MB at most.",
        ],
    )
    if keep is None:
        shutil.rmtree(place)


def _vectors_differ(workspace: Path, table: pa.Table) -> tuple[float, int]:
    from fashiontag.encoders import resolve
    from fashiontag.workspace import Workspace

    with Workspace.open(workspace, resolve(None)) as opened:
        keys = table.column("picture").to_pylist()
        flat = table.column("image").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        theirs = flat.astype(np.float16).reshape(len(keys), -1)
        ours = opened.images.read(opened.images.find(keys))
    steps = np.abs(_ordered(theirs) - _ordered(ours))
    return float((steps > 0).mean()), int(steps.max())


def _ordered(values: np.ndarray) -> np.ndarray:
    """Return float16 as integers that count their steps."""
    bits = values.view(np.int16).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFF), bits)


# -- recall --------------------------------------------------------------------------------------


def _means(encoder: Encoder) -> dict[str, Any]:
    from fashiontag.heads.statistics import Statistics

    found = Statistics.load(encoder.folder, encoder.dim)
    moments = {"image": found.image, "text": found.title}
    return {kind: one.mean if one else None for kind, one in moments.items()}


def _optimize(client: EdgeClient) -> float:
    began = time.monotonic()
    for shard in client.shards.values():
        while shard.optimize():
            pass
    return time.monotonic() - began


def recall(place: Path) -> None:
    from edge_client import EdgeClient

    from fashiontag.encoders import resolve
    from fashiontag.index import where as filters
    from fashiontag.index.qdrant import Collection
    from fashiontag.workflows.push import push
    from fashiontag.workflows.search import Query, search
    from fashiontag.workspace import Workspace

    rng = np.random.default_rng(SEED)
    number = max(int(path.name[3:]) for path in place.glob("run*"))
    encoder = resolve(None)
    client = EdgeClient(tempfile.mkdtemp(), indexing_threshold=1000)
    collection = Collection(client, "shop")
    began = time.monotonic()
    done = push(str(place / f"run{number}"), collection, _means(encoder))
    pushed = time.monotonic() - began
    built = _optimize(client)
    with Workspace.open(place / f"w{number}", encoder) as workspace:
        placement = workspace.placement()
        items = workspace.index.items(rng.choice(placement.numbers, 200, replace=False).tolist())
        wheres = {}
        for group in ("articleType", "baseColour", "gender", "season", "usage", "masterCategory"):
            for label in workspace.index.counts().get(group, {}):
                text = f"{group} = '{label}'"
                share = len(filters.select(filters.parse(text), workspace.index, placement.numbers))
                if 0.01 <= share / len(placement.numbers) <= 0.5:
                    wheres[text] = share / len(placement.numbers)
        for year in range(2010, 2017):
            text = f"table.year >= {year}"
            share = len(filters.select(filters.parse(text), workspace.index, placement.numbers))
            if 0.01 <= share / len(placement.numbers) <= 0.5:
                wheres[text] = share / len(placement.numbers)
        asked = []
        for at, item in enumerate(items):
            words = item.title.split()
            some = " ".join(words[-3:])
            query = (
                Query(some),
                Query(item.title),
                Query(some, minus=str(rng.choice(["red", "black", "men", "casual"]))),
                Query(image=item.path),
                Query("in blue", item.path),
            )[at % 5]
            asked.append((query, str(rng.choice(list(wheres))) if at % 2 else None))
        overlaps: dict[tuple[bool, bool], list[float]] = {}
        worst: dict[bool, float] = {}
        times: dict[str, list[float]] = {"index": [], "engine": []}
        for exact in (False, True):
            collection.exact = exact
            for query, where in asked:
                began = time.monotonic()
                asked = replace(query, where=where, fold=False)
                here = search(workspace, asked)
                middle = time.monotonic()
                there = search(workspace, asked, collection)
                if not exact:
                    times["index"].append(middle - began)
                    times["engine"].append(time.monotonic() - middle)
                ours = {hit.id: hit.score for hit in here.hits}
                theirs = {hit.id: hit.score for hit in there.hits}
                strict = len(ours.keys() & theirs.keys()) / max(1, len(ours))
                overlaps.setdefault((exact, where is not None), []).append(strict)
                both = [abs(ours[key] - theirs[key]) for key in ours.keys() & theirs.keys()]
                worst[exact] = max(worst.get(exact, 0.0), max(both, default=0.0))
    shares = sorted(wheres[where] for _, where in asked if where)
    lines = [
        f"{done.points:,} points of {encoder.dim} numbers, twice; pushed in {pushed:.1f} s, graph "
        f"built in {built:.1f} s (Qdrant's engine in this process, hnsw_ef 256 or more). 200 "
        f"queries, filters that {shares[0]:.1%} to {shares[-1]:.1%} satisfy.",
        "",
        "| | overlap@10 | filtered | unfiltered | worst query | scores differ by at most |",
        "|---|---|---|---|---|---|",
    ]
    for exact in (False, True):
        with_, without = overlaps[exact, True], overlaps[exact, False]
        lines.append(
            f"| {'`--exact`' if exact else 'as it stands'} | {np.mean(with_ + without):.4f} |"
            f" {np.mean(with_):.4f} | {np.mean(without):.4f} | {min(with_ + without):.1f} |"
            f" {worst[exact]:.5f} |"
        )
    lines += [
        "",
        f"A query takes {1e3 * statistics.median(times['index']):.0f} ms on the index here and "
        f"{1e3 * statistics.median(times['engine']):.0f} ms on the engine, the model's part in both"
        " (medians; no network).",
    ]
    _write("recall", lines)


# -- a million -----------------------------------------------------------------------------------


def million(count: int) -> None:
    from edge_client import EdgeClient

    from fashiontag.index.qdrant import Collection
    from fashiontag.index.where import parse
    from fashiontag.sinks.shards import RUN, Facts, Vectored, part_name, write_shard
    from fashiontag.sinks.tables import Layout
    from fashiontag.workflows.push import push

    rng = np.random.default_rng(SEED)
    dim, shards = 256, 20
    place = Path(tempfile.mkdtemp())
    centres = rng.normal(size=(2000, dim)).astype(np.float32)
    kinds = ("dress", "shirt", "coat", "shoes", "bag")
    colors = ("red", "green", "blue", "black", "white", "navy", "pink", "grey")
    parts = {}
    size = count // shards
    everything = []
    for shard in range(shards):
        which = rng.integers(0, 2000, size)
        vectors = centres[which] + rng.normal(scale=0.7, size=(size, dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        stored = vectors.astype(np.float16)
        everything.append(stored)
        rows: list[dict[str, Any]] = []
        for at in range(size):
            color = colors[int(which[at]) % 8]
            kind = kinds[int(which[at]) % 5]
            tags = [{"group": "color", "label": color, "score": 0.9, "source": "image",
                     "method": "zero-shot", "decision": None}]  # fmt: skip
            rows.append(
                {"id": f"{shard}/{at}", "path": f"s3://none/{shard}/{at}.jpg",
                 "title": f"{color} {kind} no {shard * size + at}", "status": "ok", "message": "",
                 "tags": tags, "color": color, "fields": json.dumps({"price": str(at % 1000)}),
                 "locator": "", "stamp": None, "picture": f"{shard}/{at}"}
            )  # fmt: skip
        name = part_name(shard, shards)
        parts[name] = f"synthetic {shard}"
        there = np.ones(size, bool)
        facts = Facts(
            parts[name], "synthetic", "none", dim, "synthetic", {"color": colors}, {}, size
        )
        none = Vectored(~there, np.empty((0, dim), np.float16))
        kept = {"image": Vectored(there, stored), "text": none}
        write_shard(place / name, Layout(("color",)), rows, kept, facts)
    (place / RUN).write_text(json.dumps({"parts": parts}), "utf-8")
    size_on_disk = sum(path.stat().st_size for path in place.iterdir())
    client = EdgeClient(place / "qdrant")
    collection = Collection(client, "shop")
    began = time.monotonic()
    done = push(str(place), collection, {"image": None, "text": None}, batch=1000)
    pushed = time.monotonic() - began
    built = _optimize(client)
    encoder: Any = SimpleNamespace(fingerprint="none")
    matrix = np.concatenate(everything)
    times: dict[str, list[float]] = {}
    recalls: dict[str, list[float]] = {}
    for at in range(100):
        query = centres[int(rng.integers(2000))] + rng.normal(scale=0.5, size=dim).astype(
            np.float32
        )
        query = (query / np.linalg.norm(query)).astype(np.float32)
        where = "table.price < 100" if at % 2 else None
        began = time.monotonic()
        among = parse(where) if where else None
        hits = collection.search(encoder, [(query, 1.0)], 10, among=among, fold=False)
        times.setdefault(str(where), []).append(time.monotonic() - began)
        scores = np.concatenate(
            [block.astype(np.float32) @ query for block in np.array_split(matrix, 50)]
        )
        if where:
            scores[np.arange(len(matrix)) % size % 1000 >= 100] = -2
        best = {f"{n // size}/{n % size}" for n in np.argsort(-scores)[:10].tolist()}
        recalls.setdefault(str(where), []).append(len(best & {hit.id for hit in hits}) / 10)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    on_disk = sum(path.stat().st_size for path in (place / "qdrant").rglob("*") if path.is_file())
    _write(
        "million",
        [
            f"{done.points:,} points, a vector of {dim} numbers, a title, a tag and a price "
            f"each. The run's files take {size_on_disk / done.points:,.0f} bytes a row. Pushed in "
            f"{pushed:.0f} s ({done.points / pushed:,.0f} a second), graph built in {built:.0f} "
            f"s; {on_disk / done.points:,.0f} bytes a point on disk; {most:.1f} GB at most in "
            "memory, the engine's and this script's together.",
            "",
            "| filter | recall@10 | median | slowest |",
            "|---|---|---|---|",
            *(
                f"| {where} | {np.mean(recalls[where]):.3f} | "
                f"{1e3 * statistics.median(taken):.0f} ms | {1e3 * max(taken):.0f} ms |"
                for where, taken in times.items()
            ),
        ],
    )
    shutil.rmtree(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["overhead", "recall", "million"])
    parser.add_argument("--count", type=int)
    parser.add_argument("--run", type=Path, help="the folder that overhead fills, and keeps")
    given = parser.parse_args()
    if given.step == "overhead":
        overhead(given.count or 20_000, given.run)
    elif given.step == "recall":
        recall(given.run)
    else:
        million(given.count or 1_000_000)


if __name__ == "__main__":
    main()
