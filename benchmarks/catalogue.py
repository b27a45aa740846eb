"""``fashiontag tag`` over all 21,447 photos, as a user runs it: ``python -m benchmarks.catalogue``.

Rows, errors, time and peak memory of a first and a second run; the broken files; and whether a
product's tags are the same alone, in a folder of its like, and in the whole folder. Written to
``benchmarks/results/catalogue.md``.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import markdown, products
from benchmarks.paths import RESULTS
from fashiontag.encoders import resolve

RESULT = RESULTS / "catalogue.md"
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

    output: str
    seconds: float
    peak_megabytes: float


# A process begins with the peak of the one that started it: this small one keeps the peak of the
# benchmark, which holds whole tables, out of the figure.
_LAUNCH = """
import os, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured_process(*arguments: str) -> Process:
    """Run ``fashiontag`` in a process of its own; end this one if it fails."""
    command = [sys.executable, "-m", "fashiontag", *arguments]
    with tempfile.NamedTemporaryFile("r") as peak:
        launcher = [sys.executable, "-S", "-c", _LAUNCH, peak.name, *command]
        started = time.monotonic()
        done = subprocess.run(launcher, stdout=subprocess.PIPE, text=True, check=False)
        seconds = time.monotonic() - started
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}")
        return Process(done.stdout, seconds, int(peak.read()) / 1024)


def tag(source: Path, scratch: Path, workspace: str, *arguments: str) -> Run:
    """Run ``fashiontag tag`` in a process of its own and measure it."""
    out = scratch / "tags.csv"
    places = ["--out", str(out), "--workspace", str(scratch / workspace)]
    done = measured_process("tag", str(source), "--json", *places, *arguments)
    with out.open(encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    return Run(json.loads(done.output), done.seconds, done.peak_megabytes, rows)


def measured(name: str, runs: list[Run]) -> list[str]:
    summary = runs[0].summary
    return [
        name,
        f"{summary['items']:,}",
        f"{len(runs[0].rows):,}",
        f"{summary['errors']}",
        f"{summary['encoded']:,}",
        markdown.spread([run.seconds for run in runs], 1),
        markdown.spread([run.peak_megabytes for run in runs], 0),
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
    for product in chosen:
        shutil.copy(images / f"{product}.jpg", like)
    titles = ("--titles", str(images.parent / "styles.csv"), "--labels", "fashion-products")
    folder = tag(like, scratch, "like-workspace", *titles)
    differ_folder = [i for i in folder.rows if folder.rows[i]["tags"] != whole.rows[i]["tags"]]
    differ_alone = []
    for number, product in enumerate(chosen[:ALONE]):
        name = f"{product}.jpg"
        alone = tag(images / name, scratch, f"alone-{number}", *titles)
        if alone.rows[name]["tags"] != whole.rows[name]["tags"]:
            differ_alone.append(name)
    return (
        f"A product's tags, whole folder against a folder of {len(folder.rows)} test photos of "
        f"{kind}: {len(differ_folder)} differ; against {min(ALONE, len(chosen))} of them tagged "
        f"alone: {len(differ_alone)} differ."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    data = products.data_folder()
    images = data / "fashion-products" / "images"
    titles = ("--titles", str(images.parent / "styles.csv"), "--labels", "fashion-products")
    first, second, other, broken = [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for number in range(options.rounds):
            first.append(tag(images, scratch, f"workspace-{number}", *titles))
            second.append(tag(images, scratch, f"workspace-{number}", *titles))
            other.append(tag(images, scratch, f"workspace-{number}", *titles[:2]))
            broken.append(tag(data / "broken", scratch, f"broken-{number}"))
        rows = [
            measured("21,447 photos, first run", first),
            measured("the same again", second),
            measured("the same, another label file", other),
            measured("`broken/`", broken),
        ]
        same = same_tags(images, first[0], scratch)
    faster = [run.seconds / again.seconds for run, again in zip(first, second, strict=True)]
    alike = all(run.rows == first[0].rows for run in (*first, *second))
    reasons = [[row["id"], row["message"]] for row in broken[0].rows.values() if row["message"]]
    markdown.write(
        RESULT,
        [
            "# The whole catalogue through the command line",
            "",
            f"`python -m benchmarks.catalogue` · {products.made_with(resolve())}",
            "",
            f"Titles from `styles.csv`; medians of {options.rounds} rounds [least, most].",
            "",
            *markdown.table(
                ["run", "items", "rows", "errors", "encoded", "seconds, whole process", "peak MB"],
                rows,
            ),
            "",
            f"The second run was {markdown.spread(faster, 0)} times as fast as the first. The rows "
            f"of all are {'the same' if alike else 'NOT the same'}.",
            "",
            same,
            "",
            "Error rows of `broken/`:",
            "",
            *markdown.table(["item", "reason"], reasons),
            "",
        ],
    )


if __name__ == "__main__":
    main()
