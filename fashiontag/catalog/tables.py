"""Tables as merchants send them: every cell as text, delimiter and encoding found out."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fashiontag.errors import CatalogError, UsageError
from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")
Role = Literal["path", "id", "title"]
USUAL_NAMES: dict[Role, tuple[str, ...]] = {
    "path": ("path", "image", "filename", "file"),
    "id": ("image", "filename", "file", "path", "id", "sku"),
    "title": ("title", "name", "productDisplayName", "description"),
}
"""What the columns are called that hold a picture's path, name a picture, or are its title."""
_KNOWN_COLUMNS = frozenset(fold(name) for names in USUAL_NAMES.values() for name in names)
# What shops outside of Unicode write. More candidates only add ways to be wrong on 100 bytes.
_ENCODINGS = ["cp1252", "cp1250", "cp1251", "mac_roman", "cp932", "gb18030", "big5", "cp949"]
# A quoted cell that spans more lines than this is a quote that was never closed.
_MOST_LINES = 500


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
    """

    path: str | None = None
    id: str | None = None
    title: str | None = None


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
    """A table read whole: its name as typed, its columns in order, its rows."""

    path: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, role: Role, wanted: str | None) -> int | None:
        """Return the place of the column that was asked for, or else of a usual one; None if none.

        Raises
        ------
        UsageError
            `wanted` is no column; the sentence names the option and the columns.
        """
        place = find_column(self.columns, role, wanted)
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


def find_column(names: Sequence[str], role: Role, wanted: str | None) -> int | None:
    """Return the place of the column `wanted`, or else of the first usual name that is there.

    Names are compared exactly at first, then folded.
    """
    folded = [fold(name) for name in names]
    for name in (wanted,) if wanted is not None else USUAL_NAMES[role]:
        for there, same in ((names, name), (folded, fold(name))):
            if same in there:
                return there.index(same)
    return None


def read_table(path: str, names: Iterable[str | None] = ()) -> Table:
    """Read a table; the ending of its name decides how.

    Parameters
    ----------
    path : str
        A ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet`` or ``.xlsx`` file.
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
    suffix = Path(path).suffix.lower()
    if not Path(path).exists():
        raise UsageError(f"There is no table {path}; give an existing file.")
    if suffix not in SUFFIXES or Path(path).is_dir():
        raise UsageError(f"{path} is no table; give a file that ends in {', '.join(SUFFIXES)}.")
    if Path(path).stat().st_size == 0:
        raise CatalogError(f"{path} is empty; a table with a header line was expected.")
    try:
        reader = {".parquet": _parquet, ".xlsx": _xlsx, ".jsonl": _jsonl}.get(suffix)
        lines = list(reader(path) if reader else _delimited(path, suffix, names))
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
    return Table(path, columns, tuple(lines[1:]))


