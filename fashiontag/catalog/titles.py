"""Titles joined to items: which row of a table belongs to which picture."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from fashiontag.catalog.items import Words
from fashiontag.catalog.kinds import IMAGE_SUFFIXES
from fashiontag.catalog.tables import (
    OWN_NAMES,
    USUAL_NAMES,
    Columns,
    Row,
    Table,
    find_columns,
    read_table,
)
from fashiontag.errors import CatalogError, after
from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

_ENDINGS = frozenset(suffix[1:] for suffix in IMAGE_SUFFIXES)
_SPREADSHEET_NUMBER = re.compile(r"(\d+)\.0+")
# '000123 and ="000123": how people keep a spreadsheet from taking a key for a number
_KEPT_AS_TEXT = re.compile(r"""'(.+)|="(.*)\"""")
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"))
# What the rows of one product have in common, where each row is a picture of it.
_PRODUCT_COLUMNS = ("handle", "item_group_id", "parent sku", "product id", "product", "id", "sku")


class Matcher:
    """Finds the id that a table's key means.

    A key is compared with the whole id, then with its last parts (the file name, or the key
    without its leading folders), then the same without the image's ending. Case, backslashes,
    Unicode form and what spreadsheets do are forgiven (``.0``, ``'`` and ``="…"`` around it, other
    hyphens, leading zeros lost), and an address is its path, or else its last part. The first
    comparison that fits decides.

    Parameters
    ----------
    ids : sequence of str
        The ids of a source, each once.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = frozenset(ids)
        folded = [*map(_fold, ids)]
        self._names, self._stems = _Names(ids, folded), _Names(ids, [*map(_stem, folded)])
        self._numbers: dict[str, list[str]] | None = None

    def find(self, key: str) -> list[str]:
        """Return the ids that the key fits: none, one, or several that can't be told apart."""
        if key in self._ids:
            return [key]
        folded = _fold(key)
        if found := self._find(folded):
            return found
        if "://" in key:  # a shop's folders aren't those here
            return self._find(folded.rpartition("/")[2])
        if kept := _KEPT_AS_TEXT.fullmatch(folded):
            return self.find(kept.group(1) or kept.group(2))
        if number := _SPREADSHEET_NUMBER.fullmatch(folded):
            return self.find(number.group(1))
        return self._unpadded(_stem(folded))

    def _unpadded(self, key: str) -> list[str]:
        """Return the one id that is a number with leading zeros, and without them the key."""
        if not (key.isascii() and key.isdigit()) or key.startswith("0"):
            return []
        if self._numbers is None:
            self._numbers = defaultdict(list)
            for item_id in self._ids:
                name = _stem(_fold(item_id)).rpartition("/")[2]
                if name.startswith("0") and name.isdigit():
                    self._numbers[name.lstrip("0")].append(item_id)
        found = self._numbers.get(key, [])
        return found if len(found) == 1 else []

    def _find(self, folded: str) -> list[str]:
        return self._names.whole.get(folded) or self._names.find(folded) or self._stems.find(folded)


class _Names:
    """The ids of a source by one spelling, whole and without their leading folders."""

    def __init__(self, ids: Sequence[str], spelled: Sequence[str]) -> None:
        self.whole: dict[str, list[str]] = defaultdict(list)
        self._tails: dict[str, list[str]] = defaultdict(list)
        for item_id, name in zip(ids, spelled, strict=True):
            self.whole[name].append(item_id)
            for tail in _tails(name):
                self._tails[tail].append(item_id)

    def find(self, key: str) -> list[str]:
        found = [*self.whole.get(key, ()), *self._tails.get(key, ())]
        if (
            "/" in key
        ):  # its own leading folders: the table says images/a.jpg, the source is images/
            found += next((self.whole[tail] for tail in _tails(key) if tail in self.whole), [])
        return found


