"""Sources: a folder, an image, a glob, a table or a data set becomes items, pictures unread."""

# ids are strings: pathlib doubles the time to list 100,000 files, and has nothing that makes a
# path absolute and plain without resolving links
# ruff: noqa: PTH100,PTH110,PTH112,PTH113,PTH117,PTH118,PTH120,PTH122,PTH123

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from fashiontag import objects
from fashiontag.catalog.imported import is_imported, list_imported
from fashiontag.catalog.items import Catalog, FileRef, Words, make_item, printable
from fashiontag.catalog.kinds import IMAGE_SUFFIXES, kind_of
from fashiontag.catalog.parquet import list_inside
from fashiontag.catalog.tables import OWN_NAMES, Columns, Row, Table, find_columns, read_table
from fashiontag.catalog.tables import SUFFIXES as TABLE_SUFFIXES
from fashiontag.catalog.titles import (
    WordsPerKey,
    counted,
    first_few,
    join_titles,
    other_cells,
    ragged_warning,
    titles_below,
)
from fashiontag.errors import CatalogError, UsageError, after

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fashiontag.datamodels import ImageRef, Item

USUAL_COLUMNS = Columns()
# What lies beside pictures on purpose: nobody misses it among the items.
_BESIDE = frozenset(
    (
        *(".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx", ".xls", ".txt", ".md"),
        *(".html", ".xml", ".yaml", ".yml", ".toml", ".db", ".py"),
    )
)


def read_catalog(
    source: str | Sequence[str], titles: str | Path | None = None, columns: Columns = USUAL_COLUMNS
) -> Catalog:
    """List the items of a source and join their titles; no picture is opened.

    Parameters
    ----------
    source : str
        A folder, an imported catalogue, an image, a glob, a table, or ``hf:NAME`` for a data set
        of the Hugging Face hub or a local one; a folder, an image or a table may be at an address
        of an object store. Several are what a shell makes of a glob: pictures
        and folders, with their paths below the folder that holds them all as ids.
    titles : path or str, optional
        A table of titles, or the address of one. Without one, a source that is a table or a data
        set gives its own.
    columns : Columns
        The columns of the source and of `titles` that a user named.

    Raises
    ------
    UsageError
        There is no such source or table, it is of no known kind, or it lacks a column asked for.
    CatalogError
        The source is empty, or a table can't be read or joined.
    """
    own = columns if titles is None else replace(columns, title=None)
    several = [source] if isinstance(source, str) else list(source)
    source = several[0] + (f" and {len(several) - 1:,} more" if len(several) > 1 else "")
    kind, catalog = _listed(source, several, own)
    for option, wanted in (("--path-column", columns.path), ("--item-id", columns.item)):
        if wanted is not None and kind != "a table":
            raise UsageError(f"{option} is for a table, and {source} is {kind}; leave it out.")
    tells = kind in ("a table", "a data set")
    for option, wanted in (
        ("--id-column", None if titles else columns.id),
        ("--title-column", None if tells else own.title),
    ):
        if wanted is not None:
            raise UsageError(f"{option} names a column of the titles; give --titles FILE with it.")
    if titles is None:
        return catalog

    with after(catalog.warnings):
        told = join_titles(os.fspath(titles), catalog.names, columns)
    unnamed = Words(keys=("",) * len(told.keys))
    items = []
    for item in catalog.items:
        found = told.words.get(item.id, unnamed)
        fields = {**item.fields, **found.fields}
        titled = make_item(
            item.id, item.path, item.image, Words(found.title, fields, item.keys + found.keys)
        )
        if item.product:
            titled = replace(titled, product=item.product, variants=item.variants)
        items.append(titled)
    return replace(
        catalog,
        items=tuple(items),
        warnings=catalog.warnings + told.warnings,
        keys=catalog.keys + told.keys,
    )


def _no_source(source: str) -> str:
    scheme, address, _ = source.partition("://")
    if not address:
        return f"There is no {source}; give an existing folder, image or table."
    if scheme in ("http", "https"):
        return (
            f"{source} is an address of the web, which `fashiontag import` reads, if it is a shop "
            "or its feed; give a folder, an image or a table here."
        )
    return (
        f"{source} can't be read: {scheme}:// is no kind of source that is known here; give a "
        "folder, an image, a table or hf:NAME, such as a copy of what is there."
    )


