"""A million vectors of 512 numbers: ``python -m benchmarks.scale_index DIR``.

Clustered vectors are drawn into DIR (1 GB), FAISS's file is built beside them, searched,
filtered, added to, and taken from; every figure stands beside what comparing everything gives. The
report is ``benchmarks/results/scale_index.md``.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import markdown, products
from benchmarks.paths import RESULTS
from fashiontag.catalog import FileRef
from fashiontag.datamodels import Item
from fashiontag.index import (
    Entry,
    Index,
    InvertedFile,
    Part,
    Placement,
    closeness,
    made_of,
    nearest,
    refresh,
    where,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Say = Callable[[str, str], None]

RESULT = RESULTS / "scale_index.md"
QUERIES = 200
CHUNK = 2**16
FILTERS = (
    "color = 'colour 3'",
    "color = 'colour 3' and table.price < 500",
    "table.price >= 100 and table.price < 900 and not color in ('colour 3', 'colour 4')",
    "table.sku < 500000",
)


def draw(path: Path, rows: int, dim: int, clusters: int) -> NDArray[np.float16]:
    """Write unit vectors around random centres, some of which have many more than others."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(clusters, dim)).astype(np.float32)
    share = 1 / np.arange(1, clusters + 1) ** 0.5
    if not path.is_file():
        out = np.lib.format.open_memmap(
            path.with_suffix(".part"), mode="w+", dtype=np.float16, shape=(rows, dim)
        )
        for start in range(0, rows, CHUNK):
            count = min(CHUNK, rows - start)
            of = random.choice(clusters, count, p=share / share.sum())
            block = centres[of] + 0.8 * random.standard_normal((count, dim), dtype=np.float32)
            out[start : start + count] = block / np.linalg.norm(block, axis=1, keepdims=True)
        out.flush()
        path.with_suffix(".part").rename(path)
    return np.load(path, mmap_mode="r")


def placed(rows: NDArray[np.int64]) -> tuple[Placement, NDArray[np.int64]]:
    own = -np.arange(1, len(rows) + 1)
    none = np.full(len(rows), -1)
    place = Placement(np.arange(len(rows)), own, own, rows, none)
    orders = place.orders()
    return replace(place, kin=orders[:2]), orders[2]


def timed(run: object, queries: NDArray[np.float32]) -> tuple[list[NDArray], NDArray]:
    found, seconds = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(run(query).positions)  # type: ignore[operator]
        seconds.append(time.perf_counter() - started)
    return found, np.array(seconds) * 1e3


def agreement(some: list[NDArray], others: list[NDArray]) -> float:
    pairs = zip(some, others, strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in pairs]))


def entries(rows: int) -> Iterator[Entry]:
    kinds = ("shirt", "dress", "shoes", "watch", "bag")
    for row in range(rows):
        color, brand = row * 7919 % 100, row * 104_729 % 5000
        title = f"Brand{brand} {'Women' if row % 2 else 'Men'} colour{color} {kinds[row % 5]}"
        path, fields = f"/shop/{row}.jpg", {"price": str(row % 1000), "sku": str(row * 7919 % rows)}
        item = Item(f"{row}.jpg", path, title, title, fields, FileRef(path))
        yield Entry(item, (f"color=colour {color}",), f"{row:032x}", None)


