"""Titles joined to items: which row of a table belongs to which picture."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from fashiontag.catalog.items import Words
from fashiontag.catalog.tables import Columns, Row, Table, read_table
from fashiontag.errors import CatalogError
from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic"),
)
_SPREADSHEET_NUMBER = re.compile(r"(\d+)\.0+")


class Matcher:
    """Finds the id that a table's key means.

    A key is compared with the whole id, then with its last parts (the file name, or the key
    without its leading folders), then the same without the image's ending. Case, backslashes,
    Unicode form and a spreadsheet's ``.0`` are forgiven; the first comparison that fits decides.

    Parameters
    ----------
    ids : sequence of str
        The ids of a source, each once.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = frozenset(ids)
        self._names = _Names(ids, _fold)
        self._stems = _Names(ids, lambda item_id: _stem(_fold(item_id)))

    def find(self, key: str) -> list[str]:
        """Return the ids that the key fits: none, one, or several that can't be told apart."""
        if key in self._ids:
            return [key]
        folded = _fold(key)
        found = self._find(folded)
        number = _SPREADSHEET_NUMBER.fullmatch(folded)
        return found or (self._find(number.group(1)) if number else [])

    def _find(self, folded: str) -> list[str]:
        return self._names.whole.get(folded) or self._names.find(folded) or self._stems.find(folded)


class _Names:
    """The ids of a source by one spelling, whole and without their leading folders."""

    def __init__(self, ids: Sequence[str], spelling: Callable[[str], str]) -> None:
        self.whole: dict[str, list[str]] = defaultdict(list)
        self._tails: dict[str, list[str]] = defaultdict(list)
        for item_id in ids:
            name = spelling(item_id)
            self.whole[name].append(item_id)
            for tail in _tails(name):
                self._tails[tail].append(item_id)

    def find(self, key: str) -> list[str]:
        # the key's own leading folders: the table says images/a.jpg, the source is images/
        shorter = next((self.whole[tail] for tail in _tails(key) if tail in self.whole), [])
        return [*self.whole.get(key, ()), *self._tails.get(key, ()), *shorter]


def join_titles(
    path: str, ids: Sequence[str], columns: Columns
) -> tuple[Mapping[str, Words], tuple[str, ...]]:
    """Read a titles table and join it to the ids of a source.

    Parameters
    ----------
    path : str
        The table.
    ids : sequence of str
        The ids of the source.
    columns : Columns
        The columns that a user named.

    Returns
    -------
    words : Mapping of str to Words
        By key; the key of a row that names a picture is its id.
    warnings : tuple of str

    Raises
    ------
    UsageError
        There is no such table, or it lacks a column that was asked for.
    CatalogError
        It has no key or title column, one key has two different titles, or one key fits two
        images.
    """
    table = read_table(path, (columns.id, columns.title))
    key_at = table.needed_column("id", columns.id)
    title_at = table.needed_column("title", columns.title)
    products = WordsPerKey(path)
    unknown = []
    for row, key, item_id in joined_rows(table, key_at, ids):
        if item_id is None:
            unknown.append(key)
        words = Words(row.cells[title_at].strip(), other_cells(table, row, {key_at, title_at}))
        products.add(item_id or key, words, row.line)
    keyless = [row.line for row in table.rows if not row.ragged and not row.cells[key_at].strip()]
    return products.words, (
        *unknown_warning(table, unknown),
        *counted(path, keyless, f"rows have no {table.columns[key_at]!r}: line"),
        *ragged_warning(table),
    )


def joined_rows(
    table: Table, key_at: int, ids: Sequence[str]
) -> Iterator[tuple[Row, str, str | None]]:
    """Yield every row that has a key, its key, and the id that the key means, if any.

    Raises
    ------
    CatalogError
        A key fits two images.
    """
    matcher = Matcher(ids)
    for row in table.rows:
        key = "" if row.ragged else row.cells[key_at].strip()
        if not key:
            continue
        found = matcher.find(key)
        if len(found) > 1:
            raise CatalogError(
                f"{table.path}, line {row.line}: the key {key!r} fits two images, {found[0]} and "
                f"{found[1]}; write the whole path of the one that is meant."
            )
        yield row, key, found[0] if found else None


class WordsPerKey:
    """What a table says of each key: one title, and an empty title contradicts none."""

    def __init__(self, path: str) -> None:
        self.words: dict[str, Words] = {}
        self._path = path
        self._lines: dict[str, int] = {}

    def add(self, key: str, words: Words, line: int) -> bool:
        """Return whether the key was there before; raise `CatalogError` on a second title.

        The first words count, unless they have no title and later ones do.
        """
        before = self.words.get(key)
        if before is None or (words.title and not before.title):
            self.words[key], self._lines[key] = words, line
        elif words.title not in ("", before.title):
            raise CatalogError(
                f"{self._path} has two different titles for {key!r}: {_short(before.title)!r} in "
                f"line {self._lines[key]} and {_short(words.title)!r} in line {line}; keep one of "
                "them."
            )
        return before is not None


def other_cells(table: Table, row: Row, taken: Collection[int | None]) -> dict[str, str]:
    """Return the cells of the columns that are not in `taken`, by column name."""
    return {
        name: cell
        for place, (name, cell) in enumerate(zip(table.columns, row.cells, strict=True))
        if place not in taken and name
    }


def counted(path: str, values: Sequence[object], what: str) -> tuple[str, ...]:
    """Return one sentence on a table, with the count of the values and the first few; none if none.

    Parameters
    ----------
    path : str
    values : sequence
        Lines or keys.
    what : str
        What they are, between their count and themselves.
    """
    return (f"{path}: {len(values)} {what} {first_few(values)}.",) if values else ()


def unknown_warning(table: Table, keys: Sequence[str]) -> tuple[str, ...]:
    """Say which keys name no image, if any."""
    return counted(table.path, keys, f"of {len(table.rows)} rows match no image:")


def ragged_warning(table: Table, what: str = "title") -> tuple[str, ...]:
    """Say which lines could not be taken apart and gave no title, if any."""
    lines = [row.line for row in table.rows if row.ragged]
    if not lines:
        return ()
    warning = (
        f"{table.path}: no {what} from {len(lines)} line{'s' * (len(lines) > 1)} without the "
        f"{len(table.columns)} cells of the header: line {first_few(lines)}."
    )
    return (warning,)


def first_few(values: Sequence[object], most: int = 5) -> str:
    """Name the first values and say that there are more."""
    return ", ".join(map(str, values[:most])) + (", …" if len(values) > most else "")


def _short(title: str) -> str:
    return title if len(title) <= 60 else title[:59] + "…"


def _fold(name: str) -> str:
    return fold(name.replace("\\", "/")).removeprefix("./").lstrip("/")


def _stem(name: str) -> str:
    # Only an image's ending: "shoe.v2" from a table that names no endings is a stem already.
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 (twice as fast, for every id)
    return stem if suffix in IMAGE_SUFFIXES else name


def _tails(name: str) -> list[str]:
    """Return what is left without one, two, … leading folders, longest first."""
    if "/" not in name:
        return []
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(1, len(parts))]
