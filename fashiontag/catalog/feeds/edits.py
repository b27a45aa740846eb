"""Feeds as places to write to: what a column says in a row, and the edits that make it say more.

Edits are of the unpacked file and touch nothing else: quotes, line ends and encoding stay.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol
from xml.sax.saxutils import escape

from fashiontag.catalog.delimited import open_feed
from fashiontag.catalog.feeds import open_dialect
from fashiontag.catalog.feeds.google import canonical
from fashiontag.catalog.feeds.google_xml import GoogleXml
from fashiontag.catalog.feeds.products import Findings
from fashiontag.datamodels import Edit
from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fashiontag.catalog.delimited import Record
    from fashiontag.catalog.feeds.google_xml import Element
    from fashiontag.catalog.feeds.products import FeedRow


class Column(Protocol):
    """A column that can be written to.

    Attributes
    ----------
    names : tuple of str
        What it may be called; the first is its name where it is added.
    attribute : bool
        It is one of WooCommerce's pairs of columns: its name is a cell, its value another.
    """

    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def attribute(self) -> bool: ...  # noqa: D102


class FeedPatch:
    """A feed that is read row by row and can be written to.

    Parameters
    ----------
    path, format : str
    findings : Findings
    added : sequence of Column
        Those that are put at the end where the file lacks them.
    """

    def __init__(
        self,
        path: str,
        format: str,  # noqa: A002
        findings: Findings,
        added: Sequence[Column] = (),
    ) -> None:
        self._dialect: Any = open_dialect(path, format, findings)
        self._sizes: Counter[str] = Counter()
        self._xml = isinstance(self._dialect, GoogleXml)
        names: set[str] = set()
        if format.startswith("google"):  # its rows are variants
            before: Any = open_dialect(path, format, Findings())
            for row in before.rows():
                self._sizes[row.product] += 1
                if self._xml:
                    names.update(canonical(element.name) for element in row.row.elements)
        if self._xml:
            self._encoding = before.encoding
            # one that any item has is a column of the file, empty where an item lacks it
            self._names = names | {column.names[0] for column in added}
            with open_feed(path) as file:
                self._data = file.read()
            return
        self._table = _Table(self._dialect, added)

    def alone(self, row: FeedRow) -> bool:
        """Return whether a row's product has no other variant."""
        return self._sizes[row.product] < 2

    def rows(self) -> Iterator[tuple[FeedRow | None, Line | Item]]:
        """Yield the rows in order, and at first the header, which is None and needs nothing put."""
        if not self._xml:
            yield None, self._table.header()
        for row in self._dialect.rows():
            if self._xml:
                yield row, Item(self._data, self._encoding, row.row.elements, self._names)
            else:
                yield row, Line(self._table, row.row)


class _Table:
    """A feed of lines and cells: where its columns are, and which are added."""

    def __init__(self, dialect: Any, added: Sequence[Column]) -> None:  # noqa: ANN401
        self.feed = dialect.feed
        self.named = canonical if dialect.name == "google-tsv" else fold
        columns = reversed([*enumerate(self.feed.columns)])
        self.places = {self.named(name): place for place, name in columns}
        for name, place in [*self.places.items()]:  # a metafield, whatever the shop calls it
            if bracket := re.search(r"\(product\.metafields\.[^()]+\)$", name):
                self.places.setdefault(bracket.group(), place)
        self.width = len(self.feed.pieces(self.feed.header))
        self.added = [
            column.names[0]
            for column in added
            if not column.attribute and self.place(column, ()) is None
        ]

    def header(self) -> Line:
        """Return the header with the names of what is added."""
        line = Line(self, self.feed.header)
        line.last = {name: name for name in self.added}
        return line

    def place(self, column: Column, cells: Sequence[str]) -> int | None:
        """Return where a column is in a row."""
        if not column.attribute:
            named = map(self.named, column.names)
            return next((self.places[name] for name in named if name in self.places), None)
        wanted = {fold(name) for name in column.names}
        for name, place in self.places.items():
            number = re.fullmatch(r"attribute (\d+) name", name)
            if number and fold(cells[place]) in wanted:
                return self.places.get(f"attribute {number.group(1)} value(s)")
        return None