def measure(given: argparse.Namespace, say: Say) -> None:
    """Build, search, filter, add to and take from `given.rows` vectors of `given.dim` numbers."""
    matrix = draw(
        given.folder / f"{given.rows}.npy", given.rows, given.dim, max(10, given.rows // 200)
    )
    random = np.random.default_rng(1)
    chosen = matrix[np.sort(random.choice(given.rows, 2 * QUERIES, replace=False))]
    noise = random.normal(size=chosen.shape) * 0.6 / np.sqrt(given.dim)
    queries = (chosen.astype(np.float32) + noise).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    queries, tuning = queries[:QUERIES], queries[QUERIES : QUERIES + 64]
    bound = made_of(1, given.dim, None)
    neighbours = given.folder / "neighbours"
    shutil.rmtree(neighbours, ignore_errors=True)
    most = given.rows * 99 // 100

    before = np.arange(most)
    started = time.perf_counter()
    refresh(neighbours, bound, matrix, None, before, tuning)
    building = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    times = peak / (given.rows * given.dim * 4 / 1e9)
    say(f"building {most:,}", f"{building:.0f} s, {os.cpu_count()} cores")
    say("peak memory up to here", f"{peak:.2f} GB, {times:.2f} × the float32 bytes")
    size = sum(path.stat().st_size for path in neighbours.iterdir())
    say("on disk", f"{size / 1e9:.2f} GB")
    rows = np.arange(given.rows)
    started = time.perf_counter()
    refresh(neighbours, bound, matrix, None, rows, tuning)
    adding = time.perf_counter() - started
    say(
        f"adding {given.rows - most:,}",
        f"{adding:.2f} s, {adding / building:.1%} of building",
    )

    place, order = placed(rows)
    opened = InvertedFile.open(neighbours, bound, rows)
    if opened is None:
        sys.exit("FAISS's file can't be opened")
    say("recall@10 in the manifest", f"{opened.manifest.recall:.3f}")
    say(
        "lists opened",
        f"{opened.manifest.probes} of {opened.manifest.lists}",
    )

    def near(query: NDArray[np.float32], **more: object) -> object:
        part = Part(matrix, rows, query, None, 1.0, opened, order)
        return nearest(place, [part], 10, **more)  # type: ignore[arg-type]

    def exact(query: NDArray[np.float32], **more: object) -> object:
        return nearest(place, [Part(matrix, rows, query, None, 1.0)], 10, **more)  # type: ignore[arg-type]

    timed(near, queries)
    some, milliseconds = timed(near, queries)
    p50, p95 = np.percentile(milliseconds, [50, 95])
    few = queries[:40]
    truth, full = timed(exact, few)
    say("search, p50 and p95 of 200, one core", f"{p50:.1f} and {p95:.1f} ms")
    say("comparing everything, p50", f"{np.median(full):.0f} ms")
    say("recall@10 against that", f"{agreement(some[: len(few)], truth):.3f}")
    among = np.sort(random.choice(given.rows, given.rows // 100, replace=False))
    picked, narrow = timed(lambda query: near(query, among=among), queries)
    wanted, _ = timed(lambda query: exact(query, among=among), few)
    same = all((a == b).all() for a, b in zip(picked, wanted, strict=False))
    p50_narrow = np.median(narrow)
    say(
        "filter of 1 %, resolved",
        f"p50 {p50_narrow:.1f} ms, {p50_narrow / p50:.1f} × unfiltered, "
        f"{'the same' if same else 'NOT the same'} as brute force",
    )
    half = np.flatnonzero(rows % 2)
    picked, wide = timed(lambda query: near(query, among=half), queries)
    wanted, _ = timed(lambda query: exact(query, among=half), few)
    say(
        "filter of 50 %",
        f"p50 {np.median(wide):.1f} ms, recall@10 {agreement(picked[: len(few)], wanted):.3f}",
    )
    gone = np.unique(np.concatenate(some[:20]))
    left = np.setdiff1d(rows, gone)
    started = time.perf_counter()
    fewer = InvertedFile.open(neighbours, bound, left)
    took = time.perf_counter() - started
    proposed = np.concatenate([fewer.search(query, 200) for query in queries]) if fewer else gone
    say(
        "deleting the first hits of 20 queries",
        f"{took * 1e3:.0f} ms to open again, "
        f"{np.isin(proposed, gone).sum()} of them proposed after",
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    say("peak memory in all, comparing everything included", f"{peak:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--filters", action="store_true", help="also fill SQLite and time filters")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    given.folder.mkdir(parents=True, exist_ok=True)
    report = [
        [f"{given.rows:,} × {given.dim}, float32", f"{given.rows * given.dim * 4 / 1e9:.2f} GB"]
    ]

    def say(name: str, value: str) -> None:
        report.append([name, value])
        print(f"{name}: {value}", flush=True)

    measure(given, say)
    if given.filters:
        filters(given.folder / "items", given.rows, say)
    markdown.write(
        given.out,
        [
            "# A million vectors",
            "",
            f"`python -m benchmarks.scale_index DIR --filters` · {products.made_with(data=False)}",
            "",
            "Synthetic clusters of vectors.",
            "",
            *markdown.table(["", ""], report),
            "",
        ],
    )


def filters(folder: Path, rows: int, say: Say) -> None:
    """Time filters and titles' words over a million items in SQLite."""
    shutil.rmtree(folder, ignore_errors=True)
    with Index.open(folder) as index:
        started = time.perf_counter()
        index.replace_source("/shop", entries(rows), fingerprint="m", model="m", labels="")
        say(f"{rows:,} items into SQLite", f"{time.perf_counter() - started:.0f} s")
        place = index.placement("m", lambda _, keys: np.arange(len(keys)))

    def words(index: Index, text: str) -> NDArray[np.int64]:
        return np.flatnonzero(closeness(index.words(text), index.said("m", place.numbers)))

    def clock(name: str, run: Callable[[Index], NDArray[np.int64]]) -> None:
        seconds = []
        for _ in range(8):
            with Index.open(folder) as index:  # as each search does
                started = time.perf_counter()
                found = run(index)
                seconds.append(time.perf_counter() - started)
        later = np.median(seconds[1:]) * 1e3
        first = f"the first time after a change {seconds[0] * 1e3:.0f} ms"
        say(name, f"{later:.0f} ms, {first}, {len(found):,} items")

    for text in FILTERS:
        parsed = where.parse(text)
        clock(
            f"filter `{text}`",
            lambda index, parsed=parsed: where.select(parsed, index, place.numbers),
        )
    for text in ("brand77 dress", "dress for women"):
        clock(f"words of titles, “{text}”", lambda index, text=text: words(index, text))


if __name__ == "__main__":
    main()
