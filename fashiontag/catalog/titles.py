"""Titles joined to items: which row of a table belongs to which picture."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fashiontag.catalog.tables import TITLE_COLUMNS, Row, Table, read_table
from fashiontag.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY_COLUMNS = ("image", "filename", "file", "path", "id", "sku")
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic"),
)
_SPREADSHEET_NUMBER = re.compile(r"(\d+)\.0+")


@dataclass(frozen=True, slots=True)
class Words:
    """What a table says of one picture: the title as typed and the other columns."""

    title: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Joined:
    """A titles table joined to ids: one `Words` for every id that has a row, and what to say."""

    words: Mapping[str, Words]
    warnings: tuple[str, ...]


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
        self._whole: dict[str, list[str]] = defaultdict(list)
        self._tails: dict[str, list[str]] = defaultdict(list)
        self._whole_stems: dict[str, list[str]] = defaultdict(list)
        self._tail_stems: dict[str, list[str]] = defaultdict(list)
        for item_id in ids:
            folded = _fold(item_id)
            for whole, tails, name in (
                (self._whole, self._tails, folded),
                (self._whole_stems, self._tail_stems, _stem(folded)),
            ):
                whole[name].append(item_id)
                for tail in _tails(name):
                    tails[tail].append(item_id)

    def find(self, key: str) -> list[str]:
        """Return the ids that the key fits: none, one, or several that can't be told apart."""
        if key in self._ids:
            return [key]
        folded = _fold(key)
        found = self._find(folded)
        number = _SPREADSHEET_NUMBER.fullmatch(folded)
        return found or (self._find(number.group(1)) if number else [])

    def _find(self, folded: str) -> list[str]:
        if folded in self._whole:
            return self._whole[folded]
        for whole, tails in (
            (self._whole, self._tails),
            (self._whole_stems, self._tail_stems),
        ):
            found = list(whole.get(folded, ())) + list(tails.get(folded, ()))
            # the key's own leading folders: the table says images/a.jpg, the source is images/
            found += next((whole[tail] for tail in _tails(folded) if tail in whole), [])
            if found:
                return found
        return []


def join_titles(
    path: str, ids: Sequence[str], *, id_column: str | None, title_column: str | None
) -> Joined:
    """Read a titles table and join it to the ids of a source.

    Parameters
    ----------
    path : str
        The table.
    ids : sequence of str
        The ids of the source.
    id_column, title_column : str or None
        Column names that a user gave; None takes the first usual one.

    Raises
    ------
    UsageError
        There is no such table, or it lacks a column that was asked for.
    CatalogError
        It has no key or title column, one key has two different titles, or one key fits two
        images.
    """
    table = read_table(path, (id_column, title_column))
    key_at = table.column(id_column, KEY_COLUMNS, "--id-column")
    title_at = table.column(title_column, TITLE_COLUMNS, "--title-column")
    if title_at is None:
        raise CatalogError(
            f"{path} has no title column ({', '.join(TITLE_COLUMNS)}): {table.has()}; "
            "name one with --title-column."
        )
    if key_at is None:
        raise CatalogError(
            f"{path} has no key column ({', '.join(KEY_COLUMNS)}): {table.has()}; "
            "name one with --id-column."
        )
    matcher = Matcher(ids)
    words: dict[str, Words] = {}
    keys = TitlePerKey(path)
    unknown: list[str] = []
    keyless: list[int] = []
    for row in table.rows:
        if row.ragged:
            continue
        key = row.cells[key_at].strip()
        if not key:
            keyless.append(row.line)
            continue
        found = matcher.find(key)
        if len(found) > 1:
            raise CatalogError(
                f"{path}, line {row.line}: the key {key!r} fits two images, {found[0]} and "
                f"{found[1]}; write the whole path of the one that is meant."
            )
        title = row.cells[title_at].strip()
        keys.check(found[0] if found else key, title, row.line)
        if not found:
            unknown.append(key)
        elif found[0] not in words or (title and not words[found[0]].title):
            words[found[0]] = Words(title, other_cells(table, row, {key_at, title_at}))
    warnings = []
    if unknown:
        warnings.append(
            f"{path}: {len(unknown)} of {len(table.rows)} rows match no image: "
            f"{first_few(unknown)}."
        )
    if keyless:
        warnings.append(
            f"{path}: {len(keyless)} rows have no {table.columns[key_at]!r}: "
            f"line {first_few(keyless)}."
        )
    return Joined(words, (*warnings, *ragged_warning(table)))


class TitlePerKey:
    """Watches that one key has one title; an empty title contradicts none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: dict[str, tuple[str, int]] = {}

    def check(self, key: str, title: str, line: int) -> bool:
        """Return whether the key was there before; raise `CatalogError` on a second title."""
        before, first_line = self._seen.get(key, ("", 0))
        if title and before and title != before:
            raise CatalogError(
                f"{self._path} has two different titles for {key!r}: {_short(before)!r} in line "
                f"{first_line} and {_short(title)!r} in line {line}; keep one of them."
            )
        if title or not first_line:
            self._seen[key] = (title, line)
        return first_line > 0


def other_cells(table: Table, row: Row, taken: set[int]) -> dict[str, str]:
    """Return the cells of the columns that are not in `taken`, by column name."""
    return {
        name: cell
        for place, (name, cell) in enumerate(zip(table.columns, row.cells, strict=True))
        if place not in taken and name
    }


def ragged_warning(table: Table) -> tuple[str, ...]:
    """Say which lines could not be taken apart, if any."""
    lines = table.ragged_lines()
    if not lines:
        return ()
    said = (
        f"{table.path}: no title from {len(lines)} line{'s' * (len(lines) > 1)} without the "
        f"{len(table.columns)} cells of the header: line {first_few(lines)}."
    )
    return (said,)


def first_few(values: Sequence[object], most: int = 5) -> str:
    """Name the first values and say that there are more."""
    return ", ".join(map(str, values[:most])) + (", …" if len(values) > most else "")


def _short(title: str) -> str:
    return title if len(title) <= 60 else title[:59] + "…"


def _fold(name: str) -> str:
    name = name.replace("\\", "/")
    if not name.isascii():
        name = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return name.lower().removeprefix("./").lstrip("/")


def _stem(name: str) -> str:
    # Only an image's ending: "shoe.v2" from a table that names no endings is a stem already.
    for suffix in IMAGE_SUFFIXES:
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return name


def _tails(name: str) -> list[str]:
    """Return what is left without one, two, … leading folders, longest first."""
    if "/" not in name:
        return []
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(1, len(parts))]
