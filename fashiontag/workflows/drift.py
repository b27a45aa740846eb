"""What changed between two runs: shares of labels, new styles, and whether tags are still right."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from math import erfc, sqrt
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.catalog.tables import read_table
from fashiontag.catalog.tagtables import TAGS, TagRow, TagTable, read_tag_table
from fashiontag.errors import FashiontagError, UsageError
from fashiontag.index import alike
from fashiontag.labels import load_labels
from fashiontag.names import fold
from fashiontag.words import split, style
from fashiontag.workflows.stats import prevalence
from fashiontag.workspace.decisions import current

if TYPE_CHECKING:
    from fashiontag.workspace import Workspace

FALSE = 0.05
"""Of the labels that are called drifting so many may not be (Benjamini and Hochberg, 1995)."""

EMPTY = "(empty)"

NEAR, FEWEST = 0.5, 5
"""Cosine of pictures, less their mean, that are of one style, and products that make one. Of 22
types of val that were taken out of the labels in turn all are found, .77 of each in one cluster
on average and the rest in one or two; what is left empty otherwise makes one."""


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
class NewStyle:
    """Products that look alike, were not there before, and that no label of the main group fits.

    ``words`` are those that most of their titles share, and ``ids`` the products.
    """

    words: tuple[str, ...]
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """What changed.

    Attributes
    ----------
    old, new : int
        Products.
    changes : tuple of Change
        The largest first, those that drift before the others.
    styles : tuple of NewStyle
        The largest first; only a workspace knows what products look like.
    promise : str
        What is known of whether tags are as right as they were, and from what.
    """

    old: int
    new: int
    changes: tuple[Change, ...]
    styles: tuple[NewStyle, ...]
    promise: str


def drift(old: str, new: str | None = None, workspace: Workspace | None = None) -> Drift:
    """Compare two tables of tags, or one with what a workspace holds now.

    A family counts as one draw: its products are of one style by their titles.

    Parameters
    ----------
    old : str
        A table of `tag`.
    new : str or None
        A later one; None is what is indexed in the workspace.
    workspace : Workspace or None
        Knows pictures, and what people decided.

    Raises
    ------
    UsageError, CatalogError
        A table can't be read, or they have no group in common.
    """
    before = read_tag_table(old)
    if new is not None:
        after = read_tag_table(new)
    elif workspace is not None:
        after = _indexed(workspace)
    else:
        raise UsageError(f"{old} has nothing to be compared with; give a later table too.")
    groups = [g for g in before.groups if fold(g) in map(fold, after.groups)]
    if not groups:
        raise UsageError(
            f"{old} and {after.path} have no group in common; tag both with one label file."
        )
    return Drift(
        len(before.rows),
        len(after.rows),
        _changes(before, after, groups),
        _new_styles(workspace, before, after) if workspace else (),
        (_by_people(workspace, after) if workspace else "") or _by_scores(old, new),
    )


def _indexed(workspace: Workspace) -> TagTable:
    """Return what a workspace holds as a table of tags."""
    rows, groups = [], dict[str, str]()
    for line, item in enumerate(workspace.index.items(workspace.placement().numbers.tolist()), 1):
        found = defaultdict[str, list[str]](list)
        for tag in item.tags:
            group, _, label = tag.partition("=")
            found[fold(group)].append(label)
            groups.setdefault(fold(group), group)
        cells = {group: "|".join(labels) for group, labels in found.items()}
        rows.append(TagRow(line, item.id, {**cells, "title": item.title}))
    return TagTable(str(workspace.path), tuple(groups.values()), tuple(rows))


def _changes(old: TagTable, new: TagTable, groups: list[str]) -> tuple[Change, ...]:
    counted = [_by_family(table, groups) for table in (old, new)]
    found, chances = [], []
    for group, label in sorted(counted[0].keys() | counted[1].keys()):
        (p, u), (q, v) = (
            _share(counts.get((group, label), Counter()), table)
            for counts, table in zip(counted, (old, new), strict=True)
        )
        change, spread = q - p, sqrt(u + v)
        low, high = change - 1.96 * spread, change + 1.96 * spread
        found.append((group, label, p, q, change, low, high))
        chances.append(erfc(abs(change) / spread / sqrt(2)))
    ranked = np.sort(chances)
    kept = np.flatnonzero(ranked <= FALSE * np.arange(1, len(ranked) + 1) / len(ranked))
    limit = ranked[kept[-1]] if len(kept) else -1.0
    changes = [Change(*one, drifts=bool(p <= limit)) for one, p in zip(found, chances, strict=True)]
    return tuple(sorted(changes, key=lambda c: (not c.drifts, -abs(c.change))))


def _family(row: TagRow) -> str:
    return " ".join(style(row.cells.get("title", ""))) or row.id


def _by_family(table: TagTable, groups: list[str]) -> dict[tuple[str, str], Counter[str]]:
    """Return by label how many products of each family have it."""
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in table.rows:
        for group in groups:
            for label in row.labels(group) or (EMPTY,):
                found[group, label][_family(row)] += 1
    return found


def _share(having: Counter[str], table: TagTable) -> tuple[float, float]:
    """Return a share and its variance, families being drawn whole (a ratio estimator).

    A label that no product has is given the variance of one product with it.
    """
    sizes = Counter(map(_family, table.rows))
    total = len(table.rows)
    share = sum(having.values()) / total
    off = sum((having[family] - share * size) ** 2 for family, size in sizes.items())
    return share, max(off, 1.0) / total**2


def _new_styles(workspace: Workspace, old: TagTable, new: TagTable) -> tuple[NewStyle, ...]:
    """Group the pictures of products that are new and that nothing of the main group fits."""
    main = {_main_group(source.labels) or new.groups[0] for source in workspace.index.sources()}
    known = {row.id for row in old.rows}
    empty = {row.id for row in new.rows if not any(row.labels(group) for group in main)} - known
    placement = workspace.placement()
    items = workspace.index.items(placement.numbers.tolist())
    places = [at for at, item in enumerate(items) if item.id in empty and placement.images[at] >= 0]
    if not places:
        return ()
    rows = placement.images[places]
    leaders, _ = alike(workspace.images.matrix(), rows, workspace.mean("image"), NEAR)
    found = []
    for leader in np.flatnonzero(np.bincount(leaders) >= FEWEST):
        members = [items[places[at]] for at in np.flatnonzero(leaders == leader)]
        words = Counter(word for item in members for word in set(split(item.title)))
        most = [word for word, count in words.most_common(5) if count > len(members) / 2]
        found.append(NewStyle(tuple(most), tuple(item.id for item in members)))
    return tuple(sorted(found, key=lambda style: -len(style.ids)))


def _main_group(labels: str) -> str:
    try:
        main = load_labels(labels).main
    except FashiontagError:  # a user's own: the index knows its name only
        return ""
    return main.name if main else ""


def _by_people(workspace: Workspace, new: TagTable) -> str:
    """Say how many of the program's answers stood where people looked at them; "" for none."""
    ids = {row.id for row in new.rows}
    looked = [
        set(event.was) <= set(event.labels)
        for event in current(workspace.path)
        if event.was and event.labels is not None and event.item in ids
    ]
    if not looked:
        return ""
    share, low, high = prevalence(sum(looked), len(looked))
    return (
        f"People looked at {len(looked):,} answers and left {share:.1%} as they were "
        f"(95 % interval {low:.1%} to {high:.1%}), of those that they looked at."
    )


def _by_scores(old: str, new: str | None) -> str:
    """Say how the scores of published tags moved, where both tables have them."""
    means = [_mean_score(path) if path else None for path in (old, new)]
    if means[0] is None or means[1] is None:
        return (
            "Nobody corrected tags here, and only .jsonl and .parquet say how sure tags were: no "
            "word on whether a promised precision holds."
        )
    return (
        f"Nobody corrected tags here. By their scores published tags were right in {means[0]:.1%} "
        f"and are in {means[1]:.1%}: a promise holds as far as scores are to be believed."
    )


def _mean_score(path: str) -> float | None:
    table = read_table(path, ("id", TAGS))
    at = table.columns.index(TAGS) if TAGS in table.columns else None
    cells = [row.cells[at] for row in table.rows if not row.ragged] if at is not None else []
    scores = [
        tag["score"]
        for cell in cells
        if cell.startswith("[")
        for tag in json.loads(cell)
        if tag.get("decision") in ("publish", None)
    ]
    return float(np.mean(scores)) if scores else None