def _listed(source: str, several: Sequence[str], own: Columns) -> tuple[str, Catalog]:
    """Return what kind of source this is, and what it lists."""
    if len(several) > 1:
        return "several sources", _list_several(several, source)
    if source.startswith("hf:"):
        from fashiontag.catalog.hub import list_dataset

        return "a data set", list_dataset(source, own.title)
    if objects.is_address(source) and not source.lower().endswith(TABLE_SUFFIXES):
        return "a folder", _list_objects(source)
    if is_imported(source):
        return "an imported catalogue", list_imported(source)
    if os.path.isdir(source):
        return "a folder", _list_folder(source)
    if os.path.exists(source) or objects.is_address(source):
        suffix = os.path.splitext(source)[1].lower()
        if suffix in IMAGE_SUFFIXES:
            folder, name = os.path.split(source)
            return "an image", _list_files(source, folder, Walked([name], [], []))
        if suffix in TABLE_SUFFIXES:
            return "a table", _list_table(source, own)
        raise UsageError(
            f"{source} is neither an image ({' '.join(IMAGE_SUFFIXES)}) nor a table "
            f"({' '.join(TABLE_SUFFIXES)}); give one of these, a folder, a glob or hf:NAME."
        )
    if any(sign in source for sign in "*?["):
        return "a glob", _list_glob(source)
    raise UsageError(_no_source(source))


def _list_folder(source: str) -> Catalog:
    found = walk_pictures(source)
    if not found.names and source in found.unread:
        raise CatalogError(f"{source} can't be read: no permission; give a folder that can.")
    return _list_files(source, source, found)


def _list_files(source: str, folder: str, found: Walked, verb: str = "holds") -> Catalog:
    root, unread = os.path.abspath(folder), found.unread
    items = [
        make_item(printable(name), printable(os.path.join(folder, name)), FileRef(f"{root}/{name}"))
        for name in found.names
    ]
    closed = (f"{len(unread)} folders can't be read: {first_few(unread)}.",) if unread else ()
    return _by_id(source, printable(root), items, found.passed, closed, verb)


def _by_id(
    source: str,
    root: str,
    items: list[Item],
    passed: Sequence[str],
    warnings: tuple[str, ...] = (),
    verb: str = "holds",
) -> Catalog:
    warnings += _passed_warning(source, passed)
    if not items:
        raise CatalogError(
            f"{source} {verb} no image; files ending in {' '.join(IMAGE_SUFFIXES)} were expected."
            + "".join(f" {warning}" for warning in warnings)
        )
    return Catalog(source, root, tuple(sorted(items, key=attrgetter("id"))), warnings)


def _list_objects(source: str) -> Catalog:
    """List what an object store holds below an address, by the rules of a folder."""
    root = source.rstrip("/")
    passed: list[str] = []
    items = []
    for ref in objects.listing(source):
        name = ref.locator[len(root) + 1 :] or root.rpartition("/")[2]
        parts = name.split("/")
        if any(part.startswith(".") or part == "__MACOSX" for part in parts):
            continue
        ending = os.path.splitext(parts[-1])[1].lower()
        if ending in IMAGE_SUFFIXES or (not ending and kind_of(objects.begins(ref.locator))):
            items.append(make_item(name, ref.locator, ref))
        else:
            passed.append(name)
    return _by_id(source, root, items, passed)


class Walked(NamedTuple):
    """What lies below a folder, as paths below it; the folders that can't be read, as shown."""

    names: list[str]
    unread: list[str]
    passed: list[str]


