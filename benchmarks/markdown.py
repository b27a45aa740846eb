"""The pages of benchmarks/results: tables and figures in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from benchmarks.lab.bootstrap import Interval


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def spread(values: Sequence[float], digits: int) -> str:
    """Write the median of some measurements with the least and the most."""
    middle, least, most = (
        f"{value:,.{digits}f}" for value in (np.median(values), min(values), max(values))
    )
    return f"{middle} [{least}, {most}]"


def interval(found: Interval) -> str:
    """Write a figure with its interval."""
    return f"{found.value:.3f} ({found.low:.3f}–{found.high:.3f})"


def write(path: Path, lines: Iterable[str]) -> None:
    """Write a page and print it."""
    text = "\n".join(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    print(text)
