"""What changed between two runs: shares of labels, and how sure the tags were."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.catalog.tagtables import TAGS, read_tag_table
from fashiontag.errors import UsageError
from fashiontag.names import fold
from fashiontag.words import style

if TYPE_CHECKING:
    from fashiontag.catalog.tagtables import TagTable

FALSE = 0.05
"""Of the labels that are called drifting so many may not be (Benjamini and Hochberg, 1995)."""

EMPTY = "(empty)"


@dataclass(frozen=True, slots=True)
class Change:
    """How a label's share changed.

    Attributes
    ----------
    group, label : str
        The label is `EMPTY` where none of the group was given.
    old, new : float, in [0, 1]
    change, low, high : float
        The difference with its 95 % interval over families.
    drifts : bool
        Whether it is more than chance would do among so many labels.
    """

    group: str
    label: str
    old: float
    new: float
    change: float
    low: float
    high: float
    drifts: bool = False


@dataclass(frozen=True, slots=True)
class Drift:
    """What changed: products of both, labels with the largest changes first, and a word on it."""

    old: int
    new: int
    changes: tuple[Change, ...]
    note: str


def drift(old: str, new: str) -> Drift:
    """Compare two tables of tags.

    A family counts as one draw: its products are of one style by their titles.

    Raises
    ------
    UsageError, CatalogError
        A table can't be read, or they have no group in common.
    """
    tables = [read_tag_table(path) for path in (old, new)]
    groups = [g for g in tables[0].groups if fold(g) in map(fold, tables[1].groups)]
    if not groups:
        raise UsageError(f"{old} and {new} have no group in common; tag both with one label file.")
    before, after = (_counted(table, groups) for table in tables)
    found, chances = [], []
    for group, label in sorted(before.keys() | after.keys()):
        (p, u), (q, v) = (
            _share(counts.get((group, label), Counter()), table)
            for counts, table in zip((before, after), tables, strict=True)
        )
        spread = float(np.sqrt(u + v))
        change = q - p
        found.append(
            Change(group, label, p, q, change, change - 1.96 * spread, change + 1.96 * spread)
        )
        chances.append(_tail(abs(change) / spread if spread else 0.0))
    order = np.argsort(chances)
    ranked = np.array(chances)[order]
    limits = FALSE * np.arange(1, len(ranked) + 1) / len(ranked)
    kept = np.flatnonzero(ranked <= limits)
    drifting = set(order[: kept[-1] + 1].tolist()) if len(kept) else set()
    changes = [
        Change(c.group, c.label, c.old, c.new, c.change, c.low, c.high, at in drifting)
        for at, c in enumerate(found)
    ]
    changes.sort(key=lambda c: (not c.drifts, -abs(c.change)))
    return Drift(len(tables[0].rows), len(tables[1].rows), tuple(changes), _note(*tables))


def _tail(z: float) -> float:
    from math import erfc, sqrt

    return erfc(z / sqrt(2))


def _families(table: TagTable) -> list[str]:
    return [" ".join(style(row.cells.get("title", ""))) or row.id for row in table.rows]


def _counted(table: TagTable, groups: list[str]) -> dict[tuple[str, str], Counter[str]]:
    """Return by label how many products of each family have it."""
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row, family in zip(table.rows, _families(table), strict=True):
        for group in groups:
            for label in row.labels(group) or (EMPTY,):
                found[group, label][family] += 1
    return found


def _share(having: Counter[str], table: TagTable) -> tuple[float, float]:
    """Return a share and its variance, families being drawn whole (a ratio estimator).

    A label that no product has is given the variance of one product with it.
    """
    sizes = Counter(_families(table))
    total = len(table.rows)
    share = sum(having.values()) / total
    off = sum((having[family] - share * size) ** 2 for family, size in sizes.items())
    return share, max(off, 1.0) / total**2


def _note(old: TagTable, new: TagTable) -> str:
    """Say how scores moved, where both tables have them."""
    means = []
    for table in (old, new):
        scores = [s for row in table.rows for s in _scores(row.cells.get(TAGS, ""))]
        means.append(float(np.mean(scores)) if scores else None)
    if None in means:
        return "Neither table says how sure tags were: no word on whether a promise still holds."
    return f"The mean score of tags was {means[0]:.3f} and is {means[1]:.3f}."


def _scores(cell: str) -> list[float]:
    try:
        return [float(tag["score"]) for tag in json.loads(cell)]
    except (ValueError, KeyError, TypeError):
        return []
