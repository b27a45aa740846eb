"""Rows a second and memory of ``fashiontag import``: ``python -m benchmarks.feeds``.

A Shopify CSV of a thousand rows and one of a million are made, four rows a product with quotes and
line breaks in their HTML, and imported by a process of their own each, without downloads. Writes
``benchmarks/results/feeds.md``.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import markdown, products
from benchmarks.paths import RESULTS

HEADER = (
    *("Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name"),
    *("Option1 Value", "Variant SKU", "Variant Price", "Image Src", "Image Position"),
    *("Variant Image", "Status"),
)
BODY = '<p>Soft, "combed" cotton<br>\n machine wash</p>'
SIZES = ("S", "M", "L", "XL")


def write(path: Path, rows: int) -> None:
    """Write a feed of so many rows: four sizes a product, three photos."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(HEADER)
        for number in range(rows):
            product, at = divmod(number, len(SIZES))
            head = (f"Shirt no. {product}", BODY, "Vendor", "Shirts", "new, cotton", "TRUE", "Size")
            picture = f"https://cdn.shop.example/files/{product}_{at % 3}.jpg?v=16"
            own = head if at == 0 else [""] * len(head)
            image = (picture, at + 1) if at < 3 else ("", "")
            sold = SIZES[at], f"SKU-{product}-{at}", "19.90"
            table.writerow((f"product-{product}", *own, *sold, *image, picture, "active"))


def measure(folder: Path, rows: int) -> list[str]:
    """Import a feed of so many rows and return a line of the table."""
    feed = folder / f"{rows}.csv"
    write(feed, rows)
    began = time.monotonic()
    command = [sys.executable, "-m", "fashiontag", "import", str(feed), "--no-download"]
    child = subprocess.Popen([*command, "--out", str(folder / f"{rows}")])
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    if status:
        raise SystemExit(f"import of {rows:,} rows failed")
    cpu = usage.ru_utime + usage.ru_stime
    peak = usage.ru_maxrss / 1024
    return [f"{rows:,}", f"{seconds:.2f}", f"{cpu:.2f}", f"{rows / seconds:,.0f}", f"{peak:.0f}"]


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        rows = [measure(Path(scratch), count) for count in (1_000, 1_000_000)]
    table = markdown.table(["rows", "s", "CPU s", "rows a second", "peak MB"], rows)
    head = [
        "# Feeds",
        "",
        f"`python -m benchmarks.feeds` · {products.made_with(data=False)}",
        "",
        *table,
    ]
    markdown.write(RESULTS / "feeds.md", head)


if __name__ == "__main__":
    main()
