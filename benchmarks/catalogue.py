"""``fashiontag tag`` over all 21,447 photos, as a user runs it: ``python -m benchmarks.catalogue``.

Rows, errors, time and peak memory of a first and a second run; the broken files; and whether a
product's tags are the same alone, in a folder of its like, and in the whole folder. Written to
``benchmarks/results/catalogue.md``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import products
from benchmarks.zeroshot import table

RESULT = products.ROOT / "benchmarks" / "results" / "catalogue.md"
ALONE = 12
FOLDER = 300


@dataclass(frozen=True)
class Run:
    """What one run of the command did and took."""

    summary: dict[str, object]
    seconds: float
    peak_megabytes: float
    rows: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Process:
    """What one process of the program printed and took."""

    said: str
    seconds: float
    peak_megabytes: float


def measured_process(*arguments: str) -> Process:
    """Run ``fashiontag`` in a process of its own; end this one if it fails."""
    command = [sys.executable, "-m", "fashiontag", *arguments]
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return Process(said, time.monotonic() - started, usage.ru_maxrss / 1024)


def tag(source: Path, scratch: Path, workspace: str, *arguments: str) -> Run:
    """Run ``fashiontag tag`` in a process of its own and measure it."""
    out = scratch / "tags.csv"
    places = ["--out", str(out), "--workspace", str(scratch / workspace)]
    done = measured_process("tag", str(source), "--json", *places, *arguments)
    with out.open(encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    return Run(json.loads(done.said), done.seconds, done.peak_megabytes, rows)


def measured(name: str, run: Run) -> list[str]:
    summary = run.summary
    return [
        name,
        f"{summary['items']:,}",
        f"{len(run.rows):,}",
        f"{summary['errors']}",
        f"{summary['encoded']:,}",
        f"{run.seconds:.1f}",
        f"{run.peak_megabytes:,.0f}",
    ]


def same_tags(images: Path, whole: Run, scratch: Path) -> str:
    """Tag some photos of the catalogue alone, and in a folder of their like; compare the tags."""
    test = products.load(["test"])
    rng = np.random.default_rng(0)
    kinds = test.attributes["articleType"]
    kind = "Tshirts"
    like = scratch / "like"
    like.mkdir()
    chosen = rng.permutation(test.ids[kinds == kind])[:FOLDER]
    for one in chosen:
        shutil.copy(images / f"{one}.jpg", like)
    titles = ("--titles", str(images.parent / "styles.csv"), "--labels", "fashion-products")
    folder = tag(like, scratch, "like-workspace", *titles)
    differ_folder = [i for i in folder.rows if folder.rows[i]["tags"] != whole.rows[i]["tags"]]
    differ_alone = []
    for number, one in enumerate(chosen[:ALONE]):
        alone = tag(images / f"{one}.jpg", scratch, f"alone-{number}", *titles)
        name = f"{one}.jpg"
        if alone.rows[name]["tags"] != whole.rows[name]["tags"]:
            differ_alone.append(name)
    return (
        f"A product's tags, whole folder against a folder of {len(folder.rows)} test photos of "
        f"{kind}: {len(differ_folder)} differ; against {min(ALONE, len(chosen))} of them tagged "
        f"alone: {len(differ_alone)} differ."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    data = products.data_folder()
    images = data / "fashion-products" / "images"
    titles = ("--titles", str(images.parent / "styles.csv"), "--labels", "fashion-products")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        first = tag(images, scratch, "workspace", *titles)
        second = tag(images, scratch, "workspace", *titles)
        other = tag(images, scratch, "workspace", *titles[:2])
        broken = tag(data / "broken", scratch, "broken-workspace")
        rows = [
            measured("21,447 photos, first run", first),
            measured("the same again", second),
            measured("the same, another label file", other),
            measured("`broken/`", broken),
        ]
        same = same_tags(images, first, scratch)
    reasons = [[row["id"], row["message"]] for row in broken.rows.values() if row["message"]]
    text = "\n".join(
        [
            "# The whole catalogue through the command line",
            "",
            f"`python -m benchmarks.catalogue` · {os.cpu_count()} cores, embedded model, titles "
            "from `styles.csv`, one run each.",
            "",
            *table(
                ["run", "items", "rows", "errors", "encoded", "seconds, whole process", "peak MB"],
                rows,
            ),
            "",
            f"The second run took 1/{first.seconds / second.seconds:.0f} of the first. The rows of "
            f"both are {'the same' if first.rows == second.rows else 'NOT the same'}.",
            "",
            same,
            "",
            "Error rows of `broken/`:",
            "",
            *table(["item", "reason"], reasons),
            "",
        ]
    )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
