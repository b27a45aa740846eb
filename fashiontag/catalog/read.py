"""Sources: a folder, an image, a glob, a table or a data set becomes items, pictures unread."""

# ids are strings: pathlib doubles the time to list 100,000 files, and has nothing that makes a
# path absolute and plain without resolving links
# ruff: noqa: PTH100,PTH110,PTH112,PTH113,PTH116,PTH118,PTH119,PTH120,PTH122,PTH123

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from fashiontag.catalog.clean import clean_title
from fashiontag.catalog.tables import SUFFIXES as TABLE_SUFFIXES
from fashiontag.catalog.tables import TITLE_COLUMNS, read_table
from fashiontag.catalog.titles import (
    IMAGE_SUFFIXES,
    TitlePerKey,
    Words,
    first_few,
    join_titles,
    other_cells,
    ragged_warning,
)
from fashiontag.datamodels import Item
from fashiontag.errors import CatalogError, ImageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fashiontag.datamodels import ImageRef

PATH_COLUMNS = ("path", "image", "filename", "file")
# A picture of 152 megapixels, which is the most that is decoded, has 456 MB uncompressed.
_MOST_BYTES = 512_000_000


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a source holds.

    Attributes
    ----------
    source : str
        As typed.
    root : str
        What identifies the source for good: the absolute folder (for one image or a glob the
        folder without a wildcard), a table's absolute path, or ``hf:NAME``.
    items : sequence of Item
        In the order of the contract, with unread pictures; at least one.
    warnings : tuple of str
        One counted sentence for each kind of thing that was passed over.
    """

    source: str
    root: str
    items: Sequence[Item]
    warnings: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the items are all of the root: what a glob leaves out isn't gone."""
        # not Path.resolve: the root is as typed, links unfollowed
        return self.root.startswith("hf:") or os.path.abspath(self.source) == self.root


@dataclass(frozen=True, slots=True)
class FileRef:
    """A picture in a file: an `ImageRef`.

    Attributes
    ----------
    file : str
        Its absolute path, as the system spells it.
    """

    file: str

    @property
    def locator(self) -> str:
        """The absolute path, printable even where the name is no Unicode."""
        return printable(self.file)

    def stamp(self) -> str | None:
        """Return size and time of change; None where there is no such file."""
        try:
            facts = os.stat(self.file)
        except (OSError, ValueError):
            return None
        return f"{facts.st_size}:{facts.st_mtime_ns}"

    def read(self) -> bytes:
        """Return the file's bytes; raise `ImageError` with the reason if they can't be had."""
        try:
            facts = os.stat(self.file)
            refusal = _refusal(facts)
            if not refusal:
                with open(self.file, "rb") as file:
                    return file.read()
        except FileNotFoundError as error:
            # Without the path, which stands beside it in every row: a summary counts reasons.
            web = re.search(r"(?:^|/)https?:/", self.file)
            raise ImageError(
                "an address, and only files are read" if web else "no such file"
            ) from error
        except PermissionError as error:
            raise ImageError("no permission to read the file") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError(f"can't be read: {reason}") from error
        raise ImageError(refusal)


def _refusal(facts: os.stat_result) -> str:
    if not stat.S_ISREG(facts.st_mode):  # reading a pipe would wait for ever
        return "a folder or a device, not a file"
    if facts.st_size > _MOST_BYTES:
        return f"{facts.st_size // 1_000_000} MB is more than the limit of 512 MB"
    return ""


@dataclass(frozen=True, slots=True)
class Found:
    """A picture of a source before its title is known."""

    id: str
    path: str
    image: ImageRef
    words: Words = field(default_factory=Words)


@dataclass(frozen=True, slots=True)
class Listing:
    """The pictures of a source in their order, the source's root, and what was passed over."""

    root: str
    found: Sequence[Found]
    warnings: tuple[str, ...] = ()


