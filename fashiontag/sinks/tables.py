r"""Rows of tags → one table: CSV, TSV, JSON lines or Parquet, written as the rows come.

Every format has the columns ``id, path, title, status, message, tags``, then one column per
attribute group. The text formats are UTF-8 without a byte-order mark, quoted as RFC 4180 says,
with ``\n`` line ends on every system, so that equal rows are equal bytes everywhere. A file name
that is no Unicode text (a lone surrogate in Python) is written with ``\udcXX`` spelled out.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, Self, TextIO

from fashiontag.errors import OutputError, UsageError
from fashiontag.sinks.partfile import PartFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from fashiontag.datamodels import Tagged, TagScore

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_ROW_GROUP = 4096  # rows that Parquet holds back: about 10 MB, 30 MB with scores


def open_table(
    out: Path | None,
    groups: Sequence[str],
    *,
    scores: bool = False,
    promised: bool = False,
    stream: TextIO | BinaryIO | None = None,
) -> TableSink:
    """Open a table for writing, having made sure that it can be written.

    Parameters
    ----------
    out : Path or None
        The suffix decides the format. None is CSV on `stream`, row by row.
    groups : sequence of str
        The attribute groups, one column each, in this order.
    scores : bool
        Whether ``.jsonl`` and ``.parquet`` get the column ``scores``: in JSON lines
        ``{group: {label: score}}``, in Parquet the same as a JSON string.
    promised : bool
        Whether a precision was promised: then ``tags`` (as text) and the group columns hold only
        what may be published, and ``.csv`` and ``.tsv`` have a last column ``review``. The list
        of tags in ``.jsonl`` and ``.parquet`` holds all of them, each with its decision.
    stream : TextIO or BinaryIO, optional
        Where CSV goes without `out`; standard output by default. What was written stays there.

    Returns
    -------
    TableSink
        A context manager; the file is there once its block has ended without an exception.

    Raises
    ------
    UsageError
        The suffix names no format.
    OutputError
        Nothing can be written there; later also from the sink, when the disk is full.
    """
    layout = _Layout(tuple(groups), scores, promised)
    if out is None:
        return TableSink(_Delimited(_stream_writer(stream or sys.stdout), layout, ","), None)
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        msg = (
            f"{str(out)!r} names no format that can be written; "
            f"end it in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
        raise UsageError(msg)
    part = PartFile(out)
    if suffix == ".parquet":
        return TableSink(_Parquet(part.file, layout), part)
    if suffix == ".jsonl":
        return TableSink(_JsonLines(part.file, layout), part)
    return TableSink(_Delimited(part.file.write, layout, "," if suffix == ".csv" else "\t"), part)


class TableSink:
    """One open table, made by `open_table`; a context manager."""

    def __init__(self, rows: _Rows, part: PartFile | None) -> None:
        self._rows = rows
        self._part = part

    def write(self, tagged: Tagged) -> None:
        """Add one row."""
        with self._part.errors() if self._part else contextlib.nullcontext():
            self._rows.write(tagged)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._part is None:
            return
        try:
            with self._part.errors() if kind is None else contextlib.suppress(Exception):
                self._rows.close()
            if kind is None:
                self._part.commit()
        finally:
            self._part.discard()


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which cells a row has."""

    groups: tuple[str, ...]
    scores: bool
    promised: bool

    def text_cells(self, tagged: Tagged) -> list[str]:
        """Return the row as CSV has it, before its guard against formulas and its encoding."""
        chosen = self._chosen(tagged)
        cells = [tagged.id, tagged.path, tagged.title, tagged.status, tagged.message]
        cells += [_joined(chosen), *self._group_cells(chosen).values()]
        if self.promised:
            rest = [tag for tag in tagged.tags if tag.decision not in ("publish", "abstain")]
            cells.append(_joined(rest))
        return cells

    def nested_cells(self, tagged: Tagged) -> dict[str, Any]:
        """Return the row with ``tags`` as a list."""
        tags = [
            {
                "group": _text(tag.group),
                "label": _text(tag.label),
                "score": _rounded(tag.score),
                "source": tag.source,
                "method": tag.method,
                "decision": tag.decision,
            }
            for tag in tagged.tags
        ]
        cells: dict[str, Any] = {
            "id": _text(tagged.id),
            "path": _text(tagged.path),
            "title": _text(tagged.title),
            "status": tagged.status,
            "message": _text(tagged.message),
            "tags": tags,
        }
        labels = self._group_cells(self._chosen(tagged))
        cells |= {_text(group): _text(names) for group, names in labels.items()}
        if self.scores:
            cells["scores"] = {
                _text(group): {_text(label): _rounded(score) for label, score in scores.items()}
                for group, scores in (tagged.scores or {}).items()
            }
        return cells

    def _chosen(self, tagged: Tagged) -> list[TagScore]:
        return [tag for tag in tagged.tags if not self.promised or tag.decision == "publish"]

    def _group_cells(self, chosen: Sequence[TagScore]) -> dict[str, str]:
        labels = dict.fromkeys(self.groups, "")
        for tag in chosen:
            before = labels[tag.group]
            labels[tag.group] = f"{before}|{tag.label}" if before else tag.label
        return labels


