"""A source in parts, for people who train their own: no family is in two of them."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.catalog.families import find_families
from fashiontag.catalog.imported import is_imported
from fashiontag.catalog.items import FileRef
from fashiontag.errors import ImageError, UsageError
from fashiontag.names import fold
from fashiontag.sinks.partfile import new_folder
from fashiontag.workspace.embed import content_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Item

PARTS = ("train", "validation", "test")

_FIXED = ("id", "path", "title", "family")


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """What a split made.

    Attributes
    ----------
    out : Path
    products, families : Mapping of str to int
        By part.
    largest : int
        Products of the largest family: parts can't be evener than it lets them.
    warnings : tuple of str
    """

    out: Path
    products: Mapping[str, int]
    families: Mapping[str, int]
    largest: int
    warnings: tuple[str, ...]


def split_source(
    catalog: Catalog,
    out: Path,
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> SplitSummary:
    """Write ``train.csv``, ``validation.csv`` and ``test.csv``.

    Products of one family, by `find_families`, are in one part: the same picture, titles of one
    style, photos of one imported product. Rows are ``id``, ``path`` (from the tables' folder),
    ``title``, ``family`` and what else the source's table has, in the source's order.

    Parameters
    ----------
    catalog : Catalog
        Every picture is read, none is encoded.
    out : Path
        A new folder.
    shares : sequence of 3 float
        What of the products goes where; they add up to 1.
    seed : int
        Another one draws other families.
    advance : callable or None
        Called with the number of products that were read since.

    Raises
    ------
    UsageError
        The shares can't be, or the folder is there.
    OutputError
        It can't be written.
    """
    if len(shares) != len(PARTS) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise UsageError(
            f"--parts {','.join(f'{share:g}' for share in shares)}: give the shares of "
            f"{', '.join(PARTS)}, which add up to 1, as in .8,.1,.1."
        )
    items, keys = catalog.items, []
    with new_folder(out) as folder:
        for item in items:
            keys.append(_content(item))
            if advance is not None:
                advance(1)
        of_feed = is_imported(catalog.root)
        products = [item.fields["product"] for item in items] if of_feed else None
        families = find_families(keys, [item.text for item in items], products)
        parts = draw_parts(families, shares, seed)
        for number, name in enumerate(PARTS):
            chosen = np.flatnonzero(parts == number)
            _write(
                folder / f"{name}.csv", out, [(items[at], families[at]) for at in chosen.tolist()]
            )
    unread = keys.count(None)
    return SplitSummary(
        out,
        {name: int((parts == number).sum()) for number, name in enumerate(PARTS)},
        {name: len(set(families[parts == number])) for number, name in enumerate(PARTS)},
        int(np.bincount(families).max()),
        (f"{unread:,} pictures can't be read; only titles tell their families.",) if unread else (),
    )


def draw_parts(
    families: NDArray[np.int64], shares: Sequence[float], seed: int
) -> NDArray[np.int64]:
    """Give every product a part, families whole.

    Families come in random order, each to the part that lacks the largest share of what it is to
    have, of those that it fits into.

    Parameters
    ----------
    families : ndarray of shape (n,), int64, from 0 without gaps
    shares : sequence of k float
        They add up to 1.
    seed : int

    Returns
    -------
    ndarray of shape (n,), int64, in [0, k)
    """
    sizes = np.bincount(families)
    wanted = np.asarray(shares) * len(families)
    room = wanted.copy()
    part_of = np.empty(len(sizes), np.int64)
    for family in np.random.default_rng(seed).permutation(len(sizes)):
        fits = (room >= sizes[family]) & (wanted > 0)
        lacks = np.where(fits, room / np.maximum(wanted, 1e-9), -np.inf)
        part = int((lacks if fits.any() else room).argmax())
        part_of[family] = part
        room[part] -= sizes[family]
    return part_of[families]


def _content(item: Item) -> str | None:
    try:
        return content_key(item.image.read())
    except ImageError:
        return None


def _write(path: Path, out: Path, rows: Sequence[tuple[Item, np.int64]]) -> None:
    """Write one part; its paths lead from `out`, where it is going to be."""
    fixed = set(map(fold, _FIXED))
    more = dict.fromkeys(
        name for item, _ in rows for name in item.fields if fold(name) not in fixed
    )
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow((*_FIXED, *more))
        for item, family in rows:
            fields = (item.fields.get(name, "") for name in more)
            table.writerow((item.id, _path_from(out, item), item.title, family, *fields))


def _path_from(folder: Path, item: Item) -> str:
    if not isinstance(item.image, FileRef):
        return item.path
    try:
        return os.path.relpath(item.image.locator, folder)
    except ValueError:  # another drive of Windows
        return item.image.locator
