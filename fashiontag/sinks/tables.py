r"""Rows of tags → one table: CSV, TSV, JSON lines, Parquet or a workbook, row by row.

Every format has the columns ``id, path, title, status, message, tags``, then one column per
attribute group. The text formats are UTF-8 without a byte-order mark, quoted as RFC 4180 says,
with ``\n`` line ends on every system, so that equal rows are equal bytes everywhere. A file name
that is no Unicode text (a lone surrogate in Python) is written with ``\udcXX`` spelled out.

A workbook (``.xlsx``) is what opens in Excel without a question: Excel takes a CSV without a
byte-order mark for the system's own encoding, and a number's leading zeros from it. Its cells are
texts and no formulas, so nothing in them needs a guard.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from fashiontag.datamodels import TaggedUnit
from fashiontag.errors import OutputError, UsageError
from fashiontag.sinks.partfile import PartFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from fashiontag.datamodels import Item, Tagged, TagScore

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")

_COLUMNS = ("id", "path", "title", "status", "message")  # then come tags and the groups
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SHEET_ROWS = 1_048_576
_CELL = 32_767  # characters that Excel keeps of a cell
_ROW_GROUP = 4096  # rows that Parquet holds back: about 10 MB, 30 MB with scores


@contextmanager
def open_table(
    out: Path | None,
    layout: Layout,
    *,
    stream: TextIO | BinaryIO | None = None,
    before: Callable[[Path], None] | None = None,
) -> Iterator[TableSink]:
    """Open a table for writing, having made sure that it can be written.

    Parameters
    ----------
    out : Path or None
        The suffix decides the format. None is CSV on `stream`, row by row.
    layout : Layout
    stream : TextIO or BinaryIO, optional
        Where CSV goes without `out`; standard output by default. What was written stays there.
    before : callable, optional
        Called with the finished file before it takes the name `out`.

    Yields
    ------
    TableSink
        The file is there once the block has ended without an exception.

    Raises
    ------
    UsageError
        The suffix names no format.
    OutputError
        Nothing can be written there; later also from the sink, when the disk is full.
    """
    if out is None:
        yield _delimited(_stream_writer(stream or sys.stdout), layout, ",")
        return
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"{str(out)!r} names no format that can be written; "
            f"end it in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    with PartFile(out, before) as part:
        if suffix == ".parquet":
            yield from _parquet(part, layout)
        elif suffix == ".xlsx":
            yield from _workbook(part, layout)
        elif suffix == ".jsonl":
            yield TableSink(lambda *row: part.write(_json(layout.nested_row(*row)) + "\n"))
        else:
            yield _delimited(part.write, layout, "," if suffix == ".csv" else "\t")


@dataclass(frozen=True, slots=True)
class TableSink:
    """One open table, made by `open_table`."""

    add: Callable[[Tagged, Item], object]

    def write(self, tagged: Tagged, item: Item) -> None:
        """Add one row."""
        self.add(tagged, item)


def write_suggestions(
    out: Path,
    rows: Iterable[tuple[str, str, str, str]],
    before: Callable[[Path], None] | None = None,
) -> None:
    """Write products to label as CSV: id, title, purpose and remark, and ``tags`` to fill in.

    ``before`` is called with the finished file before it takes its name.

    Raises
    ------
    OutputError
        Nothing can be written there.
    """
    with PartFile(out, before) as part:
        put = _row_writer(part.write, ",")
        put(("image", "title", "status", "message", "tags"))
        for image, title, purpose, remark in rows:
            put((image, _inert(title), purpose, remark, ""))


def write_findings(out: Path, rows: Iterable[tuple[int, str, str, str, str, float]]) -> None:
    """Write what an audit found as CSV.

    Raises
    ------
    OutputError
        Nothing can be written there.
    """
    with PartFile(out) as part:
        put = _row_writer(part.write, ",")
        put(("rank", "check", "id", "evidence", "suggestion", "score"))
        for rank, check, key, evidence, suggestion, score in rows:
            put((str(rank), check, key, _inert(evidence), _inert(suggestion), f"{score:.4f}"))


@dataclass(frozen=True, slots=True)
class Layout:
    """Which cells a row has.

    Attributes
    ----------
    groups : tuple of str
        The attribute groups, one column each, in this order.
    scores : bool
        Whether ``.jsonl`` and ``.parquet`` get the column ``scores``: in JSON lines
        ``{group: {label: score}}``, in Parquet the same as a JSON string.
    promised : bool
        Whether a precision was promised: then ``tags`` (as text) and the group columns hold only
        what may be published, and the text formats have a column ``review``. The list of tags in
        ``.jsonl`` and ``.parquet`` holds all of them, each with its decision.
    units : bool
        Whether rows are of products or variants (`TaggedUnit`): then a column ``photos`` after the
        groups has how many they have, and ``.jsonl`` and ``.parquet`` have ``evidence`` and
        ``conflicts``.
    keys : tuple of str
        The columns of `Catalog.keys`: each comes last, as ``table.NAME``.
    """

    groups: tuple[str, ...]
    scores: bool = False
    promised: bool = False
    units: bool = False
    keys: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The header of the text formats."""
        last = ("photos",) * self.units + ("review",) * self.promised
        return (*_COLUMNS, "tags", *self.groups, *last, *self.own)

    @property
    def own(self) -> tuple[str, ...]:
        """The columns of the table's own names."""
        return tuple(f"table.{name}" for name in self.keys)

    def text_row(self, tagged: Tagged, item: Item | None = None) -> list[str]:
        """Return the row as CSV has it, before its guard against formulas."""
        chosen = self._chosen(tagged)
        cells = [getattr(tagged, column) for column in _COLUMNS]
        cells += [_joined(chosen), *self._labels(chosen).values()]
        if isinstance(tagged, TaggedUnit):
            cells.append(str(len(tagged.photos)))
        if self.promised:
            rest = [tag for tag in tagged.tags if tag.decision not in ("publish", "abstain")]
            cells.append(_joined(rest))
        return [*cells, *item.keys] if self.keys and item is not None else cells

    def nested_row(self, tagged: Tagged, item: Item | None = None) -> dict[str, Any]:
        """Return the row with ``tags`` as a list."""
        cells: dict[str, Any] = {column: _text(getattr(tagged, column)) for column in _COLUMNS}
        cells["tags"] = _plain(tagged.tags)
        labels = self._labels(self._chosen(tagged))
        cells |= {_text(group): _text(joined) for group, joined in labels.items()}
        if isinstance(tagged, TaggedUnit):
            cells["photos"] = len(tagged.photos)
            cells["evidence"] = _plain(tagged.evidence)
            cells["conflicts"] = _plain(tagged.conflicts)
        if self.keys and item is not None:
            cells |= dict(zip(map(_text, self.own), map(_text, item.keys), strict=True))
        if self.scores:
            cells["scores"] = _plain(tagged.scores or {})
        return cells

    def _chosen(self, tagged: Tagged) -> list[TagScore]:
        return [tag for tag in tagged.tags if not self.promised or tag.decision == "publish"]

    def _labels(self, chosen: Sequence[TagScore]) -> dict[str, str]:
        """Return each group's labels, joined by bars."""
        labels: dict[str, list[str]] = {group: [] for group in self.groups}
        for tag in chosen:
            labels[tag.group].append(tag.label)
        return {group: "|".join(names) for group, names in labels.items()}


