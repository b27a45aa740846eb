"""Google's product feed as a table: names with spaces or underscores, further pictures joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fashiontag.catalog.feeds.google import GoogleFeed, GoogleItem, canonical
from fashiontag.catalog.feeds.products import Findings, sound_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fashiontag.catalog.delimited import Delimited

ANCHORS = (
    ("id", "title", "image link"),
    ("id", "title", "image_link"),
    ("id", "image_link", "link"),
)


class GoogleTsv(GoogleFeed):
    """The rows and products of one file."""

    name = "google-tsv"

    def __init__(self, feed: Delimited, findings: Findings) -> None:
        self.feed = feed
        self.findings = findings
        self._names = [canonical(name) for name in feed.columns]

    def items(self) -> Iterator[GoogleItem]:
        """Yield all items in the feed's order."""
        for record in sound_records(self.feed, self.findings):
            values: dict[str, list[str]] = {}
            for name, cell in zip(self._names, record.cells, strict=True):
                if cell:
                    values.setdefault(name, []).append(cell.strip())
            link = next(iter(values.get("link", ())), "")
            yield GoogleItem(record, f"line {record.line}", values, link)
