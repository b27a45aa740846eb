"""What is there, and what is missing: counts, shares and cross-tables of what was tagged."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.errors import UsageError
from fashiontag.index.columns import FIELD
from fashiontag.index.where import parse, select
from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fashiontag.index import Index
    from fashiontag.workspace import Workspace

BANDS = 5
"""Into so many equal parts a field of numbers is cut, as prices are, where it has more values."""

MOST = 40
"""Values of a group that are kept; the rest are those of few products."""

GAP, EXPECTED = -3.0, 5.0
"""A cell is a gap if it is this many standard deviations below what its row and column lead to
expect (Haberman's adjusted residual, Biometrics 1973), and at least this many were expected."""

_Z = 1.96


@dataclass(frozen=True, slots=True)
class Share:
    """How many products have a label.

    Attributes
    ----------
    group, label : str
    count : int
    share, low, high : float, in [0, 1]
        Of all products, with a 95 % interval; corrected for errors of tagging where precision and
        recall are known.
    corrected : bool
    """

    group: str
    label: str
    count: int
    share: float
    low: float
    high: float
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """How many products have two labels, and how many had to be expected if one told nothing."""

    row: str
    column: str
    count: int
    expected: float
    residual: float


@dataclass(frozen=True, slots=True)
class Stats:
    """What is there.

    Attributes
    ----------
    products : int
    shares : tuple of Share
        By group, the most common first.
    by : tuple of str
        The two groups of `cells`; () for none.
    cells : tuple of Cell
        A row for each pair of labels.
    gaps : tuple of Cell
        Those far below what is expected, the largest lack first.
    """

    products: int
    shares: tuple[Share, ...]
    by: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    gaps: tuple[Cell, ...] = ()


def stats(
    workspace: Workspace,
    by: Sequence[str] = (),
    where: str | None = None,
    quality: Mapping[str, tuple[float, float, int]] | None = None,
) -> Stats:
    """Count what was tagged.

    Parameters
    ----------
    workspace : Workspace
    by : sequence of str
        No group for all, one or two groups or fields (``table.NAME``).
    where : str or None
        A filter, as `search` takes it.
    quality : Mapping of str to (precision, recall, n), or None
        By ``group=label``, how good tags were found to be on n labelled products.

    Raises
    ------
    QueryError
        The filter can't be read.
    UsageError
        There is no such group, or more than two were named.
    CatalogError
        Nothing is indexed.
    """
    workspace.left_out()
    if len(by) > 2:
        raise UsageError(f"--by {','.join(by)}: give one or two groups or fields.")
    index, numbers = workspace.index, workspace.placement().numbers
    if where:
        numbers = numbers[select(parse(where), index, numbers)]
    known = index.columns()
    names = [_name(name, known) for name in by] or [n for n in known if not n.startswith(FIELD)]
    found = {name: _values(index, name, numbers) for name in names}
    shares = tuple(
        _share(name, label, len(places), len(numbers), (quality or {}).get(f"{name}={label}"))
        for name, values in found.items()
        for label, places in values.items()
    )
    rows, columns = (found[name] for name in (names[0], names[-1])) if names else ({}, {})
    cells = tuple(_crossed(rows, columns, len(numbers))) if len(set(names)) == 2 and by else ()
    gaps = [cell for cell in cells if cell.residual <= GAP and cell.expected >= EXPECTED]
    gaps.sort(key=lambda cell: cell.count - cell.expected)
    return Stats(len(numbers), shares, tuple(names) if cells else (), cells, tuple(gaps))


def prevalence(
    count: int, total: int, quality: tuple[float, float, int] | None = None
) -> tuple[float, float, float]:
    """Return a label's true share with a 95 % interval.

    From the share that was tagged, by Rogan and Gladen (Am. J. Epidemiol. 1978) in the form that
    precision p and recall r allow: true = tagged · p / r. The interval is Wilson's; with quality,
    its width and the errors of p and r, known from n products, add up by the delta method.

    Parameters
    ----------
    count, total : int
    quality : (precision, recall, n), or None
    """
    if not total:
        return 0.0, 0.0, 1.0
    share = count / total
    scale = 1 + _Z**2 / total
    centre = (share + _Z**2 / (2 * total)) / scale
    half = _Z * np.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2)) / scale
    if quality is None or min(quality[:2]) <= 0:
        return share, max(0.0, centre - half), min(1.0, centre + half)
    precision, recall, seen = quality
    factor = precision / recall
    spread = (half / _Z / max(share, 1e-9)) ** 2
    for rate in (precision, recall):
        smoothed = (rate * seen + 1) / (seen + 2)
        spread += (1 - smoothed) / (smoothed * (seen + 2))
    wide = _Z * np.sqrt(spread) * share * factor
    true = min(1.0, share * factor)
    return true, max(0.0, true - wide), min(1.0, true + wide)


def _share(
    group: str, label: str, count: int, total: int, quality: tuple[float, float, int] | None
) -> Share:
    true, low, high = prevalence(count, total, quality)
    return Share(group, label, count, float(true), float(low), float(high), quality is not None)


def _name(name: str, known: Sequence[str]) -> str:
    for column in known:
        if fold(column) in (fold(name), fold(FIELD + name)):
            return column
    raise UsageError(f"--by {name}: no such group or field; there are {', '.join(known)}.")


def _values(index: Index, name: str, numbers: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return the places of the items with each value, the most common first; numbers in bands."""
    found = {}
    for value, numeric, items in index.facet(name):
        at = np.searchsorted(numbers, items)
        there = at < len(numbers)
        places = at[there][numbers[at[there]] == items[there]]
        if len(places):
            found[value] = numeric, places
    numerics = [numeric for numeric, _ in found.values() if numeric is not None]
    if len(numerics) > 2 * BANDS and len(numerics) > 0.9 * len(found):
        each = np.concatenate([np.full(len(p), x) for x, p in found.values() if x is not None])
        edges = np.unique(np.quantile(each, np.linspace(0, 1, BANDS + 1)))
        banded = {}
        for low, high in pairwise(edges.tolist()):
            last = high == edges[-1]
            inside = [
                places
                for x, places in found.values()
                if x is not None and low <= x and (x < high or (last and x <= high))
            ]
            if inside:
                banded[f"{low:g} to {high:g}"] = np.concatenate(inside)
        return banded
    most = sorted(found.items(), key=lambda pair: -len(pair[1][1]))[:MOST]
    return {value: places for value, (_, places) in most}


def _crossed(
    rows: dict[str, NDArray[np.int64]], columns: dict[str, NDArray[np.int64]], total: int
) -> list[Cell]:
    cells = []
    marks = {name: np.bincount(places, minlength=total) > 0 for name, places in columns.items()}
    for row, places in rows.items():
        for column, having in marks.items():
            count, share = int(having[places].sum()), having.mean()
            expected = len(places) * share
            spread = np.sqrt(expected * (1 - len(places) / total) * (1 - share))
            residual = (count - expected) / spread if spread else 0.0
            cells.append(Cell(row, column, count, float(expected), float(residual)))
    return cells