@dataclass(frozen=True, slots=True)
class Titles:
    """What a titles table says.

    Attributes
    ----------
    words : Mapping of str to Words
        By key; the key of a row that names a picture is its id.
    keys : tuple of str
        The columns of `Words.keys`: that of the key, unless ids are spelled so, id and SKU.
    warnings : tuple of str
    """

    words: Mapping[str, Words]
    keys: tuple[str, ...]
    warnings: tuple[str, ...]


def join_titles(path: str, ids: Mapping[str, str] | Sequence[str], columns: Columns) -> Titles:
    """Read a titles table and join it to the ids of a source.

    Parameters
    ----------
    path : str
        The table.
    ids : mapping of str to str, or sequence of str
        `Catalog.names`.
    columns : Columns
        The columns that a user named.

    Raises
    ------
    UsageError
        There is no such table, or it lacks a column that was asked for.
    CatalogError
        It has no key or title column, one key has two different titles, one key fits two images,
        or what joins says nothing.
    """
    table = read_table(path, (columns.id, columns.title))
    with after(table.warnings):
        joined = join_rows(table, columns.id, ids)
        key_at = joined.key_at
        title_at = table.needed_column("title", columns.title)
        titles = titles_below(table, title_at, key_at)
        same = all(key == item_id for _, key, item_id in joined.rows if item_id)
        keys = find_columns(table.columns, (*[table.columns[key_at]] * (not same), *OWN_NAMES))
        keys = [place for place in keys if place != title_at and not (same and place == key_at)]
        products, fields = WordsPerKey(path), other_cells(table, {key_at, title_at})
        for row, key, item_id in joined.rows:
            words = Words(titles[row.line])
            if item_id is not None:
                names = tuple([row.cells[place].strip() for place in keys])
                words = Words(words.title, fields(row), names)
            products.add(item_id or key, words, row.line)
        silent = _silent(table, title_at, [products.words[i] for *_, i in joined.rows if i])
    keyless = [row.line for row in table.rows if not row.ragged and not row.cells[key_at].strip()]
    return Titles(
        products.words,
        tuple(table.columns[place] for place in keys),
        (
            *table.warnings,
            *joined.warnings,
            *counted(path, keyless, f"rows have no {table.columns[key_at]!r}: line"),
            *ragged_warning(table),
            *silent,
        ),
    )


def _silent(table: Table, title_at: int, joined: Sequence[Words]) -> tuple[str, ...]:
    """Say that no row that joins has a title; raise if none says anything else either."""
    if not joined or any(words.title for words in joined):
        return ()
    sentence = f"{table.path}: no row that joins to an image has a {table.columns[title_at]!r}"
    if len(joined) > 1 and not any(any(words.fields.values()) for words in joined):
        raise CatalogError(
            f"{sentence}, or anything else to say; fill the column, or leave it out."
        )
    return (f"{sentence}: the pictures decide alone.",)


@dataclass(frozen=True, slots=True)
class Joined:
    """The rows of a table that have a key, and what they mean.

    Attributes
    ----------
    key_at : int
        The place of the column with the keys.
    rows : sequence of (Row, str, str or None)
        Each row, its key, and the id that the key means, if any; once for each item that shows the
        picture that the key names.
    warnings : tuple of str
        Which keys mean nothing.
    """

    key_at: int
    rows: Sequence[tuple[Row, str, str | None]]
    warnings: tuple[str, ...]


