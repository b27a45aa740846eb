"""Where a value goes in a feed's bytes: into a cell or element, after what is there, or last.

Each function returns edits of the unpacked file, or None where it can't be done, and touches
nothing else: quotes, line ends and encoding stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from fashiontag.catalog.feeds.google import canonical
from fashiontag.datamodels import Edit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fashiontag.catalog.feeds.delimited import Delimited, Record
    from fashiontag.catalog.feeds.google_xml import Entry


class CellEdits:
    """Edits of the cells of one row.

    Parameters
    ----------
    feed : Delimited
    record : Record
    """

    def __init__(self, feed: Delimited, record: Record) -> None:
        self._feed = feed
        self._record = record
        self._spans = feed.spans(record) or []

    def put(self, place: int, text: str) -> list[Edit] | None:
        """Put text into a cell in the place of what is there."""
        if place >= len(self._spans):
            return None
        start, end = self._spans[place]
        quoted = self._feed.raw_cell(self._record, (start, end)).startswith('"')
        new = self._feed.encode(self._cell(text, quoted=quoted))
        return None if new is None else [Edit(start, end, new)]

    def add(self, place: int, text: str) -> list[Edit] | None:
        """Put text after what a cell says."""
        if place >= len(self._spans):
            return None
        start, end = self._spans[place]
        raw = self._feed.raw_cell(self._record, (start, end))
        quote = self._feed.encode('"') or b""
        inside = self._feed.encode(text.replace('"', '""'))
        if inside is None:
            return None
        if raw.startswith('"'):
            if len(raw) < 2 or not raw.endswith('"'):
                return None
            return [Edit(end - len(quote), end - len(quote), inside)]
        if '"' in raw:  # as typed it can't stand in quotes
            return None
        if self._needs_quotes(text):
            return [Edit(start, start, quote), Edit(end, end, inside + quote)]
        return [Edit(end, end, inside)]

    def append(self, texts: Sequence[str], width: int) -> list[Edit] | None:
        """Put cells at the end of the row, which then has ``width + len(texts)``."""
        if not self._spans or len(self._spans) > width:
            return None
        end = self._spans[-1][1]
        cells = [""] * (width - len(self._spans)) + [
            self._cell(text, quoted=False) for text in texts
        ]
        new = self._feed.encode("".join(self._feed.delimiter + cell for cell in cells))
        return None if new is None else [Edit(end, end, new)]

    def _cell(self, text: str, *, quoted: bool) -> str:
        if quoted or self._needs_quotes(text):
            return '"' + text.replace('"', '""') + '"'
        return text

    def _needs_quotes(self, text: str) -> bool:
        return any(sign in text for sign in (self._feed.delimiter, '"', "\r", "\n"))


class ElementEdits:
    """Edits of the elements of one item.

    Parameters
    ----------
    data : bytes
        The whole feed, unpacked.
    encoding : str
    entry : Entry
    """

    def __init__(self, data: bytes, encoding: str, entry: Entry) -> None:
        self._data = data
        self._encoding = encoding
        self._entry = entry
        self._unit = 2 if encoding.startswith("utf-16") else 1

    def text(self, name: str) -> str | None:
        """Return what an attribute says; "" where it is there and empty, None where it isn't."""
        texts = [e.text.strip() for e in self._entry.elements if canonical(e.name) == name]
        return next((text for text in texts if text), "") if texts else None

    def put(self, name: str, text: str) -> list[Edit] | None:
        """Put text into an element in the place of what is there, or into a new one at the end."""
        value = self._encoded(escape(text))
        for element in reversed(self._entry.elements):
            if canonical(element.name) != name or element.text.strip() not in ("", self.text(name)):
                continue
            tag = self._decoded(element.start, element.end)
            if tag.rstrip().endswith("/>"):  # its end is that of the tag
                closed = self._encoded(f"></{element.name}>")
                slash = element.start + len(self._encoded(tag.rstrip()[:-2].rstrip()))
                opened, closed = closed[: self._unit], closed[self._unit :]
                return [Edit(slash, element.end, opened + value + closed)]
            inner = element.start + len(self._encoded(tag[: tag.index(">") + 1]))
            return [Edit(inner, element.end, value)]
        return self._new(name, value)

    def _new(self, name: str, value: bytes) -> list[Edit] | None:
        if not self._entry.elements:
            return None
        last = self._entry.elements[-1]
        at = last.end
        if self._decoded(at, at + 2 * self._unit) == "</":
            while self._decoded(at, at + self._unit) != ">":
                at += self._unit
            at += self._unit
        blank = last.start
        while blank and self._decoded(blank - self._unit, blank).isspace():
            blank -= self._unit
        known = next(
            (e.name for e in self._entry.elements if canonical(e.name) == "image_link"), ""
        )
        tag = f"{known.rpartition(':')[0]}:{name}" if ":" in known else name
        new = self._encoded(f"<{tag}>") + value + self._encoded(f"</{tag}>")
        return [Edit(at, at, self._data[blank : last.start] + new)]

    def _decoded(self, start: int, end: int) -> str:
        return self._data[start:end].decode(self._encoding, "replace")

    def _encoded(self, text: str) -> bytes:
        return text.encode(self._encoding, "xmlcharrefreplace")
