"""Google's product feed as a table: names with spaces or underscores, further pictures joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fashiontag.catalog.feeds.google import GoogleItem, canonical, google_products, google_rows
from fashiontag.catalog.feeds.products import FeedRow, Findings, Product, sound_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fashiontag.catalog.feeds.delimited import Delimited

ANCHORS = (
    ("id", "title", "image link"),
    ("id", "title", "image_link"),
    ("id", "image_link", "link"),
)


class GoogleTsv:
    """The rows and products of one file."""

    name = "google-tsv"

    def __init__(self, feed: Delimited, findings: Findings) -> None:
        self.feed = feed
        self.findings = findings
        self._names = [canonical(name) for name in feed.columns]

    def rows(self) -> Iterator[FeedRow]:
        """Yield the items that have an id of their own; the others are reported."""
        for row, _ in google_rows(self._items(), self.findings):
            yield row

    def products(self) -> Iterator[Product]:
        """Yield the products; a group whose items are apart comes in as many parts."""
        return google_products(self._items(), self.findings)

    def _items(self) -> Iterator[GoogleItem]:
        for record in sound_records(self.feed, self.findings):
            values: dict[str, list[str]] = {}
            for name, cell in zip(self._names, record.cells, strict=True):
                if cell:
                    values.setdefault(name, []).append(cell.strip())
            link = next(iter(values.get("link", ())), "")
            yield GoogleItem(record, f"line {record.line}", values, link)