def walk_pictures(top: str, depth: int | None = None) -> Walked:
    """Return the pictures below a folder, the folders that can't be read, and what else lies there.

    Links to files and folders are followed, each real folder once: a link to a folder that is
    below, or that holds `top`, adds nothing. A link that leads nowhere is a picture that can't be
    read. A file whose name has no ending is a picture if it begins like one. At most `depth`
    folders deep, if that isn't None.
    """
    found = Walked([], [], [])
    seen: set[str] = set()
    top_itself = f"{os.path.realpath(top)}/"
    waiting, links = [("", 1)], list[tuple[str, int]]()
    while waiting or links:
        if waiting:
            below, level = waiting.pop()
        else:  # after all real folders, whose own paths are the ones to show
            links.sort(reverse=True)
            below, level = links.pop()
        folder = os.path.join(top, below) if below else top
        real = os.path.realpath(folder)
        if real in seen or (below and top_itself.startswith(f"{real.rstrip('/')}/")):
            continue
        seen.add(real)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name == "__MACOSX":
                        continue
                    if entry.is_dir():
                        if depth is None or level < depth:
                            later = links if entry.is_symlink() else waiting
                            later.append((f"{below}{entry.name}/", level + 1))
                    else:
                        kept = found.names if _is_picture(entry) else found.passed
                        kept.append(below + entry.name)
        except OSError:
            found.unread.append(printable(folder))
    return found


def _is_picture(entry: os.DirEntry[str]) -> bool:
    if entry.name.lower().endswith(IMAGE_SUFFIXES):
        return True
    if os.path.splitext(entry.name)[1] or not entry.is_file():  # a pipe would block
        return False
    try:
        with open(entry.path, "rb") as file:
            return bool(kind_of(file.read(16)))
    except OSError:
        return False


def _passed_warning(source: str, passed: Sequence[str]) -> tuple[str, ...]:
    """Count by ending what is neither a picture nor what usually lies beside them."""
    endings = Counter(os.path.splitext(name)[1].lower() for name in passed)
    strange = Counter({ending: n for ending, n in endings.items() if ending not in _BESIDE})
    kinds = [f"{ending or 'no ending'} ({count})" for ending, count in strange.most_common()]
    said = f"{source}: {strange.total()} files are no pictures: {first_few(kinds)}."
    return (said,) if kinds else ()


def _list_several(sources: Sequence[str], told: str) -> Catalog:
    wrong = [
        path
        for path in sources
        if not os.path.isdir(path) and not path.lower().endswith(IMAGE_SUFFIXES)
    ]
    if wrong:
        raise UsageError(
            f"{first_few(wrong)}: of several sources each must be a picture or a folder; take "
            "tables and data sets one at a time."
        )
    if gone := [path for path in sources if not os.path.lexists(path)]:
        raise UsageError(f"There is no {first_few(gone)}; give pictures and folders that exist.")
    folder = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in sources])
    found = Walked([], [], [])
    for path in sources:
        below = os.path.relpath(os.path.abspath(path), folder).replace(os.sep, "/")
        if os.path.isdir(path):
            names, unread, passed = walk_pictures(path)
            found.names.extend(f"{below}/{name}" for name in names)
            found.unread.extend(unread)
            found.passed.extend(passed)
        else:
            found.names.append(below)
    found = found._replace(names=[*dict.fromkeys(found.names)])
    shown = folder if os.path.isabs(sources[0]) else os.path.relpath(folder)
    return _list_files(told, "" if shown == "." else shown, found, "hold")


def _list_glob(source: str) -> Catalog:
    parts = source.split("/")
    fixed = 0
    # a folder whose name holds a bracket is a folder
    while fixed < len(parts) - 1 and (
        not re.search(r"[*?[]", parts[fixed]) or os.path.isdir("/".join(parts[: fixed + 1]))
    ):
        fixed += 1
    folder = "/".join(parts[:fixed]) or ("/" if source.startswith("/") else "")
    if not os.path.isdir(folder or "."):
        raise UsageError(f"There is no folder {folder} for {source}; give an existing one.")
    patterns = [part for part in parts[fixed:] if part]
    depth = None if "**" in patterns else len(patterns)
    names, unread, passed = walk_pictures(folder or ".", depth)
    names, passed = (
        [name for name in some if _fits(name.split("/"), patterns)] for some in (names, passed)
    )
    return _list_files(source, folder, Walked(names, unread, passed), "matches")


def _fits(names: list[str], patterns: list[str]) -> bool:
    if not patterns:
        return not names
    if patterns[0] == "**":
        return any(_fits(names[start:], patterns[1:]) for start in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], patterns[0]) and _fits(names[1:], patterns[1:])