def join_rows(
    table: Table, id_column: str | None, ids: Mapping[str, str] | Sequence[str]
) -> Joined:
    """Join a table to ids by the column that was asked for, or of the usual ones that fits most.

    The ids are as `Catalog.names` gives them.

    Raises
    ------
    UsageError
        It lacks the column that was asked for.
    CatalogError
        It has no column of keys, a key fits two images, or of two keys or more none fits.
    """
    usual = [table.needed_column("id", id_column)]
    if id_column is None:
        usual = find_columns(table.columns, USUAL_NAMES["id"])
    owners: dict[str, list[str]] = defaultdict(list)
    for item_id, path in ids.items() if isinstance(ids, Mapping) else ():
        owners[path].append(item_id)
    by_id, by_path = Matcher([*ids]), Matcher([*owners])

    def find(key: str) -> list[list[str]]:
        """Return the items of each picture that fits."""
        found = [[item_id] for item_id in by_id.find(key)]
        return found or [owners[path] for path in (by_path.find(key) if owners else ())]

    columns = []
    for place in usual:
        keys = [(row, "" if row.ragged else row.cells[place].strip()) for row in table.rows]
        columns.append((place, [(row, key, find(key)) for row, key in keys if key]))
    # one image that fits counts before two that can't be told apart
    key_at, found = max(
        columns,
        key=lambda column: (
            sum(len(fits) == 1 for *_, fits in column[1]),
            sum(len(fits) > 1 for *_, fits in column[1]),
        ),
    )
    for row, key, fits in found:
        if len(fits) > 1:
            raise CatalogError(
                f"{table.path}, line {row.line}: the key {key!r} fits two images, {fits[0][0]} and "
                f"{fits[1][0]}; write the whole path of the one that is meant."
            )
    unknown = [key for _, key, fits in found if not fits]
    warnings = counted(table.path, unknown, f"of {len(table.rows)} rows match no image:")
    if rounded := [key for key in unknown if _ROUNDED.fullmatch(key)]:
        what = "keys have lost digits in a spreadsheet; format them as text and export again:"
        warnings += counted(table.path, rounded, what)
    if ids and len(unknown) == len(found) and len({*unknown}) > 1:
        tried = ", ".join(repr(table.columns[place]) for place, _ in columns)
        with after(warnings[1:]):
            raise CatalogError(
                f"{table.path}: no row joins to an image by {tried}: a key is {unknown[0]!r}, an "
                f"image {next(iter(ids))!r}; {table.has()}; name the column that says which image "
                "with --id-column."
            )
    rows: list[tuple[Row, str, str | None]] = []
    for row, key, fits in found:
        if fits:
            rows += [(row, key, item_id) for item_id in fits[0]]
        else:
            rows.append((row, key, None))
    return Joined(key_at, rows, warnings)


def titles_below(table: Table, title_at: int | None, key_at: int | None) -> dict[int, str]:
    """Return the titles by line; a further picture of the product above takes its title.

    That is a row without a title whose handle, or other name of a product, is the one above.
    """
    products = find_columns(table.columns, _PRODUCT_COLUMNS)
    product_at = next((place for place in products if place != key_at), None)
    titles: dict[int, str] = {}
    product = above = ""
    for row in table.rows:
        if row.ragged:
            continue
        title = "" if title_at is None else row.cells[title_at].strip()
        name = "" if product_at is None else row.cells[product_at].strip()
        if not title and name and name == product:
            title = above
        product, above = name, title
        titles[row.line] = title
    return titles


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


def other_cells(table: Table, taken: Collection[int | None]) -> Callable[[Row], dict[str, str]]:
    """Return what gives a row's cells of the columns that are not in `taken`, by column name."""
    kept = [(name, at) for at, name in enumerate(table.columns) if at not in taken and name]

    def cells(row: Row) -> dict[str, str]:
        return {name: row.cells[at] for name, at in kept}

    return cells


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
    if "://" in name:
        name = unquote(re.split("[?#]", name.split("://", 1)[1])[0])
    if not name.isascii():
        name = name.translate(_HYPHENS)
    return fold(name.replace("\\", "/")).removeprefix("./").lstrip("/")


def _stem(name: str) -> str:
    # Only an image's ending: "shoe.v2" from a table that names no endings is a stem already.
    stem, _, ending = name.rpartition(".")
    return stem if ending in _ENDINGS and stem[-1:] not in ("", "/") else name


def _tails(name: str) -> list[str]:
    """Return what is left without one, two, … leading folders, longest first."""
    if "/" not in name:
        return []
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(1, len(parts))]