def read_catalog(
    source: str,
    titles: Path | None = None,
    *,
    path_column: str | None = None,
    id_column: str | None = None,
    title_column: str | None = None,
) -> Catalog:
    """List the items of a source and join their titles; no picture is opened.

    Parameters
    ----------
    source : str
        A folder, an image, a glob, a table, or ``hf:NAME`` for a data set of the Hugging Face hub
        or a local one.
    titles : path, optional
        A table of titles. Without one, a source that is a table or a data set gives its own.
    path_column : str, optional
        The column of a table source that holds the pictures' paths.
    id_column : str, optional
        The column of `titles` that names the picture.
    title_column : str, optional
        The column with the title, of `titles` or else of the source.

    Raises
    ------
    UsageError
        There is no such source or table, it is of no known kind, or it lacks a column asked for.
    CatalogError
        The source is empty, or a table can't be read or joined.
    """
    own_title_column = title_column if titles is None else None
    if source.startswith("hf:"):
        kind = "a data set"
        from fashiontag.catalog.hub import list_dataset

        listing = list_dataset(source, own_title_column)
    elif os.path.isdir(source):
        kind = "a folder"
        listing = _list_folder(source)
    elif os.path.exists(source):
        suffix = os.path.splitext(source)[1].lower()
        if suffix in IMAGE_SUFFIXES:
            kind = "an image"
            listing = _list_files(os.path.dirname(source), [os.path.basename(source)])
        elif suffix in TABLE_SUFFIXES:
            kind = "a table"
            listing = _list_table(source, path_column, own_title_column)
        else:
            raise UsageError(
                f"{source} is neither an image ({' '.join(IMAGE_SUFFIXES)}) nor a table "
                f"({' '.join(TABLE_SUFFIXES)}); give one of these, a folder, a glob or hf:NAME."
            )
    elif any(sign in source for sign in "*?["):
        kind = "a glob"
        listing = _list_glob(source)
    else:
        raise UsageError(f"There is no {source}; give an existing folder, image or table.")
    if path_column is not None and kind != "a table":
        raise UsageError(f"--path-column is for a table, and {source} is {kind}; leave it out.")
    if titles is None and id_column is not None:
        raise UsageError("--id-column names a column of the titles; give --titles FILE with it.")
    if own_title_column is not None and kind not in ("a table", "a data set"):
        raise UsageError("--title-column names a column of the titles; give --titles FILE with it.")

    joined: Mapping[str, Words] = {}
    warnings = listing.warnings
    if titles is not None:
        join = join_titles(
            os.fspath(titles),
            [found.id for found in listing.found],
            id_column=id_column,
            title_column=title_column,
        )
        joined = join.words
        warnings += join.warnings
    items = []
    for found in listing.found:
        words = joined.get(found.id, Words())
        title = words.title if titles is not None else found.words.title
        items.append(
            Item(
                id=found.id,
                path=found.path,
                title=title,
                text=clean_title(title) if title else "",
                fields={**found.words.fields, **words.fields},
                image=found.image,
            )
        )
    return Catalog(source, listing.root, tuple(items), warnings)