def _joined(tags: Iterable[TagScore]) -> str:
    return "|".join(tag.tag for tag in tags)


def _text(value: str) -> str:
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return what JSON can hold: scores rounded, results of dataclasses by name."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple):
        return [*map(_plain, value)]
    if isinstance(value, Mapping):
        return {_text(name): _plain(inner) for name, inner in value.items()}
    if is_dataclass(value):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value if value is None else round(float(value), 4) + 0.0  # + 0.0 makes -0.0 into 0.0


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _inert(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _row_writer(
    write: Callable[[str], object], delimiter: str
) -> Callable[[Sequence[str]], object]:
    """Return what writes cells as one line of CSV or TSV."""
    # Python 3.11 quotes a cell for the characters of its line end: with "\n" alone a "\r" in a
    # title would go out bare, and a reader would take it for the end of the row.
    lines = SimpleNamespace(write=lambda line: write(line.removesuffix("\r\n") + "\n"))
    return csv.writer(lines, delimiter=delimiter, lineterminator="\r\n").writerow


def _delimited(write: Callable[[str], object], layout: Layout, delimiter: str) -> TableSink:
    put = _row_writer(write, delimiter)
    put(layout.columns)

    def add(tagged: Tagged, item: Item) -> None:
        key, path, *texts = layout.text_row(tagged, item)
        put((key, path, *map(_inert, texts)))  # id and path stay what they are

    return TableSink(add)


def types(layout: Layout) -> dict[str, Any]:
    """Return the columns of Parquet, with pyarrow's types."""
    import pyarrow as pa

    tag = dict.fromkeys(("group", "label", "source", "method", "decision"), pa.string())
    fields = dict.fromkeys(_COLUMNS, pa.string())
    fields["tags"] = pa.list_(pa.struct(tag | {"score": pa.float64()}))
    fields |= {_text(group): pa.string() for group in layout.groups}
    if layout.units:
        texts = pa.list_(pa.string())
        said = dict.fromkeys(("photo", "group", "label"), pa.string()) | {"score": pa.float64()}
        fields["photos"] = pa.int64()
        fields["evidence"] = pa.list_(pa.struct(said))
        fields["conflicts"] = pa.list_(
            pa.struct({"group": pa.string(), "between": texts, "values": texts})
        )
    fields |= dict.fromkeys(map(_text, layout.own), pa.string())
    if layout.scores:
        fields["scores"] = pa.string()
    return fields


def _parquet(part: PartFile, layout: Layout) -> Iterator[TableSink]:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(types(layout))
    writer = parquet.ParquetWriter(part.file, schema, compression="zstd")
    held: list[dict[str, Any]] = []

    def flush() -> None:
        with part.errors():
            writer.write_table(pa.Table.from_pylist(held, schema=schema))
        held.clear()

    def add(tagged: Tagged, item: Item) -> None:
        row = layout.nested_row(tagged, item)
        if layout.scores:
            row["scores"] = _json(row["scores"])
        held.append(row)
        if len(held) >= _ROW_GROUP:
            flush()

    try:
        yield TableSink(add)
        if held:
            flush()
        with part.errors():
            writer.close()
    finally:
        writer.is_open = False  # or its destructor tries again, after the file is gone


def _workbook(part: PartFile, layout: Layout) -> Iterator[TableSink]:
    import xlsxwriter

    with part.errors():  # rows go to a temporary file, so memory stays flat
        book = xlsxwriter.Workbook(part.file, {"constant_memory": True})
        # a date of the run would make equal rows other bytes
        book.set_properties({"created": datetime(2000, 1, 1)})
        sheet = book.add_worksheet("tags")
        sheet.freeze_panes(1, 0)
        # shown as it is, and still no formula where somebody edits the cell
        quoted = book.add_format({"quote_prefix": True})
    places = count()

    def put(cells: Sequence[str]) -> None:
        row = next(places)
        if row == _SHEET_ROWS:
            raise OutputError(
                f"a workbook holds {_SHEET_ROWS - 1:,} products and there are more; end --out in "
                ".csv or .parquet."
            )
        for column, cell in enumerate(map(_text, cells)):
            text = cell if len(cell) <= _CELL else f"{cell[: _CELL - 1]}…"
            style = quoted if text.startswith(_FORMULA) else None
            with part.errors():
                sheet.write_string(row, column, text, style)

    put(layout.columns)
    yield TableSink(lambda *row: put(layout.text_row(*row)))
    with part.errors():
        book.close()


def _stream_writer(stream: TextIO | BinaryIO) -> Callable[[str], object]:
    """Write to a stream and flush: whoever reads the other end sees rows as they come."""
    stream.flush()
    raw: Any = getattr(stream, "buffer", stream)
    is_text = isinstance(raw, io.TextIOBase)

    def write(line: str) -> None:
        try:
            raw.write(_text(line) if is_text else line.encode("utf-8", "backslashreplace"))
            raw.flush()
        except BrokenPipeError:  # whoever read has seen enough, which is no error
            raise
        except OSError as error:
            raise OutputError(
                f"can't write to standard output: {error.strerror}; make room or use --out FILE"
            ) from error

    return write
