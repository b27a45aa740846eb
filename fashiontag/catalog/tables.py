"""Tables as merchants send them: every cell as text, delimiter and encoding found out."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fashiontag.catalog.delimited import Delimited, TextLines, header_at
from fashiontag.catalog.parquet import pictures_inside
from fashiontag.errors import CatalogError, UsageError, after
from fashiontag.names import fold
from fashiontag.objects import fetched, is_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")
Role = Literal["path", "id", "title"]
_PICTURES = (
    *("image_path", "file_name", "image_link", "image src", "image url", "images"),
    *("image_file", "main_image_url"),
)
_IDS = (
    *("variant sku", "item_sku", "seller sku", "product id", "item id", "handle", "ean", "gtin"),
)
_TITLES = ("title", "name", "productDisplayName", "description")
USUAL_NAMES: dict[Role, tuple[str, ...]] = {
    "path": ("path", "image", "filename", "file", *_PICTURES),
    "id": ("image", "filename", "file", "path", "id", "sku", *_PICTURES, *_IDS),
    "title": (*_TITLES, "product name", "item_name", "product title"),
}
"""What the columns are called that hold a picture's path, name a picture, or are its title."""
OWN_NAMES = ("id", "sku", "variant sku", "item_sku", "seller sku")
"""What the columns are called in which a shop names its products: the output shows them again."""
# Lines that may be the header: a title, notes and the three headers of a marketplace's template.
_BANNER = 20


def _plain(name: str) -> str:
    """Return what "Image Src", "image_src" and "image-src" have in common."""
    return fold(name.replace("_", " ").replace("-", " "))