def printable(name: str) -> str:
    r"""Return a file's name as Unicode; bytes that are none are shown as ``\xff``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _list_folder(source: str) -> Listing:
    names, unread = _walk(source)
    if not names and source in unread:
        raise CatalogError(f"{source} can't be read: no permission; give a folder that can.")
    if not names:
        raise CatalogError(
            f"{source} holds no image; files ending in {' '.join(IMAGE_SUFFIXES)} were expected."
        )
    return _list_files(source, names, unread)


def _list_files(folder: str, names: list[str], unread: Sequence[str] = ()) -> Listing:
    root = os.path.abspath(folder)
    found = [
        Found(
            printable(name),
            printable(os.path.join(folder, name)),
            FileRef(f"{root}/{name}"),
        )
        for name in names
    ]
    found.sort(key=lambda picture: picture.id)
    warnings = (f"{len(unread)} folders can't be read: {first_few(unread)}.",) if unread else ()
    return Listing(printable(root), found, warnings)


def _walk(top: str, depth: int | None = None) -> tuple[list[str], list[str]]:
    """Return the pictures below a folder, as paths below it, and the folders that can't be read.

    Links to files are followed, links to folders are not, so no loop is possible. A link that
    leads nowhere is a picture that can't be read.
    """
    names: list[str] = []
    unread: list[str] = []
    waiting = [("", 1)]
    while waiting:
        below, level = waiting.pop()
        try:
            with os.scandir(os.path.join(top, below) if below else top) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name == "__MACOSX":
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if depth is None or level < depth:
                            waiting.append((f"{below}{entry.name}/", level + 1))
                    elif entry.name.lower().endswith(IMAGE_SUFFIXES) and not entry.is_dir():
                        names.append(below + entry.name)
        except OSError:
            unread.append(printable(os.path.join(top, below) if below else top))
    return names, unread


def _list_glob(source: str) -> Listing:
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
    names, unread = _walk(folder or ".", None if "**" in patterns else len(patterns))
    names = [name for name in names if _fits(name.split("/"), patterns)]
    if not names:
        raise CatalogError(
            f"{source} matches no image; files ending in {' '.join(IMAGE_SUFFIXES)} were expected."
        )
    return _list_files(folder, names, unread)


def _fits(names: list[str], patterns: list[str]) -> bool:
    if not patterns:
        return not names
    if patterns[0] == "**":
        return any(_fits(names[start:], patterns[1:]) for start in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], patterns[0]) and _fits(names[1:], patterns[1:])


def _list_table(source: str, path_column: str | None, title_column: str | None) -> Listing:
    table = read_table(source, (path_column, title_column))
    path_at = table.column(path_column, PATH_COLUMNS, "--path-column")
    if path_at is None:
        raise CatalogError(
            f"{source} has no path column ({', '.join(PATH_COLUMNS)}): {table.has()}; "
            "name one with --path-column."
        )
    title_at = table.column(title_column, TITLE_COLUMNS, "--title-column")
    taken = {path_at} if title_at is None else {path_at, title_at}
    folder = os.path.dirname(source)
    keys = TitlePerKey(source)
    found: dict[str, Found] = {}
    pathless: list[int] = []
    repeated: list[int] = []
    for row in table.rows:
        item_id = row.cells[path_at].strip() if path_at < len(row.cells) else ""
        path = os.path.join(folder, _existing(folder, item_id))
        # A ragged line is still a product if its path is one: it only gives no title.
        if row.ragged and not os.path.isfile(path):
            continue
        if not item_id:
            pathless.append(row.line)
            continue
        words = Words()
        if not row.ragged:
            title = "" if title_at is None else row.cells[title_at].strip()
            words = Words(title, other_cells(table, row, taken))
        if keys.check(item_id, words.title, row.line):
            repeated.append(row.line)
            if found[item_id].words.title or not words.title:
                continue
        found[item_id] = Found(item_id, path, FileRef(os.path.abspath(path)), words)
    warnings = list(ragged_warning(table))
    if pathless:
        warnings.append(f"{source}: {len(pathless)} rows have no path: line {first_few(pathless)}.")
    if repeated:
        warnings.append(
            f"{source}: {len(repeated)} rows repeat a path and were passed over: "
            f"line {first_few(repeated)}."
        )
    if not found:
        raise CatalogError(
            f"{source} names no picture in its column {table.columns[path_at]!r}; "
            "name another one with --path-column."
        )
    return Listing(printable(os.path.abspath(source)), tuple(found.values()), tuple(warnings))


def _existing(folder: str, path: str) -> str:
    """Return a table's path as this system spells it, for tables made on Windows."""
    if "\\" in path and os.sep == "/" and not os.path.exists(os.path.join(folder, path)):
        return path.replace("\\", "/")
    return path