class Line:
    """A row of a table, to be read, written to, and turned into edits."""

    def __init__(self, table: _Table, record: Record) -> None:
        self._table = table
        self._record = record
        self._pieces: list[str] = table.feed.pieces(record)
        self._changed = False
        self.last = dict.fromkeys(table.added, "") if len(self._pieces) <= table.width else {}

    def text(self, column: Column) -> str | None:
        """Return what a column says; None where there is none."""
        place = self._table.place(column, self._record.cells)
        return self.last.get(column.names[0]) if place is None else self._record.cells[place]

    def put(self, column: Column, text: str) -> bool:
        """Put text in the place of what a column says; False where the file can't hold it."""
        place = self._table.place(column, self._record.cells)
        if place is not None and place >= len(self._pieces):
            return False
        quoted = place is not None and self._pieces[place].startswith('"')
        new = self._table.feed.piece(self._record, text, quoted=quoted)
        if new is None:
            return False
        if place is None:
            self.last[column.names[0]] = new
        else:
            self._pieces[place] = new
            self._changed = True
        return True

    def edits(self) -> list[Edit]:
        """Return the edits of all that was put, in the order of their places."""
        if not self._pieces or not (self._changed or self.last):
            return []
        blank = [""] * (self._table.width - len(self._pieces)) if self.last else []
        pieces = [*self._pieces, *blank, *self.last.values()]
        return [self._table.feed.patched(self._record, pieces)]


class Item:
    """An item of XML, as a `Line`."""

    def __init__(
        self, data: bytes, encoding: str, elements: Sequence[Element], names: set[str]
    ) -> None:
        self._data = data
        self._encoding = encoding
        self._elements = elements
        self._names = names
        self._edits: list[Edit] = []

    def text(self, column: Column) -> str | None:
        """Return what a column says; None where no item has it."""
        name = column.names[0]
        texts = [e.text.strip() for e in self._elements if canonical(e.name) == name]
        if not texts and name not in self._names:
            return None
        return next(filter(None, texts), "")

    def put(self, column: Column, text: str) -> bool:
        """Put text in the place of what a column says; False where the file can't hold it."""
        if not self._elements:
            return False
        name, there = column.names[0], self.text(column)
        value = self._encoded(escape(text))
        for element in reversed(self._elements):
            if canonical(element.name) == name and element.text.strip() in ("", there):
                self._edits.append(self._filled(element, value))
                return True
        self._edits.append(self._new(name, value))
        return True

    def edits(self) -> list[Edit]:
        """Return the edits of all that was put, in the order of their places."""
        return sorted(self._edits, key=lambda edit: edit.start)

    def _filled(self, element: Element, value: bytes) -> Edit:
        tag = self._decoded(element.start, element.end)
        if self._closing(element):
            inner = element.start + len(self._encoded(tag[: tag.index(">") + 1]))
            return Edit(inner, element.end, value)
        slash = element.start + len(self._encoded(tag.rstrip()[:-2].rstrip()))
        closed = self._encoded(f"</{element.name}>")
        return Edit(slash, element.end, self._encoded(">") + value + closed)

    def _new(self, name: str, value: bytes) -> Edit:
        last = self._elements[-1]
        at = last.end + len(self._encoded(self._closing(last)))
        blank = last.start
        unit = len(self._encoded(" "))
        while blank and self._decoded(blank - unit, blank).isspace():
            blank -= unit
        names = (e.name for e in self._elements if canonical(e.name) == "image_link")
        prefix, colon, _ = next(names, "").rpartition(":")
        tag = f"{prefix}{colon}{name}"
        new = self._encoded(f"<{tag}>") + value + self._encoded(f"</{tag}>")
        return Edit(at, at, self._data[blank : last.start] + new)

    def _closing(self, element: Element) -> str:
        """Return an element's closing tag as it stands; "" if it is closed in itself.

        What follows ``<g:color/>`` may be the closing tag of the item.
        """
        wanted = self._encoded(f"</{element.name}")
        if not self._data.startswith(wanted, element.end):
            return ""
        end = self._data.index(self._encoded(">"), element.end) + len(self._encoded(">"))
        return self._decoded(element.end, end)

    def _decoded(self, start: int, end: int) -> str:
        return self._data[start:end].decode(self._encoding, "replace")

    def _encoded(self, text: str) -> bytes:
        return text.encode(self._encoding, "xmlcharrefreplace")
