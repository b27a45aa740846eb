"""What does an item cost when there are many? ``python -m benchmarks.scale``.

``fashiontag tag`` and one ``fashiontag search`` over 1,000, 10,000 and 100,000 photos, each a copy
of a real one with its own JPEG comment, so that contents differ and every one is encoded. Time, and
peak memory of the process, per size. Written to ``benchmarks/results/scale.md``.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import markdown, products
from benchmarks.catalogue import Run, measured_process, tag
from benchmarks.paths import RESULTS
from fashiontag.encoders import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULT = RESULTS / "scale.md"
SIZES = (1_000, 10_000, 100_000)
PER_FOLDER = 1_000


def with_comment(jpeg: bytes, comment: str) -> bytes:
    """Put a comment segment behind a JPEG's first marker: other bytes, the same picture."""
    text = comment.encode("ascii")
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def make(folder: Path, originals: Sequence[Path], count: int) -> None:
    """Write ``count`` copies, a thousand a folder."""
    for number, path in zip(range(count), cycle(originals), strict=False):
        place = folder / f"{number // PER_FOLDER:03d}"
        place.mkdir(parents=True, exist_ok=True)
        copy = with_comment(path.read_bytes(), f"copy {number}")
        (place / f"{number:06d}.jpg").write_bytes(copy)


def search_peak(workspace: Path) -> float:
    """Return the peak memory in megabytes of a search by words in a process of its own."""
    place = ["--workspace", str(workspace)]
    return measured_process("search", "red dress", "--json", "--no-daemon", *place).peak_megabytes


@dataclass(frozen=True)
class Round:
    """What a first run, a second run and a search took."""

    first: Run
    again: Run
    search_megabytes: float


def round_of(scratch: Path, number: int) -> Round:
    """Tag twice and search once, in a fresh workspace."""
    workspace = f"workspace-{number}"
    first = tag(scratch / "photos", scratch, workspace)
    again = tag(scratch / "photos", scratch, workspace)
    return Round(first, again, search_peak(scratch / workspace))


def main() -> None:
    """Measure every size; write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    originals = sorted((products.data_folder() / "fashion-products" / "images").glob("*.jpg"))
    rows: list[list[str]] = []
    smaller = (0, 0.0)
    with tempfile.TemporaryDirectory() as name:
        for size in options.sizes:
            scratch = Path(name) / str(size)
            make(scratch / "photos", originals, size)
            done = [round_of(scratch, number) for number in range(options.rounds)]
            further = [(run.first.seconds - smaller[1]) / (size - smaller[0]) for run in done]
            rows.append(
                [
                    f"{size:,}",
                    markdown.spread([run.first.seconds for run in done], 1),
                    markdown.spread([1000 * value for value in further], 2),
                    markdown.spread([run.first.peak_megabytes for run in done], 0),
                    markdown.spread([run.again.seconds for run in done], 1),
                    markdown.spread([run.again.peak_megabytes for run in done], 0),
                    markdown.spread([run.search_megabytes for run in done], 0),
                ]
            )
            smaller = (size, float(np.median([run.first.seconds for run in done])))
            print(" | ".join(rows[-1]), flush=True)
            shutil.rmtree(scratch)
    head = ["items", "first run, s", "ms a further item", "peak, MB", "second run, s", "peak, MB"]
    lines = [
        "# Scale", "",
        "`python -m benchmarks.scale`: the embedded model, pictures alone; seconds of the whole "
        "process, imports included. A further item is one beyond the size above, so that what a "
        "run costs anyway counts in the first row only; the last column is a search's peak "
        f"memory. Medians of {options.rounds} rounds [least, most].", "",
        f"Made with {products.made_with(resolve())}.", "",
        *markdown.table([*head, "search, MB"], rows), "",
    ]  # fmt: skip
    markdown.write(options.out, lines)


if __name__ == "__main__":
    main()