def _joined(tags: Sequence[TagScore]) -> str:
    return "|".join([f"{tag.group}={tag.label}" for tag in tags])


def _text(value: str) -> str:
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def _rounded(score: float) -> float:
    return round(float(score), 4) + 0.0  # + 0.0 makes -0.0 into 0.0


class _Rows(Protocol):
    """One format."""

    def write(self, tagged: Tagged) -> object: ...

    def close(self) -> None:
        """Write what was held back; the file itself stays open."""


class _Delimited:
    def __init__(self, write: Callable[[bytes], object], layout: _Layout, delimiter: str) -> None:
        self._write = write
        self._layout = layout
        self._line = io.StringIO(newline="")
        # Python 3.11 quotes a cell for the characters of its line end: with "\n" alone a "\r" in
        # a title would go out bare, and a reader would take it for the end of the row.
        self._csv = csv.writer(self._line, delimiter=delimiter, lineterminator="\r\n")
        last = ("review",) if layout.promised else ()
        names = ("id", "path", "title", "status", "message", "tags", *layout.groups, *last)
        self._put(names)

    def write(self, tagged: Tagged) -> None:
        cells = self._layout.text_cells(tagged)
        for at in range(2, len(cells)):  # id and path stay what they are
            if cells[at].startswith(_FORMULA):
                cells[at] = "'" + cells[at]
        self._put(cells)

    def _put(self, cells: Sequence[str]) -> None:
        self._line.seek(0)
        self._line.truncate()
        self._csv.writerow(cells)
        line = self._line.getvalue().removesuffix("\r\n")
        self._write(line.encode("utf-8", "backslashreplace") + b"\n")

    def close(self) -> None:
        """Nothing is held back."""


class _JsonLines:
    def __init__(self, file: BinaryIO, layout: _Layout) -> None:
        self._file = file
        self._layout = layout

    def write(self, tagged: Tagged) -> None:
        row = self._layout.nested_cells(tagged)
        self._file.write(_json(row).encode() + b"\n")

    def close(self) -> None:
        """Nothing is held back."""


class _Parquet:
    def __init__(self, file: BinaryIO, layout: _Layout) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._layout = layout
        tag = dict.fromkeys(("group", "label", "source", "method", "decision"), pa.string())
        tag["score"] = pa.float64()
        fields = dict.fromkeys(("id", "path", "title", "status", "message"), pa.string())
        fields["tags"] = pa.list_(pa.struct(tag))
        fields |= {_text(group): pa.string() for group in layout.groups}
        if layout.scores:
            fields["scores"] = pa.string()
        self._schema = pa.schema(fields)
        self._table = pa.Table
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._held: list[dict[str, Any]] = []

    def write(self, tagged: Tagged) -> None:
        row = self._layout.nested_cells(tagged)
        if self._layout.scores:
            row["scores"] = _json(row["scores"])
        self._held.append(row)
        if len(self._held) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._table.from_pylist(self._held, schema=self._schema))
        self._held.clear()

    def close(self) -> None:
        try:
            if self._held:
                self._flush()
            self._writer.close()
        finally:
            self._writer.is_open = False  # or its destructor tries again, after the file is gone


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _stream_writer(stream: TextIO | BinaryIO) -> Callable[[bytes], object]:
    """Write bytes to a stream and flush: whoever reads the other end sees rows as they come."""
    stream.flush()
    raw: Any = getattr(stream, "buffer", stream)
    text_only = isinstance(raw, io.TextIOBase)

    def write(line: bytes) -> None:
        try:
            raw.write(line.decode() if text_only else line)
            raw.flush()
        except BrokenPipeError:  # whoever read has seen enough, which is no error
            raise
        except OSError as error:
            msg = f"can't write to standard output: {error.strerror}; make room or use --out FILE"
            raise OutputError(msg) from error

    return write