_KNOWN_COLUMNS = frozenset(
    spelling(name)
    for names in USUAL_NAMES.values()
    for name in names
    for spelling in (fold, _plain)
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a user named; None is the first of the usual names.

    Attributes
    ----------
    path : str or None
        The column of a table source that holds the pictures' paths.
    id : str or None
        The column of a titles table that names the picture.
    title : str or None
        The column with the title, of a titles table or else of the source.
    item : str or None
        The column of a table source that names its items.
    """

    path: str | None = None
    id: str | None = None
    title: str | None = None
    item: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Attributes
    ----------
    line : int
        Its number in the file, from 1, as an editor or a spreadsheet shows it.
    cells : tuple of str
        As many as the table has columns, or another number where ``ragged``.
    ragged : bool
        The cells can't be told apart, so nothing but their text is known.
    """

    line: int
    cells: tuple[str, ...]
    ragged: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table read whole: its name as typed, columns in order, rows, and what reading it met."""

    path: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()

    def column(self, role: Role, wanted: str | None) -> int | None:
        """Return the place of the column that was asked for, or else of a usual one; None if none.

        Raises
        ------
        UsageError
            `wanted` is no column; the sentence names the option and the columns.
        """
        names = USUAL_NAMES[role] if wanted is None else (wanted,)
        place = next(iter(find_columns(self.columns, names)), None)
        if place is None and wanted is not None:
            raise UsageError(
                f"--{role}-column: {self.path} has no column {wanted!r}; {self.has()}."
            )
        return place

    def needed_column(self, role: Role, wanted: str | None) -> int:
        """Return `column`, or raise `CatalogError` if there is none."""
        place = self.column(role, wanted)
        if place is None:
            raise CatalogError(
                f"{self.path} has no {'key' if role == 'id' else role} column "
                f"({', '.join(USUAL_NAMES[role])}): {self.has()}; name one with --{role}-column."
            )
        return place

    def has(self) -> str:
        """Say which columns there are, for an error."""
        shown = ", ".join(column for column in self.columns[:20] if column)
        return f"its columns are {shown}{', …' if len(self.columns) > 20 else ''}"


def find_columns(names: Sequence[str], wanted: Iterable[str]) -> list[int]:
    """Return the places of those of some names that are there, each place once.

    Names are compared exactly at first, then folded, then with blanks for their signs.
    """
    folded, plain = [fold(name) for name in names], [_plain(name) for name in names]
    found = []
    for name in wanted:
        for there, same in ((names, name), (folded, fold(name)), (plain, _plain(name))):
            if same in there:
                found.append(there.index(same))
                break
    return list(dict.fromkeys(found))


def read_table(path: str, names: Iterable[str | None] = ()) -> Table:
    """Read a table; the ending of its name decides how.

    Parameters
    ----------
    path : str
        A ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet`` or ``.xlsx`` file, or the address of one.
    names : iterable of str or None
        Column names that the caller expects besides the usual ones: a delimiter that makes them
        appear in the header is the right one.

    Raises
    ------
    UsageError
        There is no such file, or its name has another ending.
    CatalogError
        It is empty, has no line below its header, or is not what its name says.
    """
    if is_address(path):
        return _fetched(path, names)
    suffix = Path(path).suffix.lower()
    if not Path(path).exists():
        raise UsageError(f"There is no table {path}; give an existing file.")
    if suffix not in SUFFIXES or Path(path).is_dir():
        raise UsageError(f"{path} is no table; give a file that ends in {', '.join(SUFFIXES)}.")
    if Path(path).stat().st_size == 0:
        raise CatalogError(f"{path} is empty; a table with a header line was expected.")
    notes: list[str] = []
    named = [fold(name) for name in names if name]
    reader = {".parquet": _parquet, ".xlsx": _xlsx, ".jsonl": _jsonl}.get(suffix, _delimited)
    with after(notes):
        try:
            # what was named outweighs what is usual
            lines = list(reader(path, [*_KNOWN_COLUMNS, *named, *named], notes))
        except CatalogError:
            raise
        except Exception as error:  # pyarrow, openpyxl and zipfile have no common base
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:150]
            raise CatalogError(
                f"{path} can't be read as {suffix}: {reason}; save it again in that format."
            ) from error
        columns = lines[0].cells if lines else ()
        if not any(columns):
            raise CatalogError(f"{path} is empty; a table with a header line was expected.")
        if len(lines) == 1:
            raise CatalogError(
                f"{path} has a header ({', '.join(columns)[:200]}) and no line below it; "
                "at least one was expected."
            )
    return Table(path, columns, tuple(lines[1:]), tuple(notes))


def _fetched(address: str, names: Iterable[str | None]) -> Table:
    """Read a table in an object store from a copy, which nothing that is said of it names."""
    with fetched(address) as copy:
        try:
            table = read_table(copy, names)
        except (CatalogError, UsageError) as error:
            raise type(error)(str(error).replace(copy, address)) from error
        said = tuple(warning.replace(copy, address) for warning in table.warnings)
        return replace(table, path=address, warnings=said)


def as_text(value: object) -> str:
    """Return a typed cell as the text that a person sees: 1163.0 is "1163", no value is ""."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict) and value.keys() <= {"bytes", "path"}:  # a picture inside
        return str(value.get("path") or "")
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


# Each reader yields the header, then the rows.


def _delimited(path: str, weights: Sequence[str], notes: list[str]) -> Iterator[Row]:
    file = Delimited(path, weights, banner=_BANNER)
    notes += file.encoding.warning(path)
    yield Row(file.header.line, file.columns)
    for record in file.records():
        cells = record.cells
        if "\x00" in record.raw:
            cells = [cell.replace("\x00", "") for cell in cells]
        yield Row(record.line, tuple(cells), record.ragged or record.short)


def _jsonl(path: str, weights: Sequence[str], notes: list[str]) -> Iterator[Row]:  # noqa: ARG001
    records: dict[int, dict[str, object] | None] = {}
    file = TextLines(path)
    notes += file.encoding.warning(path)
    with file.opened() as lines:
        for number, _, raw in lines:
            if raw.strip():
                try:
                    record = json.loads(file.encoding.text(raw))
                except ValueError:
                    record = None
                records[number] = record if isinstance(record, dict) else None
    columns = tuple(dict.fromkeys(name for record in records.values() for name in record or ()))
    if records and not columns:
        raise ValueError("no line is a JSON object")
    yield Row(0, columns)
    for number, record in records.items():
        cells = () if record is None else tuple(as_text(record.get(name)) for name in columns)
        yield Row(number, cells, ragged=record is None)


def _parquet(path: str, weights: Sequence[str], notes: list[str]) -> Iterator[Row]:  # noqa: ARG001
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    inside = pictures_inside(file.schema_arrow)
    # of pictures inside, which may be gigabytes, only the names are read
    names = [
        f"{name}.path" if name in inside else name
        for name in file.schema_arrow.names
        if inside.get(name, "path") is not None
    ]
    table = file.read(names)
    yield Row(0, tuple(table.column_names))
    values = [[as_text(value) for value in column.to_pylist()] for column in table.columns]
    for line, cells in enumerate(zip(*values, strict=True), start=1):
        yield Row(line, cells)


def _xlsx(path: str, weights: Sequence[str], notes: list[str]) -> Iterator[Row]:
    from openpyxl import load_workbook

    book = load_workbook(path, read_only=True, data_only=True)
    known = Counter(weights)
    best: tuple[int, str, list[tuple[int, list[str]]], int] | None = None
    try:
        shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        for sheet in shown or book.worksheets:
            rows = enumerate(_rows(sheet), start=1)
            cells = ((number, [_cell(cell) for cell in row]) for number, row in rows)
            lines = [(number, row) for number, row in cells if any(map(str.strip, row))]
            if not lines:
                continue
            at = header_at([row for _, row in lines[:_BANNER]], known)
            count = sum(known[fold(name)] for name in lines[at][1])
            if best is None or (count > best[0] > -1 and count > 1):
                best = (count, sheet.title, lines, at)
    finally:
        book.close()
    if best is None:
        return
    _, title, lines, at = best
    if len(book.sheetnames) > 1:
        notes.append(f"{path}: of {len(book.sheetnames)} sheets, {title!r} was read.")
    header = [name.strip() for name in lines[at][1]]
    while not header[-1]:
        header.pop()
    width = len(header)
    yield Row(lines[at][0], tuple(header))
    for number, row in lines[at + 1 :]:
        yield Row(number, (*row, *[""] * width)[:width])
    notes += _uncalculated(path, title, header, dict(lines))


def _rows(sheet: Any) -> Iterator[Sequence[Any]]:  # noqa: ANN401 - openpyxl has no types
    sheet.reset_dimensions()  # what other programs write there is often wrong: "A1"
    return iter(sheet.iter_rows())


def _uncalculated(
    path: str, title: str, header: Sequence[str], lines: Mapping[int, Sequence[str]]
) -> tuple[str, ...]:
    """Say which columns hold formulas whose results no program has saved, if any."""
    from openpyxl import load_workbook

    book = load_workbook(path, read_only=True)
    try:
        empty = Counter(
            header[place] if place < len(header) else title
            for number, row in enumerate(_rows(book[title]), start=1)
            for place, cell in enumerate(row)
            if str(cell.value or "").startswith("=")
            if not "".join(lines.get(number, ())[place : place + 1])
        )
    finally:
        book.close()
    if not empty:
        return ()
    return (
        f"{path}: {empty.total()} formulas in {', '.join(empty)} were never calculated and are "
        "read as blank; open the file in a spreadsheet and save it.",
    )


def _cell(cell: object) -> str:
    """Return a spreadsheet's cell as it is shown there: the format 00000 keeps leading zeros."""
    value = getattr(cell, "value", None)
    text = as_text(value)
    if isinstance(value, int | float) and re.fullmatch("0+", getattr(cell, "number_format", "")):
        return text.zfill(len(cell.number_format))  # type: ignore[attr-defined]
    return text