def as_text(value: object) -> str:
    """Return a typed cell as the text that a person sees: 1163.0 is "1163", no value is ""."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


# Each reader yields the header, then the rows.


def _decode(path: str) -> str:
    raw = Path(path).read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
    zeros = raw[:200].count(0)
    if zeros * 4 >= len(raw[:200]):  # Latin text in UTF-16 without its mark: every second byte
        return raw.decode("utf-16-le" if raw[1] == 0 else "utf-16-be")
    if zeros:
        raise CatalogError(f"{path} is no text; export it as text in UTF-8, or name it .xlsx.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode(legacy_encoding(raw), errors="replace")


def legacy_encoding(raw: bytes) -> str:
    """Return the encoding that bytes which are no Unicode were most likely written in."""
    from charset_normalizer import from_bytes

    matches = list(from_bytes(raw, cp_isolation=_ENCODINGS))
    if not matches:
        return "latin-1"
    # On a short file many encodings are as good as the best: then the most common one wins.
    for match in matches:
        if match.chaos <= matches[0].chaos + 0.01 and "cp1252" in match.could_be_from_charset:
            return "cp1252"
    return matches[0].encoding


def _delimited(path: str, suffix: str, names: Iterable[str | None]) -> Iterator[Row]:
    # newline="" keeps line ends inside quoted cells, and splits at none of Unicode's other ones.
    lines = [line.replace("\x00", "") for line in io.StringIO(_decode(path), newline="")]
    start = next((place for place, line in enumerate(lines) if line.strip()), len(lines))
    named = re.fullmatch(r"sep=(.)\s*", lines[start]) if start < len(lines) else None
    start += bool(named)  # Excel's own way to name the delimiter
    if start >= len(lines):
        return
    delimiter = named.group(1) if named else _delimiter(lines[start], suffix, names)
    header, *records = _records(lines, start, delimiter)
    columns = tuple(cell.strip() for cell in header.cells)
    yield replace(header, cells=columns)
    width = len(columns)
    for record in records:
        cells = record.cells
        if len(cells) > width and not any(cells[width:]):  # delimiters left at the end of a line
            cells = cells[:width]
        if any(cells):
            yield Row(record.line, cells, record.ragged or len(cells) != width)


def _delimiter(header: str, suffix: str, names: Iterable[str | None]) -> str:
    """Return the delimiter that shows the most known columns, then the most columns."""
    known = _KNOWN_COLUMNS | {fold(name) for name in names if name}

    def worth(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([header], delimiter=delimiter))
        return sum(fold(cell) in known for cell in cells), len(cells)

    return max("\t,;|" if suffix == ".tsv" else ",;\t|", key=worth)


def _records(lines: list[str], start: int, delimiter: str) -> Iterator[Row]:
    """Yield the header and the rows; a quote that never closes costs its own line only.

    A record over several lines is believed only if its quotes close and it has as many cells as
    the header: otherwise a stray quote would swallow the products below it.
    """
    width = 0
    while start < len(lines):
        odd = lines[start].count('"') % 2
        ragged = False
        try:
            chunk = lines[start : start + (_MOST_LINES if odd else 1)]
            reader = csv.reader(chunk, delimiter=delimiter, strict=bool(odd))
            cells = next(reader)
            taken = reader.line_num
            ragged = taken > 1 and len(cells) != width > 0
        except csv.Error:
            ragged = True
        if ragged:
            cells, taken = lines[start].rstrip("\r\n").split(delimiter), 1
        yield Row(start + 1, tuple(cells), ragged)
        width = width or len(cells)
        start += taken


def _jsonl(path: str) -> Iterator[Row]:
    records: dict[int, dict[str, object] | None] = {}
    for number, line in enumerate(io.StringIO(_decode(path)), start=1):
        if line.strip():
            try:
                record = json.loads(line)
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


def _parquet(path: str) -> Iterator[Row]:
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read()
    yield Row(0, tuple(table.column_names))
    values = [[as_text(value) for value in column.to_pylist()] for column in table.columns]
    for line, cells in enumerate(zip(*values, strict=True), start=1):
        yield Row(line, cells)


def _xlsx(path: str) -> Iterator[Row]:
    from openpyxl import load_workbook

    book = load_workbook(path, read_only=True, data_only=True)
    width = 0
    try:
        for number, line in enumerate(book.worksheets[0].iter_rows(), start=1):
            cells = [_cell(cell) for cell in line]
            if not any(cells):
                continue
            if not width:
                width = max(place for place, name in enumerate(cells, start=1) if name)
                cells = [name.strip() for name in cells]
            yield Row(number, (*cells, *[""] * width)[:width])
    finally:
        book.close()


def _cell(cell: object) -> str:
    """Return a spreadsheet's cell as it is shown there: the format 00000 keeps leading zeros."""
    value = getattr(cell, "value", None)
    text = as_text(value)
    if isinstance(value, int | float) and re.fullmatch("0+", getattr(cell, "number_format", "")):
        return text.zfill(len(cell.number_format))  # type: ignore[attr-defined]
    return text