def _list_table(source: str, columns: Columns) -> Catalog:
    table = read_table(source, (columns.path, columns.title, columns.item))
    with after(table.warnings):
        return _items_of(table, source, columns)


def _items_of(table: Table, source: str, columns: Columns) -> Catalog:
    at_address = objects.is_address(source)  # pictures inside are read from a disk only
    parquet = source.lower().endswith(".parquet") and not at_address
    inside = list_inside(source, columns.path) if parquet else []
    path_at = table.column("path", None) if inside else table.needed_column("path", columns.path)
    title_at = table.column("title", columns.title)
    folder = os.path.dirname(source)
    named = [_cell(row, path_at) for row in table.rows]
    item_at = _item_column(table, columns.item, path_at, [*map(bool, inside or named)])
    own = [
        place
        for place in find_columns(table.columns, OWN_NAMES)
        if place not in (item_at, path_at, title_at)
    ]
    titles = titles_below(table, title_at, path_at)
    products, fields = WordsPerKey(source), other_cells(table, {path_at, title_at})
    pictures: dict[str, tuple[str, ImageRef]] = {}
    pathless: list[int] = []
    repeated: list[int] = []
    for place, (row, name) in enumerate(zip(table.rows, named, strict=True)):
        # A ragged line is still a product if its path is one: it only gives no title.
        if row.ragged and not os.path.isfile(_file(folder, name)):
            continue
        if not name and not inside:
            pathless.append(row.line)
            continue
        item_id = _cell(row, item_at) or (str(place) if inside else name)
        words = Words(keys=tuple(_cell(row, place) for place in own))
        if not row.ragged:
            words = Words(titles[row.line], fields(row), words.keys)
        if products.add(item_id, words, row.line):
            repeated.append(row.line)
        if item_id not in pictures:
            path = f"{source}/{place}" if inside else _file(folder, name)
            pictures[item_id] = path, inside[place] if inside else _picture_at(path)
    if not products.words:
        raise CatalogError(
            f"{source} names no picture in its column {table.columns[path_at or 0]!r}; "
            "name another one with --path-column."
        )
    warnings = (
        *table.warnings,
        *ragged_warning(table),
        *counted(source, pathless, "rows have no path: line"),
        *counted(source, repeated, "rows repeat a path and were passed over: line"),
    )
    away = [key for key, (_, image) in pictures.items() if isinstance(image, objects.ObjectRef)]
    for key, stamped in zip(away, objects.refs([pictures[key][0] for key in away]), strict=True):
        pictures[key] = stamped.locator, stamped
    items = [make_item(key, *pictures[key], words) for key, words in products.words.items()]
    root = source if at_address else printable(os.path.abspath(source))
    keys = tuple(table.columns[place] for place in own)
    return Catalog(source, root, tuple(items), warnings, keys=keys)


def _picture_at(path: str) -> ImageRef:
    return objects.ObjectRef(path) if objects.is_address(path) else FileRef(os.path.abspath(path))


def _cell(row: Row, place: int | None) -> str:
    return row.cells[place].strip() if place is not None and place < len(row.cells) else ""


def _item_column(
    table: Table, wanted: str | None, path_at: int | None, shown: Sequence[bool]
) -> int | None:
    """Return the column that names a table's items; None where their paths do.

    That is the one that was asked for, or else ``id`` or ``sku`` if it has one value for each row
    with a picture; pictures inside a table may have names of their own too.
    """
    if wanted is not None:
        found = find_columns(table.columns, [wanted])
        if not found:
            raise UsageError(f"--item-id: {table.path} has no column {wanted!r}; {table.has()}.")
        return found[0]
    for place in [*find_columns(table.columns, ("id", "sku")), path_at]:
        keys = [_cell(row, place) for row, has in zip(table.rows, shown, strict=True) if has]
        if all(keys) and len({*keys}) == len(keys):
            return place
    return None


def _file(folder: str, name: str) -> str:
    """Return where a table's path leads as this system spells it, for tables made on Windows."""
    if objects.is_address(folder) or objects.is_address(name):
        return objects.below(folder, name.replace("\\", "/"))
    path = os.path.join(folder, name)
    if "\\" in name and os.sep == "/" and not os.path.exists(path):
        return os.path.join(folder, name.replace("\\", "/"))
    return path
